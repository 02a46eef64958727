"""Frames from molecular dynamics with the model's own forces: where it will be used, it is taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms, units
from ase.neighborlist import neighbor_list

from disolyte.finetuning.reference.structures import SHORTEST_ANG, distort, random_ordering
from disolyte.models.loaded import LoadedModel
from disolyte.units import BOLTZMANN_EV_PER_K

TEMPERATURES_K: Final = (600.0, 800.0, 1000.0, 1300.0)
TIME_STEP_FS: Final = 2.0
FRICTION_PER_FS: Final = 0.02
HOTTEST_K: Final = 4000.0


def dynamics_frames(
    model: LoadedModel, n_cells: int, n_steps: int, every: int, rng: np.random.Generator
) -> tuple[list[Atoms], int]:
    """Frames of Langevin dynamics of many cells side by side, and the number of cells that left physics.

    Cells are random orderings at -4 … +8 % of the interpolated volume; one in four is doubled. The first sixth of
    each run is thrown away. A cell ends when atoms come closer than :data:`SHORTEST_ANG` or it passes
    :data:`HOTTEST_K`; its last frame, the one that taught something, is kept while CHGNet can still judge it.
    """
    cells = []
    for index in range(n_cells):
        repeat = ((2, 1, 1), (1, 1, 2))[rng.integers(2)] if index % 4 == 0 else (1, 1, 1)
        atoms = random_ordering(rng, repeat)
        cells.append(distort(atoms, rng, rattle_ang=0.02, strain=0.02, volume=rng.uniform(-0.04, 0.08)))
        cells[-1].info["cell_index"] = index
    kelvin = np.array([TEMPERATURES_K[index % len(TEMPERATURES_K)] for index in range(n_cells)])
    return run_side_by_side(model, cells, kelvin, n_steps, every, rng)


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
