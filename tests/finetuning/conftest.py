"""A small dataset whose labels are known: the foundation's potential, steepened by a tenth, with shifted E0s."""

import io
from collections import Counter
from functools import partial

import numpy as np
import pytest
from ase.io import write
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte.blobs import Blob
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.finetuning.reference.structures import distort, random_ordering
from disolyte.labelling.schema import DatasetDoc, hash_dataset
from disolyte.models import SHIPPED, ModelDoc, ModelSource, load_model

STEEPER = 1.1
SHIFTS_EV = {"Li": 0.3, "In": -1.0, "Y": 0.7, "Br": 0.2, "Cl": -0.4}


@pytest.fixture(scope="session")
def foundation():
    return load_model(ModelSource(name=SHIPPED))


def steepened(foundation, n, seed):
    rng = np.random.default_rng(seed)
    frames = [distort(random_ordering(rng), rng, rattle_ang=0.08, strain=0.02, volume=0.0) for _ in range(n)]
    predicted = foundation.predict(frames)
    for i, atoms in enumerate(frames):
        shift = sum(SHIFTS_EV[symbol] for symbol in atoms.get_chemical_symbols())
        atoms.info["REF_energy"] = STEEPER * predicted.energies_ev[i] + shift
        atoms.info["REF_stress"] = STEEPER * predicted.stresses_ev_per_ang3[i]
        atoms.arrays["REF_forces"] = STEEPER * predicted.forces_ev_per_ang[i]
        atoms.info["family"] = atoms.info["composition"] = atoms.symbols.formula.reduce()[0].format("metal")
    return frames


def as_dataset(train, valid, test):
    def blob(frames):
        text = io.StringIO()
        write(text, frames, format="extxyz")
        return Blob.from_bytes(text.getvalue().encode())

    splits = {"train": train, "valid": valid, "test": test}
    names = {split: [atoms.info["composition"] for atoms in frames] for split, frames in splits.items()}
    blobs = {split: blob(frames) for split, frames in splits.items()}
    return DatasetDoc(
        **blobs,
        **{f"n_{split}": len(frames) for split, frames in splits.items()},
        families={split: sorted(set(found)) for split, found in names.items()},
        compositions={split: dict(Counter(found)) for split, found in names.items()},
        elements=["Li", "Cl", "Br", "Y", "In"],
        reference_energies_ev=dict.fromkeys(SHIFTS_EV, 0.0),
        label_method="steepened foundation",
        is_surrogate=True,
        dataset_sha256=hash_dataset(blobs, "steepened foundation"),
        quarantine=[],
        caveats=["labels from a steepened foundation"],
    )


@pytest.fixture(scope="session")
def make_frames(foundation):
    return partial(steepened, foundation)


@pytest.fixture(scope="session")
def make_dataset():
    return as_dataset


@pytest.fixture(scope="session")
def dataset(foundation):
    frames = steepened(foundation, 36, seed=11)
    return as_dataset(frames[:24], frames[24:30], frames[30:])


@pytest.fixture(scope="session")
def options():
    return FinetuneOptions(max_num_epochs=8, batch_size=6, dtype="float32", lr=0.005)


@pytest.fixture(scope="session")
def replay_options():
    return ReplayOptions(n_frames=20)


@pytest.fixture(scope="session")
def maker(options, replay_options):
    return FinetuneMaker(foundation=ModelSource(name=SHIPPED), options=options, replay=replay_options, seed=4)


@pytest.fixture(scope="session")
def run_job():
    def run(job, document, folder):
        """Run a job and all that it plans; read its document from the store."""
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        run_locally(Flow([job]), store=store, ensure_success=True, root_dir=folder, create_folders=True)
        return document.model_validate(store.get_output(job.uuid, load=True))

    return run


@pytest.fixture(scope="session")
def document(maker, dataset, run_job, tmp_path_factory):
    """The fine-tuned model that most tests look at."""
    return run_job(maker.make(dataset), ModelDoc, tmp_path_factory.mktemp("finetune"))


@pytest.fixture(scope="session")
def split_frames(dataset):
    return Frames(*(dataset.to_atoms(split) for split in ("train", "valid", "test")))
