r"""Paths through the whole crystal and their barriers, from the saddles of the density.

Sites are joined in the order of their saddles, the highest first. The first saddle that closes a path into another
cell along an axis is the bottleneck of the best path along it: no other path stays at higher density. The barrier is
the free energy :math:`-k_B T \ln \rho` at the bottleneck above that of the path's deepest site. Its error is the
jackknife's over blocks of time, and is not below that of counting the visits of the bottleneck.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.diffusion.landscape import Forest, Landscape
from disolyte.units import BOLTZMANN_EV_PER_K

MIN_VISITS: Final = 5.0
"""Fewest visits near the bottleneck of a path; below that, the smoothing made it."""


@dataclass(frozen=True)
class PercolatingPath:
    """Best path along one axis.

    Attributes
    ----------
    axis
        0, 1 or 2: along the cell vector a, b or c.
    basins
        Sites on the path; the last is the first in another cell.
    saddles
        Indices of the saddles between them.
    winding
        Cells that the path crosses until it repeats.
    barrier_ev, barrier_std_ev
        Free-energy barrier and its standard error; the error is infinite if a block of time missed the bottleneck.
    """

    axis: int
    basins: tuple[int, ...]
    saddles: tuple[int, ...]
    winding: tuple[int, int, int]
    barrier_ev: float
    barrier_std_ev: float


def percolating_paths(
    landscape: Landscape, blocks: NDArray[np.float64], visits: NDArray[np.float64], temperature_k: float
) -> list[PercolatingPath]:
    """Best path along each axis along which ions were seen all the way.

    Parameters
    ----------
    landscape
        Sites and saddles.
    blocks : (n_blocks, n_voxels)
        Density without each block of time, smoothed as that of the landscape.
    visits : (n_voxels,)
        Number of visits in the neighbourhood of each voxel over which the density was smoothed.
    temperature_k
        Temperature.
    """
    forest = Forest(landscape.n_basins)
    tree: dict[int, list[tuple[int, int]]] = {i: [] for i in range(landscape.n_basins)}
    found: dict[int, PercolatingPath] = {}
    for number, ((i, j), shift) in enumerate(zip(landscape.pairs, landscape.shifts, strict=True)):
        if visits[landscape.saddles[number]] < MIN_VISITS:
            break
        a, at_a = forest.find(i)
        b, at_b = forest.find(j)
        apart = shift + at_a - at_b
        if a != b:
            forest.join(a, b, apart)
            tree[i].append((j, number))
            tree[j].append((i, number))
            continue
        for axis in np.flatnonzero(apart).tolist():
            if axis not in found:
                basins, saddles = _walk(tree, int(j), int(i))
                barrier, std = _barrier(landscape, [*saddles, number], basins, blocks, visits, temperature_k)
                winding = (int(apart[0]), int(apart[1]), int(apart[2]))
                path = (*basins[::-1], int(j)) if len(basins) > 1 else (int(i), int(j))
                found[axis] = PercolatingPath(axis, path, (*saddles[::-1], number), winding, barrier, std)
        if len(found) == 3:
            break
    return [found[axis] for axis in sorted(found)]


def _walk(tree: dict[int, list[tuple[int, int]]], start: int, end: int) -> tuple[list[int], list[int]]:
    """Sites and saddles on the way through the tree from ``start`` to ``end``."""
    came: dict[int, tuple[int, int]] = {start: (start, -1)}
    queue = deque([start])
    while queue and end not in came:
        here = queue.popleft()
        for there, saddle in tree[here]:
            if there not in came:
                came[there] = (here, saddle)
                queue.append(there)
    basins, saddles = [end], []
    while basins[-1] != start:
        before, saddle = came[basins[-1]]
        basins.append(before)
        saddles.append(saddle)
    return basins[::-1], saddles[::-1]


def _barrier(
    landscape: Landscape,
    saddles: list[int],
    basins: list[int],
    blocks: NDArray[np.float64],
    visits: NDArray[np.float64],
    temperature_k: float,
) -> tuple[float, float]:
    """Free energy from the deepest site to the bottleneck, and its error."""
    peaks, passes = landscape.peaks[basins], landscape.saddles[saddles]
    kt = BOLTZMANN_EV_PER_K * temperature_k
    bottleneck = passes[np.argmin(landscape.density[passes])]
    barrier = kt * np.log(landscape.density[peaks].max() / landscape.density[bottleneck])
    lowest = blocks[:, passes].min(axis=1)
    if (lowest <= 0).any() or len(blocks) < 2:
        return float(barrier), float("inf")
    without = kt * np.log(blocks[:, peaks].max(axis=1) / lowest)
    n = len(without)
    jackknife = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    counting = kt / np.sqrt(max(float(visits[bottleneck]), 1.0))
    return float(barrier), float(max(jackknife, counting))
