"""Labels of the broad model for a committee that starts from the small one, and models made by hand."""

import copy

import numpy as np
import pytest

from disolyte.finetuning.reference.structures import distort, random_ordering
from disolyte.finetuning.replay import label_frames
from disolyte.models import BROAD, SHIPPED, ModelDoc, ModelSource, PackedModel, load_model

TRAINED_ANG, TESTED_ANG = (0.03, 0.06, 0.09), (0.02, 0.05, 0.08, 0.11, 0.14, 0.17)
"""Standard deviations of the displacements: the test goes where training did not."""


@pytest.fixture(scope="session")
def labeller():
    return load_model(ModelSource(name=BROAD))


def draw_frames(rng, n, rattles_ang):
    frames = []
    for number in range(n):
        rattle = rattles_ang[number % len(rattles_ang)]
        atoms = distort(random_ordering(rng), rng, rattle_ang=rattle, strain=0.02, volume=0.0)
        atoms.info["family"] = f"drawn-{rng.integers(10**9)}"
        atoms.info["composition"] = atoms.symbols.formula.reduce()[0].format("metal")
        atoms.info["rattle_ang"] = rattle
        frames.append(atoms)
    return frames


@pytest.fixture(scope="session")
def wide_dataset(labeller, make_dataset):
    rng = np.random.default_rng(3)
    parts = [draw_frames(rng, n, rattles) for n, rattles in ((24, TRAINED_ANG), (9, TRAINED_ANG), (30, TESTED_ANG))]
    for frames in parts:
        label_frames(labeller, frames)
    return make_dataset(*parts)


@pytest.fixture(scope="session")
def pool():
    return draw_frames(np.random.default_rng(8), 12, TESTED_ANG)


def as_document(module, **changes):
    packed = PackedModel.from_module(module)
    fields = {
        "name": "by hand", "sha256": packed.sha256, "single_head": packed, "head": "Default", "heads": ["Default"],
        "elements": list(load_model(ModelSource(name=SHIPPED)).elements), "r_max_ang": 5.0, "dtype": "float32",
    }  # fmt: skip
    return ModelDoc(**fields | changes)


@pytest.fixture(scope="session")
def hand_made():
    """Documents of models whose readouts were shaken a little."""

    def make(n, *, source=SHIPPED, scale=0.02, **changes):
        documents = []
        for seed in range(n):
            module = copy.deepcopy(load_model(ModelSource(name=source)).module)
            rng = np.random.default_rng(seed)
            state = module.state_dict()
            for key, tensor in state.items():
                if key.startswith("readouts") and "weight" in key:
                    state[key] = tensor * (1.0 + scale * float(rng.normal()))
            module.load_state_dict(state)
            documents.append(as_document(module, **changes))
        return documents

    return make
