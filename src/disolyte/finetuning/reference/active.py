"""Frames from molecular dynamics with the model's own forces: where it will be used, it is taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms, units
from ase.neighborlist import neighbor_list

from disolyte.finetuning.reference.orderings import Orderings
from disolyte.finetuning.reference.structures import SHORTEST_ANG, distort
from disolyte.models.loaded import LoadedModel
from disolyte.units import BOLTZMANN_EV_PER_K

TEMPERATURES_K: Final = (600.0, 800.0, 1000.0, 1300.0)
TIME_STEP_FS: Final = 2.0
FRICTION_PER_FS: Final = 0.02
HOTTEST_K: Final = 4000.0

_DESCENT_ANG2_PER_EV: Final = 0.01
_LONGEST_STEP_ANG: Final = 0.08


def dynamics_frames(
    model: LoadedModel,
    orderings: Orderings,
    rng: np.random.Generator,
    *,
    n_cells: int,
    n_quench: int,
    n_steps: int,
    every: int,
) -> tuple[list[Atoms], int]:
    """Frames of Langevin dynamics of many cells side by side, and the number of cells that left physics.

    Cells are orderings at -4 … +8 % of the interpolated volume; one in four is doubled where it is small. The first
    sixth of each run is thrown away. A cell ends when atoms come closer than
    :data:`~disolyte.finetuning.reference.structures.SHORTEST_ANG` or it passes :data:`HOTTEST_K`; its last frame, the
    one that taught something, is kept while CHGNet can still judge it.

    Parameters
    ----------
    model
        Model that moves the atoms.
    orderings
        What the first structures are drawn from.
    rng
        Source of randomness.
    n_cells
        Number of cells.
    n_quench
        Steps of descent before the dynamics, for orderings on an averaged lattice.
    n_steps, every
        Steps of the dynamics, and steps between frames.
    """
    cells = []
    for index in range(n_cells):
        turn = index // orderings.n_kinds
        repeat = ((2, 1, 1), (1, 1, 2))[rng.integers(2)] if turn % 4 == 0 else (1, 1, 1)
        atoms = orderings.draw(index, rng, repeat)
        cells.append(distort(atoms, rng, rattle_ang=0.02, strain=0.02, volume=rng.uniform(-0.04, 0.08)))
        cells[-1].info["cell_index"] = index
    turns = np.arange(n_cells) // orderings.n_kinds
    kelvin = np.array(TEMPERATURES_K)[turns % len(TEMPERATURES_K)]
    return run_side_by_side(model, quench(model, cells, n_quench), kelvin, n_steps, every, rng)


def quench(model: LoadedModel, cells: Sequence[Atoms], n_steps: int) -> list[Atoms]:
    """Copies of ``cells`` after ``n_steps`` of steepest descent at constant cell, each atom by little at a time."""
    cells = [atoms.copy() for atoms in cells]
    for _ in range(n_steps):
        for atoms, forces in zip(cells, model.predict(cells).forces_ev_per_ang, strict=True):
            step = _DESCENT_ANG2_PER_EV * forces
            length = np.linalg.norm(step, axis=1, keepdims=True)
            atoms.positions += step / np.maximum(1.0, length / _LONGEST_STEP_ANG)
    return cells


def run_side_by_side(
    model: LoadedModel,
    cells: Sequence[Atoms],
    temperatures_k: np.ndarray,
    n_steps: int,
    every: int,
    rng: np.random.Generator,
) -> tuple[list[Atoms], int]:
    """BAOAB Langevin dynamics (Leimkuhler & Matthews, doi:10.1093/amrx/abs010) of ``cells`` at their temperatures."""
    cells = list(cells)
    thermal = [
        np.sqrt(BOLTZMANN_EV_PER_K * kelvin / atoms.get_masses())[:, None]
        for atoms, kelvin in zip(cells, temperatures_k, strict=True)
    ]
    velocities = [width * rng.normal(size=(len(width), 3)) for width in thermal]
    alive = list(range(len(cells)))
    frames: list[Atoms] = []
    step_time = TIME_STEP_FS * units.fs
    decay = np.exp(-FRICTION_PER_FS * TIME_STEP_FS)
    forces = model.predict(cells).forces_ev_per_ang
    for step in range(n_steps):
        for i in alive:
            kick = 0.5 * step_time / cells[i].get_masses()[:, None]
            velocities[i] += kick * forces[i]
            cells[i].positions += 0.5 * step_time * velocities[i]
            noise = rng.normal(size=velocities[i].shape)
            velocities[i] = decay * velocities[i] + np.sqrt(1 - decay**2) * thermal[i] * noise
            cells[i].positions += 0.5 * step_time * velocities[i]
        for i, force in zip(alive, model.predict([cells[i] for i in alive]).forces_ev_per_ang, strict=True):
            forces[i] = force
            velocities[i] += 0.5 * step_time / cells[i].get_masses()[:, None] * force
        if (step + 1) % every == 0:
            if step > n_steps / 6:
                frames += [cells[i].copy() for i in alive]
            alive = [i for i in alive if not _left_physics(cells[i], velocities[i])]
    return [atoms for atoms in frames if len(neighbor_list("d", atoms, SHORTEST_ANG)) == 0], len(cells) - len(alive)


def _left_physics(atoms: Atoms, velocities: np.ndarray) -> bool:
    if not np.isfinite(velocities).all():
        return True
    kinetic_ev = 0.5 * float((atoms.get_masses()[:, None] * velocities**2).sum())
    kelvin = 2 * kinetic_ev / (3 * len(atoms) * BOLTZMANN_EV_PER_K)
    return kelvin > HOTTEST_K or len(neighbor_list("d", atoms, SHORTEST_ANG)) > 0
