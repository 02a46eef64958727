"""Geometries that the reference models learn from: C2/m Li3MX6 orderings for the small one, and distortions."""

from __future__ import annotations

from typing import Final

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.neighborlist import neighbor_list

from disolyte.errors import StructureError
from disolyte.finetuning.reference.orderings import Orderings

ANION_8J = (0.2356, 0.1600, 0.2313)
ANION_4I = (0.2447, 0.0, 0.7612)
LITHIUM_4H = (0.0, 0.1681, 0.5)
LITHIUM_2D = (0.0, 0.5, 0.5)
LITHIUM_4G = (0.0, 0.3325, 0.0)
METAL_2A = (0.0, 0.0, 0.0)
"""C2/m Li3InCl6, a 6.43, b 11.09, c 6.40 Å, β 109.8°: Li et al., Angew. Chem. 58, 16427 (2019),
doi:10.1002/anie.201909805. In sits on 2a; lithium on 4h and 2d there, on 4g and 4h in Li3YBr6 (Asano et al.,
Adv. Mater. 30, 1803075 (2018), doi:10.1002/adma.201803075). All three are the octahedral holes of one ccp packing."""

SHORTEST_ANG = 1.2
"""Frames with a shorter distance than this are made anew: CHGNet has seen nothing like them."""


def _orbit(position: tuple[float, float, float]) -> np.ndarray:
    """Images of one position under C2/m, shape (n, 3), in [0, 1)."""
    x, y, z = position
    images = [(x, y, z), (-x, -y, -z), (-x, y, -z), (x, -y, z)]
    images += [(a + 0.5, b + 0.5, c) for a, b, c in images]
    unique = {tuple(np.round(np.mod(image, 1.0), 6) % 1.0) for image in images}
    return np.array(sorted(unique))


def lattice_ang(bromine: float, yttrium: float) -> np.ndarray:
    """Lattice vectors, (3, 3) Å, between Li3InCl6 (429.5 Å³) and Li3YBr6 (535 Å³) for given fractions in 0 … 1."""
    volume_ang3 = 429.5 + 93.0 * bromine + 12.5 * yttrium
    scale = (volume_ang3 / 429.5) ** (1 / 3)
    return np.array(Cell.fromcellpar([6.432 * scale, 11.093 * scale, 6.398 * scale, 90, 109.8, 90]))


def random_ordering(rng: np.random.Generator, repeat: tuple[int, int, int] = (1, 1, 1)) -> Atoms:
    """One ordering: random In/Y, random Br/Cl, lithium on random octahedral holes. 20 atoms per unit cell."""
    bromine, yttrium = (rng.choice([0.0, 0.25, 0.5, 0.75, 1.0]) for _ in range(2))
    n_cells = int(np.prod(repeat))
    blocks = [_orbit(METAL_2A), np.vstack([_orbit(ANION_8J), _orbit(ANION_4I)])]
    holes = np.vstack([_orbit(LITHIUM_4H), _orbit(LITHIUM_2D), _orbit(LITHIUM_4G)])
    shifts = np.array(list(np.ndindex(*repeat)))
    metals, anions, holes = (
        ((block[None] + shifts[:, None]).reshape(-1, 3) / np.array(repeat)) for block in (*blocks, holes)
    )
    lithiums = holes[rng.permutation(len(holes))[: 6 * n_cells]]
    symbols = (
        _mix(rng, "In", "Y", len(metals), yttrium)
        + _mix(rng, "Cl", "Br", len(anions), bromine)
        + ["Li"] * len(lithiums)
    )
    cell = lattice_ang(bromine, yttrium) * np.array(repeat)[:, None]
    return Atoms(symbols, scaled_positions=np.vstack([metals, anions, lithiums]), cell=cell, pbc=True)


def _mix(rng: np.random.Generator, first: str, second: str, n: int, fraction: float) -> list[str]:
    n_second = round(n * fraction)
    return list(rng.permutation([second] * n_second + [first] * (n - n_second)))


def distort(atoms: Atoms, rng: np.random.Generator, *, rattle_ang: float, strain: float, volume: float) -> Atoms:
    """Strained, scaled and rattled copy.

    Parameters
    ----------
    atoms
        Structure to distort.
    rng
        Source of randomness.
    rattle_ang
        Standard deviation of each Cartesian displacement, Å.
    strain
        Largest component of a random symmetric strain.
    volume
        Relative change of the volume on top of it.
    """
    atoms = atoms.copy()
    tensor = rng.uniform(-strain, strain, (3, 3))
    deformation = (np.eye(3) + (tensor + tensor.T) / 2) * (1 + volume) ** (1 / 3)
    atoms.set_cell(np.array(atoms.cell) @ deformation, scale_atoms=True)
    atoms.positions += rng.normal(0.0, rattle_ang, atoms.positions.shape)
    return atoms


def squeeze_pair(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Copy in which one random neighbour pair is pushed together to 60-85 % of its distance."""
    atoms = atoms.copy()
    first, second, vector = neighbor_list("ijD", atoms, 4.2)
    pick = rng.integers(len(first))
    shift = 0.5 * (1 - rng.uniform(0.60, 0.85)) * vector[pick]
    atoms.positions[first[pick]] += shift
    atoms.positions[second[pick]] -= shift
    return atoms


class HalideOrderings:
    """What the small reference model learns from; see :func:`random_ordering`."""

    n_kinds: Final = 1

    def draw(self, index: int, rng: np.random.Generator, repeat: tuple[int, int, int]) -> Atoms:  # noqa: ARG002
        """One random ordering; all indices are alike."""
        return random_ordering(rng, repeat)


def training_structures(
    n: int, orderings: Orderings, rng: np.random.Generator, rattles_ang: tuple[float, ...]
) -> list[Atoms]:
    """``n`` distorted orderings: 80 % rattled, 20 % with a squeezed pair; one in ten is a doubled cell.

    Parameters
    ----------
    n
        Number of frames.
    orderings
        What they are drawn from, in turn.
    rng
        Source of randomness.
    rattles_ang
        Standard deviations of the displacements, of which each frame takes one.

    Raises
    ------
    StructureError
        If frames without unphysically short distances cannot be found.
    """
    structures: list[Atoms] = []
    for _ in range(20 * n):
        if len(structures) == n:
            return structures
        repeat = ((2, 1, 1), (1, 1, 2))[rng.integers(2)] if rng.random() < 0.1 else (1, 1, 1)
        atoms = distort(
            orderings.draw(len(structures), rng, repeat), rng,
            rattle_ang=rng.choice(rattles_ang), strain=0.03, volume=rng.uniform(-0.08, 0.10),
        )  # fmt: skip
        if rng.random() < 0.2:
            atoms = squeeze_pair(atoms, rng)
        distances = neighbor_list("d", atoms, SHORTEST_ANG)
        if len(distances) == 0:
            structures.append(atoms)
    raise StructureError(f"only {len(structures)} of {n} frames keep atoms {SHORTEST_ANG} Å apart; lower the rattle")
