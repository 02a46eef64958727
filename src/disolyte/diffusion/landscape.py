r"""Sites as basins of the density, and the saddles between them.

Every voxel climbs to its highest neighbour until it stands on a maximum: the voxels of one maximum are a basin (the
on-grid method of Henkelman, Arnaldsson, Jónsson, Comput. Mater. Sci. 36, 354 (2006), for any density). Two basins meet
at a saddle, the highest of their border. The crystal is periodic, so each voxel also keeps in which cell its maximum
lies: that is what tells a path through the crystal from a loop. Ripples, maxima that rise above their highest saddle by
less than :math:`k_B T` times a threshold, are no sites and join the basin beyond that saddle.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

RIPPLE_KT: Final = 1.0
"""Least height of a maximum above its highest saddle, in k_B T of −ln ρ."""

MIN_SHARE: Final = 2e-3
"""Least number of ions, in the mean over time, that make a basin a site."""

_NEIGHBOURS: Final = [(a, b, c) for a, b, c in product((-1, 0, 1), repeat=3) if a or b or c]


@dataclass(frozen=True, eq=False)
class Landscape:
    """Basins of a density and their borders.

    Attributes
    ----------
    basin : (n_voxels,)
        Basin of each voxel; -1 where no ion was.
    image : (n_voxels, 3)
        Cell of the basin's maximum, relative to that of the voxel.
    peaks : (n_basins,)
        Voxel of each maximum.
    density : (n_voxels,)
        Density that was climbed, Å⁻³.
    pairs : (n_saddles, 2)
        Basins that meet, the first in cell 0.
    shifts : (n_saddles, 3)
        Cell of the second.
    saddles : (n_saddles,)
        Voxel at the saddle, on its lower side; highest saddle first.
    dims
        Voxels along the cell vectors.
    """

    basin: NDArray[np.intp]
    image: NDArray[np.intp]
    peaks: NDArray[np.intp]
    density: NDArray[np.float64]
    pairs: NDArray[np.intp]
    shifts: NDArray[np.intp]
    saddles: NDArray[np.intp]
    dims: tuple[int, int, int]

    @property
    def n_basins(self) -> int:
        """Number of basins."""
        return len(self.peaks)

    @property
    def peak_density(self) -> NDArray[np.float64]:
        """Density at the maxima, Å⁻³."""
        return self.density[self.peaks]

    @property
    def saddle_density(self) -> NDArray[np.float64]:
        """Density at the saddles, Å⁻³."""
        return self.density[self.saddles]

    @property
    def peak_fractional(self) -> NDArray[np.float64]:
        """Fractional coordinates of the maxima, shape (n_basins, 3)."""
        return (np.stack(np.unravel_index(self.peaks, self.dims), axis=1) + 0.5) / self.dims


def find_basins(density_per_ang3: NDArray[np.float64]) -> Landscape:
    """Divide a density (n_a, n_b, n_c) into the basins of all its maxima."""
    n_a, n_b, n_c = density_per_ang3.shape
    dims = (n_a, n_b, n_c)
    density = density_per_ang3.ravel()
    rank = np.empty(density.size, dtype=np.intp)
    rank[np.argsort(density, kind="stable")] = np.arange(density.size)
    target, image, best = np.arange(density.size), np.zeros((density.size, 3), dtype=np.intp), rank.copy()
    for step in _NEIGHBOURS:
        neighbour, cell = _neighbour(dims, step)
        higher = rank[neighbour] > best
        target[higher], image[higher], best[higher] = neighbour[higher], cell[higher], rank[neighbour[higher]]
    while not np.array_equal(target, target[target]):
        image = image + image[target]
        target = target[target]
    peaks, basin = np.unique(target, return_inverse=True)
    basin = np.where(density > 0, basin, -1)
    peaks = peaks[density[peaks] > 0]
    names = np.full(basin.max(initial=-1) + 1, -1)
    names[np.unique(basin[basin >= 0])] = np.arange(len(peaks))
    basin = np.where(basin >= 0, names[basin], -1)
    return _with_saddles(basin, image, peaks, density, dims)


def _neighbour(dims: tuple[int, ...], step: tuple[int, int, int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat index of the neighbour of every voxel in one direction, and the cell that it lies in."""
    moved = [np.arange(n) + s for n, s in zip(dims, step, strict=True)]
    index = np.ravel_multi_index(np.meshgrid(*moved, indexing="ij"), dims, mode="wrap").ravel()
    cells = np.meshgrid(*(one // n for one, n in zip(moved, dims, strict=True)), indexing="ij")
    return index, np.stack([cell.ravel() for cell in cells], axis=1)


def _with_saddles(
    basin: NDArray[np.intp],
    image: NDArray[np.intp],
    peaks: NDArray[np.intp],
    density: NDArray[np.float64],
    dims: tuple[int, int, int],
) -> Landscape:
    """Find the highest point of each border."""
    rows = []
    for step in _NEIGHBOURS[len(_NEIGHBOURS) // 2 :]:
        neighbour, cell = _neighbour(dims, step)
        shift = cell + image[neighbour] - image
        other = basin[neighbour]
        border = np.flatnonzero((basin >= 0) & (other >= 0) & ((basin != other) | shift.any(axis=1)))
        here, there = border, neighbour[border]
        low = np.where(density[here] <= density[there], here, there)
        rows.append(np.column_stack([basin[here], other[here], shift[here], low]))
    table = np.concatenate(rows) if rows else np.zeros((0, 6), dtype=np.intp)
    # A border is the same seen from either side: the lower basin comes first, or the first non-zero shift is positive.
    lead = np.array([1, 1e3, 1e6])
    swap = (table[:, 0] > table[:, 1]) | ((table[:, 0] == table[:, 1]) & (table[:, 2:5] @ lead < 0))
    table[swap] = np.column_stack([table[swap, 1], table[swap, 0], -table[swap, 2:5], table[swap, 5]])
    table = table[np.argsort(-density[table[:, 5]], kind="stable")]
    _, first = np.unique(table[:, :5], axis=0, return_index=True)
    table = table[np.sort(first)]
    return Landscape(basin, image, peaks, density, table[:, :2], table[:, 2:5], table[:, 5], dims)


def merge_basins(
    landscape: Landscape, groups: NDArray[np.intp] | None = None, occupancy: NDArray[np.float64] | None = None
) -> Landscape:
    """Join ripples, basins that hardly hold an ion, and basins of the same group.

    Parameters
    ----------
    landscape
        All basins.
    groups : (n_basins, 4)
        Group of each basin and the cell of the group's centre, relative to the maximum's; group -1 for none. Basins of
        one group become one.
    occupancy : (n_basins,)
        Ions in each basin, in the mean.
    """
    forest = Forest(landscape.n_basins)
    peak = landscape.peak_density
    top = np.arange(landscape.n_basins)
    amount = np.ones(landscape.n_basins) if occupancy is None else occupancy.copy()
    group = np.full((landscape.n_basins, 4), -1) if groups is None else groups
    for (i, j), shift, saddle in zip(landscape.pairs, landscape.shifts, landscape.saddle_density, strict=True):
        a, at_a = forest.find(i)
        b, at_b = forest.find(j)
        if a == b:
            continue
        lower = a if peak[top[a]] < peak[top[b]] else b
        apart = shift + at_a - at_b
        distinct = group[a, 0] >= 0 and group[b, 0] >= 0
        alike = distinct and group[a, 0] == group[b, 0] and np.array_equal(group[a, 1:], group[b, 1:] + apart)
        ripple = np.log(peak[top[lower]] / saddle) < RIPPLE_KT or amount[lower] < MIN_SHARE
        if not (alike or (ripple and not distinct)):
            continue
        keep, lose = (a, b) if lower == b else (b, a)
        if group[keep, 0] < 0 <= group[lose, 0]:
            keep, lose = lose, keep
        best = top[a] if peak[top[a]] >= peak[top[b]] else top[b]
        forest.join(keep, lose, apart if keep == a else -apart)
        top[keep], amount[keep] = best, amount[a] + amount[b]
    return _relabelled(landscape, forest, top)


class Forest:
    """Union-find of sites in a periodic crystal: member i in cell ``cell[i]`` belongs to its parent in cell 0."""

    def __init__(self, n: int) -> None:
        self.parent = np.arange(n)
        self.cell = np.zeros((n, 3), dtype=np.intp)

    def find(self, i: int) -> tuple[int, NDArray[np.intp]]:
        """Root of ``i``, and the cell in which ``i`` belongs to the root in cell 0."""
        cell = np.zeros(3, dtype=np.intp)
        while self.parent[i] != i:
            cell = cell + self.cell[i]
            i = int(self.parent[i])
        return i, cell

    def join(self, keep: int, lose: int, cell: NDArray[np.intp]) -> None:
        """Hang root ``lose`` in cell ``cell`` below root ``keep`` in cell 0."""
        self.parent[lose] = keep
        self.cell[lose] = cell


def _relabelled(landscape: Landscape, forest: Forest, top: NDArray[np.intp]) -> Landscape:
    """Landscape of the joined basins."""
    found = [forest.find(i) for i in range(landscape.n_basins)]
    roots = np.array([root for root, _ in found], dtype=np.intp)
    cells = np.array([cell for _, cell in found], dtype=np.intp).reshape(-1, 3)
    kept = np.unique(roots)
    names = np.full(landscape.n_basins, -1)
    names[kept] = np.arange(len(kept))
    # The joined basin sits where its highest maximum is.
    peak_cell = cells[top]
    known = landscape.basin >= 0
    old = landscape.basin
    image = landscape.image.copy()
    image[known] += peak_cell[roots[old[known]]] - cells[old[known]]
    basin = np.where(known, names[roots[old]], -1)
    return _with_saddles(basin, image, landscape.peaks[top[kept]], landscape.density, landscape.dims)
