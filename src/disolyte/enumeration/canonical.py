"""The one ordering that stands for its orbit, for orderings that come from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.colourings import choice_order
from disolyte.enumeration.compiled import compiled


def canonicalise(
    rows: NDArray[np.int8],
    permutations: NDArray[np.int32],
    widths: Sequence[int],
    counts: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Image of every ordering that the stabiliser chain would have generated.

    Parameters
    ----------
    rows
        Species index on every column, shape (n, n_columns).
    permutations
        The group on all columns, shape (order, n_columns).
    widths
        Number of columns of each sublattice, in the order of the chain.
    counts
        Number of sites of each species on each sublattice.

    Returns
    -------
    tuple of ndarray
        The images, shape (n, n_columns), and the orders of the stabilisers, shape (n,).
    """
    levels = []
    start = 0
    for width, entry in zip(widths, counts, strict=True):
        levels += [(start, start + width, species) for species in choice_order(entry)[:-1]]
        start += width
    images = np.empty_like(rows)
    orders = np.empty(len(rows), dtype=np.int64)
    table = np.array(levels, dtype=np.int64).reshape(-1, 3)
    _canonicalise(np.ascontiguousarray(rows), permutations, table, images, orders)
    return images, orders


@compiled
def _canonicalise(rows, permutations, levels, images, orders) -> Any:  # type: ignore[no-untyped-def]
    for row in range(rows.shape[0]):
        best = 0
        same = 1
        for element in range(1, permutations.shape[0]):
            sign = _compare(rows, row, permutations, element, best, levels)
            if sign > 0:
                best = element
                same = 1
            elif sign == 0:
                same += 1
        for column in range(rows.shape[1]):
            images[row, column] = rows[row, permutations[best, column]]
        orders[row] = same


@compiled
def _compare(rows, row, permutations, first, second, levels) -> Any:  # type: ignore[no-untyped-def]
    """Sign of the difference of two images in the order of the generation: rarest species, first sites."""
    for level in range(levels.shape[0]):
        species = levels[level, 2]
        for column in range(levels[level, 0], levels[level, 1]):
            a = rows[row, permutations[first, column]] == species
            b = rows[row, permutations[second, column]] == species
            if a != b:
                return 1 if a else -1
    return 0
