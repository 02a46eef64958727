"""A subset of orderings that are as unlike as possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.batches import OrderingBatch
from disolyte.enumeration.cell import DisorderedCell, Sublattice

MAX_DISTANCE_ANG = 7.0
"""Pairs of sites farther apart do not count."""

MAX_SHELLS = 16
"""Largest number of distances that are told apart for each pair of sublattices."""


def choose_diverse(cell: DisorderedCell, pool: OrderingBatch, n: int, beside: NDArray[np.int8]) -> OrderingBatch:
    """Orderings of a pool as unlike as possible, among themselves and to given ones.

    Parameters
    ----------
    cell
        The cell.
    pool
        Orderings to choose from.
    n
        Number of orderings; fewer if the pool holds fewer.
    beside
        Occupations, shape (m, n_sites), that are not chosen again.
    """
    known = {row.tobytes() for row in beside}
    fresh = np.array([row.tobytes() not in known for row in pool.occupations], dtype=bool)
    occupations = pool.occupations[fresh]
    together = np.concatenate([beside, occupations])
    features = pair_correlations(together, cell.sublattices, cell.lattice_ang, cell.frac_coords)
    chosen = pick_farthest(features, n, len(beside)) - len(beside)
    return OrderingBatch(occupations[chosen], pool.degeneracies[fresh][chosen])


def pair_correlations(
    occupations: NDArray[np.int8],
    sublattices: Sequence[Sublattice],
    lattice_ang: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Numbers of pairs of species at every distance: the same for equivalent orderings.

    Parameters
    ----------
    occupations
        Species index on every site, shape (n, n_sites).
    sublattices
        The disordered sublattices.
    lattice_ang, frac_coords
        The cell: vectors as rows (3, 3), and the sites' coordinates (n_sites, 3).

    Returns
    -------
    ndarray, shape (n, n_features)
        Each feature scaled to unit variance; constant ones are left out.
    """
    features = []
    for first, one in enumerate(sublattices):
        for other in sublattices[first:]:
            for shell in _shells(lattice_ang, frac_coords[one.sites], frac_coords[other.sites]):
                for a in range(len(one.species) - 1):
                    left = (occupations[:, one.sites] == a).astype(np.float32) @ shell
                    features += [
                        (left * (occupations[:, other.sites] == b)).sum(axis=1) for b in range(len(other.species) - 1)
                    ]
    if not features:
        return np.zeros((len(occupations), 0))
    table = np.stack(features, axis=1).astype(float)
    spread = table.std(axis=0)
    return (table / np.where(spread > 0, spread, 1))[:, spread > 0]


def _shells(
    lattice: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> list[NDArray[np.float32]]:
    """For each distance, which pairs of sites lie so far apart (nearest images)."""
    difference = first[:, None, :] - second[None, :, :]
    difference -= np.round(difference)
    nearest = np.full(difference.shape[:2], np.inf)
    for image in np.ndindex(3, 3, 3):
        nearest = np.minimum(nearest, np.linalg.norm((difference + np.array(image) - 1) @ lattice, axis=2))
    rounded = np.round(nearest, 2)
    distances = [d for d in np.unique(rounded) if 0 < d <= MAX_DISTANCE_ANG][:MAX_SHELLS]
    return [(rounded == distance).astype(np.float32) for distance in distances]


def pick_farthest(features: NDArray[np.float64], n: int, n_given: int) -> NDArray[np.int64]:
    """Farthest-point choice: each next row is the one farthest from all chosen before.

    Parameters
    ----------
    features
        Shape (n_rows, n_features).
    n
        Number of rows to choose.
    n_given
        The first so many rows count as chosen already.

    Returns
    -------
    ndarray of int64
        Chosen rows, without the given ones, in the order of choice.
    """
    distance = np.full(len(features), np.inf)
    for row in features[:n_given]:
        distance = np.minimum(distance, ((features - row) ** 2).sum(axis=1))
    distance[:n_given] = -1.0
    chosen: list[int] = []
    while len(chosen) < min(n, len(features) - n_given):
        best = int(distance.argmax())
        chosen.append(best)
        distance = np.minimum(distance, ((features - features[best]) ** 2).sum(axis=1))
        distance[[*range(n_given), *chosen]] = -1.0
    return np.array(chosen, dtype=np.int64)
