"""Compare a student with its teacher, before it is trained and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase import Atoms

from disolyte.errors import InputError
from disolyte.finetuning.distillation.frames import TaughtFrames
from disolyte.finetuning.distillation.schema import SpeedComparison
from disolyte.finetuning.distillation.speed import SpeedTest, compare_speed
from disolyte.finetuning.metrics import compare, head_errors, pair_with_labels, quantity_errors
from disolyte.finetuning.options import MaceArchitecture
from disolyte.finetuning.reference_energies import least_squares_per_atom
from disolyte.finetuning.scratch import SCRATCH_HEAD, ScratchModel
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.architecture import describe_architecture
from disolyte.models.loaded import LoadedModel, Predictions
from disolyte.models.schema import ModelIdentity, QuantityErrors

if TYPE_CHECKING:
    import torch

TEACHER: Final = "teacher"
"""Name of the teacher in records of errors by head."""


def check_smaller(architecture: MaceArchitecture, teacher: LoadedModel) -> None:
    """Refuse a student that cannot be faster, before anything is labelled.

    Raises
    ------
    InputError
        If the student is smaller than its teacher in nothing that costs time.
    """
    known = describe_architecture(teacher.module)
    sizes = {
        "n_channels": (architecture.n_channels, _n_channels(known)),
        "max_l": (architecture.max_l, _max_l(known)),
        "n_layers": (architecture.n_layers, int(known["num_interactions"])),
        "correlation": (architecture.correlation, int(np.max(known["correlation"]))),
        "max_ell": (architecture.max_ell, int(known["max_ell"])),
        "r_max_ang": (architecture.r_max_ang, float(known["r_max"])),
    }
    if not any(student < its_teacher for student, its_teacher in sizes.values()):
        compared = ", ".join(f"{name} {student:g} against {its:g}" for name, (student, its) in sizes.items())
        raise InputError(
            f"the student is smaller than its teacher {teacher.name!r} in nothing ({compared}); it cannot be faster: "
            "give MaceArchitecture fewer channels, layers or degrees, or a shorter cutoff"
        )


def _n_channels(architecture: dict[str, Any]) -> int:
    return int(str(architecture["hidden_irreps"]).split("x", maxsplit=1)[0])


def _max_l(architecture: dict[str, Any]) -> int:
    return max(int(part.split("x")[1][:-1]) for part in str(architecture["hidden_irreps"]).split("+"))


def count_parameters(module: torch.nn.Module) -> int:
    """Trainable weights of a model."""
    return sum(parameter.numel() for parameter in module.parameters())


def baseline_errors(frames: Sequence[Atoms]) -> QuantityErrors:
    """Errors of knowing nothing but an energy for each element and the mean stress: how much there is to learn.

    Parameters
    ----------
    frames
        Labelled frames.
    """
    energies = np.array([float(atoms.info["REF_energy"]) for atoms in frames])
    e0s, _ = least_squares_per_atom(frames, energies)
    mean_stress = np.mean([np.reshape(atoms.info["REF_stress"], (3, 3)) for atoms in frames], axis=0)
    known = Predictions(
        energies_ev=np.array([sum(e0s[symbol] for symbol in atoms.get_chemical_symbols()) for atoms in frames]),
        forces_ev_per_ang=[np.zeros((len(atoms), 3)) for atoms in frames],
        stresses_ev_per_ang3=np.broadcast_to(mean_stress, (len(frames), 3, 3)),
    )
    return quantity_errors(pair_with_labels(known, frames))


def report_student(
    result: ScratchModel,
    taught: TaughtFrames,
    teacher: LoadedModel,
    dataset: DatasetDoc | None,
    *,
    speed: SpeedTest,
    seed: int,
) -> dict[str, Any]:
    """Fields of the student's document: the model, how it was trained, and how it compares.

    Parameters
    ----------
    result
        The trained student.
    taught
        Frames with the teacher's labels.
    teacher
        The teacher, on the device and in the precision of the training.
    dataset
        Frames with labels of their own, if there are any.
    speed
        How speed is measured.
    seed
        Seed of the velocities for it.
    """
    student = LoadedModel(
        result.module, name=f"student of {teacher.name}", sha256=result.model.sha256,
        device=teacher.device, dtype=teacher.dtype,
    )  # fmt: skip
    held, split = (taught.frames.test, "held out") if taught.frames.test else (taught.frames.valid, "valid")
    agreement = head_errors(compare(student, held), held, head=SCRATCH_HEAD, split=split)
    fields = _against_labels(student, teacher, dataset) or {"errors": [agreement]}
    return fields | {
        "name": student.name,
        "sha256": student.sha256,
        "single_head": result.model,
        "head": SCRATCH_HEAD,
        "heads": [SCRATCH_HEAD],
        "elements": list(student.elements),
        "r_max_ang": student.r_max_ang,
        "dtype": student.dtype,
        "training": result.training,
        "teacher": ModelIdentity(name=teacher.name, sha256=teacher.sha256),
        "teacher_agreement": agreement,
        "teacher_scatter": baseline_errors(held),
        "speed": compare_speed(teacher, student, held[0], speed, seed=seed),
        "n_parameters": count_parameters(student.module),
        "n_teacher_parameters": count_parameters(teacher.module),
        "n_train": len(taught.frames.train),
        "n_valid": len(taught.frames.valid),
        "n_held_out": len(held),
        "n_left_out": taught.n_left_out,
    }


def student_caveats(teacher: LoadedModel, speed: SpeedComparison) -> list[str]:
    """What a reader of any number from the student must know beside the teacher's own caveats."""
    caveats = [f"energies from a small student of the model {teacher.name!r}"]
    if speed.ratio <= 1.0:
        caveats.append(
            f"MD with the student runs at {speed.ratio:.2f} times the speed of its teacher on {speed.n_atoms} atoms: "
            "it gains nothing"
        )
    return caveats


def _against_labels(student: LoadedModel, teacher: LoadedModel, dataset: DatasetDoc | None) -> dict[str, Any]:
    """Errors of both against the labels of the dataset's test frames; empty where there are none."""
    frames = [] if dataset is None or dataset.n_test == 0 else dataset.to_atoms("test")
    if not frames:
        return {}
    parity = compare(student, frames)
    return {
        "errors": [head_errors(parity, frames, head=SCRATCH_HEAD, split="test")],
        "teacher_errors": [head_errors(compare(teacher, frames), frames, head=TEACHER, split="test")],
        "parity": parity.to_document(),
    }
