"""Radial distribution functions between the mobile ion and every element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disolyte.diffusion.displacements import check_trajectory, element_symbol
from disolyte.errors import TransportError

MAX_FRAMES: Final = 200
"""Frames that are looked at, evenly spread over the run."""

LARGEST_ANG: Final = 8.0
"""Largest distance, unless the cell is smaller."""


@dataclass(frozen=True, eq=False)
class RadialDistributions:
    """g(r) between the mobile ion and each element.

    Attributes
    ----------
    distance_ang : (n_bins,)
        Middle of each bin.
    g
        Per element, shape (n_bins,): 1 for atoms that do not see each other.
    """

    distance_ang: NDArray[np.float64]
    g: dict[str, NDArray[np.float64]]

    def first_peak_ang(self, element: str) -> float:
        """Distance at the largest value of g."""
        return float(self.distance_ang[np.argmax(self.g[element])])


def radial_distributions(
    positions_ang: ArrayLike | Sequence[NDArray[Any]],
    species: Sequence[object],
    lattice_ang: ArrayLike,
    *,
    mobile: str,
    max_distance_ang: float | None = None,
    bin_ang: float = 0.05,
) -> RadialDistributions:
    """Radial distribution functions of the mobile ion.

    Parameters
    ----------
    positions_ang : (n_frames, n_atoms, 3)
        Unwrapped positions; may be memory-mapped. A list stands for several runs of the same cell.
    species : (n_atoms,)
        Element of each atom.
    lattice_ang : (3, 3)
        Rows are the cell vectors.
    mobile
        Element of the mobile ion.
    max_distance_ang
        Largest distance; at most half of the cell's least width, which is the default up to 8 Å.
    bin_ang
        Width of a bin.

    Raises
    ------
    TransportError
        As :func:`~disolyte.diffusion.analyse_displacements`; for a distance beyond half of the cell.
    """
    arrays = list(positions_ang) if isinstance(positions_ang, list | tuple) else [positions_ang]
    runs = [check_trajectory(array, species, lattice_ang, mobile) for array in arrays]
    lattice = np.asarray(lattice_ang, dtype=np.float64)
    inverse = np.linalg.inv(lattice)
    half_width = 0.5 / float(np.linalg.norm(inverse, axis=0).max())
    reach = min(LARGEST_ANG, half_width) if max_distance_ang is None else float(max_distance_ang)
    if not (bin_ang < reach <= half_width + 1e-9):
        raise TransportError(
            f"max_distance_ang {reach:g} must lie between the bin of {bin_ang:g} Å and half of the cell's least width, "
            f"{half_width:.2f} Å"
        )
    edges = np.linspace(0.0, reach, round(reach / bin_ang) + 1)
    symbols = np.array([element_symbol(one) for one in species])
    elements = sorted(set(symbols.tolist()))
    counts = {element: np.zeros(len(edges) - 1) for element in elements}
    n_frames = 0
    for run in runs:
        for frame in run.displacements_ang[:: max(1, run.n_frames // MAX_FRAMES)]:
            fractional = np.asarray(frame, dtype=np.float64) @ inverse
            vectors = fractional[run.mobile, None] - fractional
            distances = np.linalg.norm((vectors - np.round(vectors)) @ lattice, axis=-1)
            distances[np.arange(len(run.mobile)), run.mobile] = np.inf
            for element in elements:
                counts[element] += np.histogram(distances[:, symbols == element], edges)[0]
            n_frames += 1
    shells = 4 / 3 * np.pi * np.diff(edges**3) / abs(np.linalg.det(lattice))
    n_mobile = len(runs[0].mobile)
    others = {element: int((symbols == element).sum()) - (element == mobile) for element in elements}
    g = {e: counts[e] / (n_frames * n_mobile * max(others[e], 1) * shells) for e in elements}
    return RadialDistributions((edges[1:] + edges[:-1]) / 2, g)
