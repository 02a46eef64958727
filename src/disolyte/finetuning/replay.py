"""Replay frames: structures of the dataset, distorted, with the foundation's own energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from disolyte.errors import FinetuningError
from disolyte.finetuning.options import ReplayOptions
from disolyte.models.loaded import LoadedModel

_SHORTEST_FRACTION = 0.7
"""A distorted copy whose shortest distance falls below this fraction of its original's is made anew."""
_TRIES = 20


@dataclass(frozen=True)
class ReplayFrames:
    """Labelled replay frames, split."""

    train: list[Atoms]
    valid: list[Atoms]


def make_replay(
    model: LoadedModel, frames: Sequence[Atoms], options: ReplayOptions, *, seed: int, batch_size: int = 16
) -> ReplayFrames:
    """Distort ``frames`` and label the copies with ``model``.

    Parameters
    ----------
    model
        The foundation.
    frames
        Training frames of the dataset.
    options
        Number of frames and size of the distortions.
    seed
        Seed of the choice and the distortions.
    batch_size
        Frames in one pass.

    Raises
    ------
    FinetuningError
        If fewer than two replay frames are asked for: without them mace would fall back to naive fine-tuning, which
        forgets the foundation.
    """
    if options.n_frames < 2:
        raise FinetuningError(
            f"ReplayOptions(n_frames={options.n_frames}) leaves the pretraining head without data; multi-head "
            "fine-tuning would silently become naive fine-tuning. Ask for 2 or more, better as many as the dataset has"
        )
    rng = np.random.default_rng(seed)
    picks = [frames[i] for i in draw_evenly(len(frames), options.n_frames, rng)]
    copies = [distorted_copy(atoms, rng, rattle_ang=options.rattle_ang, strain=options.strain) for atoms in picks]
    label_frames(model, copies, batch_size=batch_size)
    for atoms in copies:
        if not np.isfinite(atoms.arrays["REF_forces"]).all():
            raise FinetuningError(
                f"the foundation {model.name!r} gives no finite forces for a replay frame; lower rattle_ang"
            )
    n_valid = max(1, options.n_frames // 10)
    return ReplayFrames(train=copies[n_valid:], valid=copies[:n_valid])


def label_frames(model: LoadedModel, frames: Sequence[Atoms], *, batch_size: int = 16) -> None:
    """Put the model's energies, forces and stresses on ``frames`` as their labels."""
    predictions = model.predict(frames, batch_size=batch_size)
    for i, atoms in enumerate(frames):
        atoms.info["REF_energy"] = float(predictions.energies_ev[i])
        atoms.info["REF_stress"] = predictions.stresses_ev_per_ang3[i]
        atoms.arrays["REF_forces"] = predictions.forces_ev_per_ang[i]


def draw_evenly(n: int, n_picks: int, rng: np.random.Generator) -> list[int]:
    """``n_picks`` random indices below ``n``, none used twice before all were used once."""
    rounds = -(-n_picks // n)
    return np.concatenate([rng.permutation(n) for _ in range(rounds)])[:n_picks].tolist()


def distorted_copy(atoms: Atoms, rng: np.random.Generator, *, rattle_ang: float, strain: float) -> Atoms:
    """Strained and rattled copy without labels, whose atoms do not come much closer than they were.

    Parameters
    ----------
    atoms
        Structure to distort.
    rng
        Source of randomness.
    rattle_ang
        Standard deviation of each Cartesian displacement, Å; less where atoms would overlap.
    strain
        Largest component of a random symmetric strain.
    """
    shortest = _shortest_ang(atoms)
    for attempt in range(_TRIES):
        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        tensor = rng.uniform(-strain, strain, (3, 3))
        copy.set_cell(np.array(copy.cell) @ (np.eye(3) + (tensor + tensor.T) / 2), scale_atoms=True)
        scale = rattle_ang * (1 - attempt / _TRIES)
        copy.positions += rng.normal(0.0, scale, copy.positions.shape)
        if _shortest_ang(copy) > _SHORTEST_FRACTION * shortest:
            break
    return copy


def _shortest_ang(atoms: Atoms) -> float:
    distances = neighbor_list("d", atoms, 3.5)
    return float(distances.min()) if len(distances) else 3.5
