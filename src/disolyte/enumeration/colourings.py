"""Colourings of the sites of one sublattice, one of every orbit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.subsets import iter_subset_orbits


class ColouringBatch(NamedTuple):
    """Colourings that stand for their orbits."""

    rows: NDArray[np.int8]
    """Species index of every site, shape (n, m)."""
    stabiliser_orders: NDArray[np.int64]
    """Number of permutations that leave each colouring as it is, shape (n,)."""


def choice_order(counts: Sequence[int]) -> list[int]:
    """Order in which the species of a sublattice are placed: rarest first; the last one fills what is left.

    Examples
    --------
    >>> choice_order((14, 0, 1, 1))
    [2, 3, 0]
    """
    return sorted((c for c, count in enumerate(counts) if count), key=lambda c: counts[c])


def iter_colouring_orbits(
    permutations: NDArray[np.int32], counts: Sequence[int], chunk_size: int
) -> Iterator[ColouringBatch]:
    """One colouring of every orbit, with the order of its stabiliser.

    Parameters
    ----------
    permutations
        The group on the m sites, all its elements, shape (order, m).
    counts
        Number of sites of each species; they add up to m.
    chunk_size
        Largest number of rows in a batch.
    """
    species = choice_order(counts)
    yield from _place(permutations, species, [counts[c] for c in species], chunk_size)


def _place(
    permutations: NDArray[np.int32], species: Sequence[int], counts: Sequence[int], chunk_size: int
) -> Iterator[ColouringBatch]:
    order, n_points = permutations.shape
    if len(species) == 1:
        yield ColouringBatch(np.full((1, n_points), species[0], dtype=np.int8), np.array([order], dtype=np.int64))
        return
    for members, orders in iter_subset_orbits(permutations, counts[0], chunk_size):
        if len(species) == 2:
            yield ColouringBatch(np.where(members, species[0], species[1]).astype(np.int8), orders)
            continue
        free = orders == 1
        identity = np.arange(n_points - counts[0], dtype=np.int32)[None, :]
        if free.any():
            for tail in _place(identity, species[1:], counts[1:], chunk_size):
                yield from _complete(members[free], species[0], tail, chunk_size)
        for row in members[~free]:
            restricted = restrict_to_stabiliser(permutations, row)
            for tail in _place(restricted, species[1:], counts[1:], chunk_size):
                yield from _complete(row[None, :], species[0], tail, chunk_size)


def restrict_to_stabiliser(permutations: NDArray[np.int32], members: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Elements that keep a subset, as permutations of the points outside it, shape (stabiliser, m - k)."""
    kept = permutations[np.all(members[permutations] == members, axis=1)]
    outside = np.flatnonzero(~members)
    position = np.zeros(len(members), dtype=np.int32)
    position[outside] = np.arange(len(outside), dtype=np.int32)
    return position[kept[:, outside]]


def _complete(
    members: NDArray[np.bool_], species: int, tail: ColouringBatch, chunk_size: int
) -> Iterator[ColouringBatch]:
    """Every subset with every colouring of the points outside it."""
    step = max(1, chunk_size // len(tail.rows))
    for start in range(0, len(members), step):
        part = members[start : start + step]
        outside = np.nonzero(~part)[1].reshape(len(part), -1)
        rows = np.full((len(part), len(tail.rows), part.shape[1]), species, dtype=np.int8)
        for index, points in enumerate(outside):
            rows[index][:, points] = tail.rows
        yield ColouringBatch(rows.reshape(-1, part.shape[1]), np.tile(tail.stabiliser_orders, len(part)))
