"""Fine-tuning on 300 labels of another functional beats the foundation, and a model of its size from scratch."""

import numpy as np
import pytest
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte.finetuning.finetune import finetune
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.metrics import compare, quantity_errors
from disolyte.finetuning.options import FinetuneOptions, MaceArchitecture, ReplayOptions, TrainingOptions
from disolyte.finetuning.reference.structures import distort, random_ordering
from disolyte.finetuning.scratch import train_from_scratch
from disolyte.labelling.surrogate import predict_r2scan
from disolyte.models.loaded import LoadedModel

N_TRAIN, N_VALID, N_TEST = 300, 20, 40


def labelled_frames(n):
    """Rattled and strained orderings of the lithium halides with the labels of CHGNet's r2SCAN weights."""
    rng = np.random.default_rng(42)
    frames = [distort(random_ordering(rng), rng, rattle_ang=0.12, strain=0.03, volume=0.0) for _ in range(n)]
    for atoms, label in zip(frames, predict_r2scan([AseAtomsAdaptor.get_structure(a) for a in frames]), strict=True):
        atoms.info["REF_energy"] = label.energy_ev
        atoms.info["REF_stress"] = label.stress_ev_per_ang3
        atoms.arrays["REF_forces"] = label.forces_ev_per_ang - label.forces_ev_per_ang.mean(axis=0)
    return frames


@pytest.mark.slow
def test_300_labels_beat_foundation_and_scratch(foundation, tmp_path):
    pytest.importorskip("chgnet")
    frames = labelled_frames(N_TRAIN + N_VALID + N_TEST)
    split = Frames(frames[:N_TRAIN], frames[N_TRAIN:-N_TEST], frames[-N_TEST:])
    settings = {"max_num_epochs": 3, "batch_size": 5, "dtype": "float32", "ema_decay": 0.97}
    tuned = finetune(
        foundation, split, options=FinetuneOptions(lr=0.005, **settings), replay=ReplayOptions(n_frames=60), seed=1,
        directory=tmp_path / "tuned",
    )  # fmt: skip
    fresh = train_from_scratch(
        split, architecture=MaceArchitecture(n_channels=16, max_l=0, max_ell=2, radial_widths=(32, 32, 32)),
        options=TrainingOptions(lr=0.01, **settings), seed=1, directory=tmp_path / "fresh",
    )  # fmt: skip
    models = {
        "fine-tuned": (LoadedModel(tuned.single_head.to_module(), name="tuned", sha256=""), None),
        "scratch": (LoadedModel(fresh.model.to_module(), name="fresh", sha256=""), None),
        "foundation": (foundation, tuned.inputs.e0s.shifts_ev),
    }
    errors = {
        name: quantity_errors(compare(model, split.test, e0_shifts_ev=shifts))
        for name, (model, shifts) in models.items()
    }
    for name, found in errors.items():
        values = (found.energy_rmse_ev_per_atom, found.force_rmse_ev_per_ang, found.stress_rmse_ev_per_ang3)
        print(name, "{:.1f} meV/atom, {:.0f} meV/Å, {:.2f} meV/Å³".format(*(1e3 * value for value in values)))
    best = errors["fine-tuned"]
    for other in (errors["foundation"], errors["scratch"]):
        assert best.energy_rmse_ev_per_atom < other.energy_rmse_ev_per_atom
        assert best.force_rmse_ev_per_ang < 0.9 * other.force_rmse_ev_per_ang
        assert best.stress_rmse_ev_per_ang3 < other.stress_rmse_ev_per_ang3
