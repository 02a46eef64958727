"""Frames that a teacher labels for its student: those at hand, and distorted copies of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pydantic import ConfigDict, Field

from disolyte.errors import InputError
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.repeats import find_repeats
from disolyte.finetuning.replay import distorted_copy, draw_evenly, label_frames
from disolyte.models.loaded import LoadedModel
from disolyte.records import Record


class StudentFrames(Record):
    """Which frames the teacher labels.

    Distorted copies stay in the split of the frame that they were made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_distorted: int = Field(
        default=500, ge=0, description="Distorted copies of training frames; of the others as many in proportion."
    )
    rattles_ang: tuple[float, ...] = Field(
        default=(0.05, 0.1, 0.15, 0.2),
        min_length=1,
        description="Standard deviations of the displacements, Å, used in turn.",
    )
    strain: float = Field(default=0.03, ge=0, lt=0.5, description="Largest component of the random strain.")
    held_out_fraction: float = Field(
        default=0.1,
        gt=0,
        le=0.3,
        description="Share of the families for validation, and again for the test, where no dataset splits them.",
    )
    max_force_ev_per_ang: float = Field(
        default=30.0, gt=0, description="Frames on which the teacher gives a larger force component are left out."
    )


@dataclass(frozen=True)
class TaughtFrames:
    """Frames with the teacher's labels, split."""

    frames: Frames
    n_left_out: int
    """Frames left out because the teacher's forces are too large or not finite."""


def split_pool(pool: Sequence[Atoms], *, held_out_fraction: float, seed: int) -> Frames:
    """Split frames by their ``family``, so that no family is in two splits.

    Raises
    ------
    InputError
        If there are fewer than three families.
    """
    families = sorted({_family(atoms) for atoms in pool}, key=lambda name: _draw(seed, name))
    if len(families) < 3:
        raise InputError(
            f"{len(families)} structure families cannot be split for training, validation and test; sample at least 3 "
            "structures, or give a dataset, whose splits are kept"
        )
    n_held = min(max(1, round(held_out_fraction * len(families))), (len(families) - 1) // 2)
    test, valid = set(families[:n_held]), set(families[n_held : 2 * n_held])
    return Frames(
        train=[atoms for atoms in pool if _family(atoms) not in test | valid],
        valid=[atoms for atoms in pool if _family(atoms) in valid],
        test=[atoms for atoms in pool if _family(atoms) in test],
    )


def join_pool(frames: Frames, pool: Sequence[Atoms]) -> Frames:
    """Frames of a dataset, and those of ``pool``: a family that the dataset holds out stays held out."""
    test = {_family(atoms) for atoms in frames.test}
    valid = {_family(atoms) for atoms in frames.valid} - test
    return Frames(
        train=[*frames.train, *(atoms for atoms in pool if _family(atoms) not in test | valid)],
        valid=[*frames.valid, *(atoms for atoms in pool if _family(atoms) in valid)],
        test=[*frames.test, *(atoms for atoms in pool if _family(atoms) in test)],
    )


def teach(
    teacher: LoadedModel, sources: Frames, settings: StudentFrames, *, seed: int, batch_size: int = 16
) -> TaughtFrames:
    """Distort frames, and label them and their copies with the teacher.

    Parameters
    ----------
    teacher
        The teacher.
    sources
        Frames, split; their labels, if they have any, are not looked at. Of copies the first is taken.
    settings
        Number and size of the distortions.
    seed
        Seed of the distortions.
    batch_size
        Frames in one pass.

    Raises
    ------
    InputError
        If there are no training frames, or none of a split is left.
    ModelCoverageError
        If the teacher was not made for an element.
    """
    if not sources.train:
        raise InputError("there are no frames to learn from; give a dataset, a sample, or both")
    rng = np.random.default_rng(seed)
    share = settings.n_distorted / len(sources.train)
    splits: dict[str, list[Atoms]] = {}
    n_left_out = 0
    for name, content in vars(sources).items():
        repeated = set(find_repeats(content))  # a dataset and the sample that it was labelled from share frames
        frames = [atoms for index, atoms in enumerate(content) if index not in repeated]
        labelled = [_bare(atoms) for atoms in frames] + _distort(frames, round(share * len(frames)), settings, rng)
        label_frames(teacher, labelled, batch_size=batch_size)
        kept = [
            atoms for atoms in labelled if np.abs(atoms.arrays["REF_forces"]).max() <= settings.max_force_ev_per_ang
        ]
        n_left_out += len(labelled) - len(kept)
        if frames and not kept:
            raise InputError(
                f"on all {len(labelled)} {name} frames the teacher {teacher.name!r} gives forces above "
                f"{settings.max_force_ev_per_ang:g} eV/Å; look at the frames, or raise max_force_ev_per_ang"
            )
        splits[name] = kept
    return TaughtFrames(Frames(**splits), n_left_out)


def _distort(frames: Sequence[Atoms], n: int, settings: StudentFrames, rng: np.random.Generator) -> list[Atoms]:
    copies = []
    for number, index in enumerate(draw_evenly(len(frames), n, rng) if n else []):
        rattle_ang = settings.rattles_ang[number % len(settings.rattles_ang)]
        copy = distorted_copy(frames[index], rng, rattle_ang=rattle_ang, strain=settings.strain)
        copy.info = _names(frames[index])
        copies.append(copy)
    return copies


def _bare(atoms: Atoms) -> Atoms:
    """Copy without labels."""
    copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.info = _names(atoms)
    return copy


def _names(atoms: Atoms) -> dict[str, str]:
    return {key: str(atoms.info[key]) for key in ("family", "composition") if key in atoms.info}


def _family(atoms: Atoms) -> str:
    return str(atoms.info.get("family") or atoms.get_chemical_formula(empirical=True))


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
