r"""Where the mobile ions are: their probability density on a grid, in blocks of the run.

:math:`\int \rho\, dV` over the cell is the number of mobile ions in it. The framework rests; a supercell may be folded
onto the cell it repeats. Blocks of time are kept apart, so that everything that is read off a density gets an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Structure
from scipy import ndimage

from disolyte.diffusion.displacements import Trajectory, check_trajectory
from disolyte.errors import TransportError

ISOSURFACE_PER_ANG3: Final = 1e-4
"""Level of the published figures."""

SPACING_ANG: Final = 0.3
"""Largest distance between grid points along a cell vector."""

N_BLOCKS: Final = 8
"""Pieces of time that are kept apart."""

MAX_VOXELS: Final = 4_000_000
"""Largest grid; a finer one would be empty anyway."""


@dataclass(frozen=True, eq=False)
class ProbabilityDensity:
    """Density of the mobile ions.

    Attributes
    ----------
    counts : (n_blocks, n_a, n_b, n_c)
        Visits of each voxel in each block of time. Voxel (i, j, k) spans [i, i+1)/n_a along a, and so on.
    visits_per_ion : (n_blocks,)
        Frames in each block, times the cells that were folded together.
    lattice_ang : (3, 3)
        Rows are the vectors of the cell that the grid spans.
    """

    counts: NDArray[np.int64]
    visits_per_ion: NDArray[np.int64]
    lattice_ang: NDArray[np.float64]

    @property
    def dims(self) -> tuple[int, int, int]:
        """Voxels along the cell vectors."""
        _, n_a, n_b, n_c = self.counts.shape
        return n_a, n_b, n_c

    @property
    def voxel_ang3(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.lattice_ang))) / float(np.prod(self.dims))

    @property
    def density_per_ang3(self) -> NDArray[np.float64]:
        """Density of all blocks together, shape (n_a, n_b, n_c)."""
        return self.of_blocks(np.ones(len(self.counts), dtype=bool))

    @property
    def n_mobile(self) -> float:
        """Mobile ions in the cell of the grid."""
        return float(self.counts.sum() / self.visits_per_ion.sum())

    def of_blocks(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Density of some of the blocks."""
        visits = float(self.visits_per_ion[chosen].sum())
        return self.counts[chosen].sum(axis=0) / (visits * self.voxel_ang3)

    def smoothed_per_ang3(self, width_ang: float, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Density after a Gaussian of standard deviation ``width_ang`` along each cell vector."""
        density = self.density_per_ang3 if chosen is None else self.of_blocks(chosen)
        steps = np.linalg.norm(self.lattice_ang, axis=1) / self.dims
        return ndimage.gaussian_filter(density, width_ang / steps, mode="wrap")

    def share_above(self, level_per_ang3: float = ISOSURFACE_PER_ANG3) -> float:
        """Share of the cell's volume inside the isosurface."""
        return float((self.density_per_ang3 >= level_per_ang3).mean())

    def voxel_of(self, fractional: NDArray[np.float64]) -> NDArray[np.intp]:
        """Flat index of the voxel of fractional coordinates (..., 3), folded into the cell."""
        indices = np.floor(fractional * self.dims).astype(np.intp)
        n_a, n_b, n_c = self.dims
        i, j, k = np.moveaxis(indices, -1, 0)
        return ((i % n_a) * n_b + j % n_b) * n_c + k % n_c

    def write_vasp(self, path: Path, host: Structure) -> None:
        """Write density times volume in the format of VASP's CHGCAR, as VESTA reads it."""
        from pymatgen.io.vasp import Chgcar, Poscar

        total = self.density_per_ang3 * abs(np.linalg.det(self.lattice_ang))
        Chgcar(Poscar(_plain(host, self.lattice_ang)), {"total": total}).write_file(str(path))

    def write_cube(self, path: Path, host: Structure) -> None:
        """Write the density in Å⁻³ as a Gaussian cube file; its cell and atoms are in bohr, as the format asks."""
        from ase.io.cube import write_cube

        with Path(path).open("w") as stream:
            write_cube(stream, _plain(host, self.lattice_ang).to_ase_atoms(), data=self.density_per_ang3)


def _plain(host: Structure, lattice_ang: NDArray[np.float64]) -> Structure:
    """Host with one plain element on each site, on the density's cell."""
    symbols = [max(site.species.items(), key=lambda entry: entry[1])[0].symbol for site in host]
    return Structure(lattice_ang, symbols, host.frac_coords)


def probability_density(
    positions_ang: ArrayLike | Sequence[NDArray[Any]],
    species: Sequence[object],
    lattice_ang: ArrayLike,
    *,
    mobile: str,
    fold: tuple[int, int, int] = (1, 1, 1),
    spacing_ang: float = SPACING_ANG,
    n_blocks: int = N_BLOCKS,
    framework_centre_ang: ArrayLike | None = None,
) -> ProbabilityDensity:
    """Density of the mobile ions in the frame of the framework.

    Parameters
    ----------
    positions_ang : (n_frames, n_atoms, 3)
        Unwrapped positions; may be memory-mapped. A list stands for several runs of the same cell.
    species : (n_atoms,)
        Element of each atom.
    lattice_ang : (3, 3)
        Rows are the vectors of the simulated cell.
    mobile
        Element of the mobile ion.
    fold
        Repeats of a smaller cell in the simulated one, which the density is folded onto.
    spacing_ang
        Largest distance between grid points.
    n_blocks
        Blocks of time to keep apart.
    framework_centre_ang : (3,)
        Where the mass-weighted centre of the other atoms is put; where it is in the first frame if not given.

    Raises
    ------
    TransportError
        As :func:`~disolyte.diffusion.analyse_displacements`, and for a grid that is too fine.
    """
    arrays = list(positions_ang) if isinstance(positions_ang, list | tuple) else [positions_ang]
    runs = [check_trajectory(array, species, lattice_ang, mobile) for array in arrays]
    repeats = np.asarray(fold, dtype=np.float64)
    if repeats.shape != (3,) or (repeats < 1).any() or (repeats != np.round(repeats)).any():
        raise TransportError(f"fold must be three whole numbers from 1 up, not {fold!r}")
    if not (np.isfinite(spacing_ang) and spacing_ang > 0):
        raise TransportError(f"spacing_ang must be above 0 Å, not {spacing_ang}")
    cell = np.asarray(lattice_ang, dtype=np.float64) / repeats[:, None]
    dims = np.ceil(np.linalg.norm(cell, axis=1) / spacing_ang - 1e-9).astype(int)
    if np.prod(dims.astype(float)) > MAX_VOXELS:
        raise TransportError(
            f"spacing_ang {spacing_ang:g} makes a grid of {' × '.join(map(str, dims))}, more than {MAX_VOXELS} voxels; "
            "take a larger spacing"
        )
    counts = np.zeros((n_blocks, *dims), dtype=np.int64)
    visits = np.zeros(n_blocks, dtype=np.int64)
    empty = ProbabilityDensity(counts, visits, cell)
    for run in runs:
        _count(run, empty, framework_centre_ang)
    visits *= int(np.prod(repeats))
    return empty


def _count(run: Trajectory, density: ProbabilityDensity, centre_ang: ArrayLike | None) -> None:
    """Add the visits of one run."""
    n_blocks, n_voxels = len(density.counts), int(np.prod(density.dims))
    inverse = np.linalg.inv(density.lattice_ang)
    bounds = np.linspace(0, run.n_frames, n_blocks + 1).round().astype(int)
    for start, rows in run.iter_mobile_ang(centre_ang):
        voxels = density.voxel_of(rows @ inverse)
        blocks = np.searchsorted(bounds, np.arange(start, start + len(rows)), side="right") - 1
        for block in range(blocks[0], blocks[-1] + 1):
            seen = np.bincount(voxels[blocks == block].ravel(), minlength=n_voxels)
            density.counts[block] += seen.reshape(density.dims)
    density.visits_per_ion[:] += np.diff(bounds)
