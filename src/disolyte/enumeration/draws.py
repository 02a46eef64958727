"""Random orderings, uniform over distinct ones (Dixon & Wilf 1983) or over all.

A class of operations is drawn with weight (its size) × (orderings that one of its operations leaves unchanged); then
the cycles of an operation of the class are coloured at random. By Burnside's lemma every orbit comes up equally often.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from random import Random

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.counting import CycleType, OperationClass, bounded_splits, colourings_of_cycles, multinomial


def draw_uniform(
    n: int,
    classes: Sequence[OperationClass],
    tables: Sequence[NDArray[np.int32]],
    counts: Sequence[Sequence[int]],
    seed: int,
) -> NDArray[np.int8]:
    """Random orderings, every orbit with the same probability.

    Parameters
    ----------
    n
        Number of draws.
    classes
        Operations by joint cycle type.
    tables
        Permutations of each sublattice's sites, shape (order, m_s).
    counts
        Number of sites of each species on each sublattice.
    seed
        Seed.

    Returns
    -------
    ndarray of int8, shape (n, n_columns)
    """
    exact = Random(seed)  # noqa: S311  # not cryptography; draws whole numbers of any size without bias
    rng = np.random.default_rng(seed)
    bounds = list(accumulate(len(entry.members) * entry.n_fixed for entry in classes))
    drawn = [bisect_right(bounds, exact.randrange(bounds[-1])) for _ in range(n)]
    rows = np.empty((n, sum(table.shape[1] for table in tables)), dtype=np.int8)
    for index in sorted(set(drawn)):
        entry = classes[index]
        where = np.flatnonzero(np.array(drawn) == index)
        if all(cycles == ((1, table.shape[1]),) for cycles, table in zip(entry.cycles, tables, strict=True)):
            rows[where] = draw_any(len(where), counts, rng)
            continue
        for row in where:
            element = entry.members[int(rng.integers(len(entry.members)))]
            rows[row] = np.concatenate(
                [
                    _colour_cycles(table[element], cycles, entry_counts, exact, rng)
                    for table, cycles, entry_counts in zip(tables, entry.cycles, counts, strict=True)
                ]
            )
    return rows


def draw_any(n: int, counts: Sequence[Sequence[int]], rng: np.random.Generator) -> NDArray[np.int8]:
    """Random orderings, every orbit with a probability proportional to its size, shape (n, n_columns)."""
    parts = []
    for entry in counts:
        row = np.repeat(np.arange(len(entry), dtype=np.int8), entry)
        parts.append(rng.permuted(np.tile(row, (n, 1)), axis=1))
    return np.concatenate(parts, axis=1)


def _colour_cycles(
    permutation: NDArray[np.int32], cycles: CycleType, counts: Sequence[int], exact: Random, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Random colouring that a permutation leaves unchanged."""
    colours = np.empty(len(permutation), dtype=np.int8)
    members = _cycles_by_length(permutation)
    remaining = tuple(counts)
    for position, (length, _) in enumerate(cycles):
        splits, bounds = _weighted_splits(cycles[position:], remaining)
        split = splits[bisect_right(bounds, exact.randrange(bounds[-1]))]
        remaining = tuple(count - length * part for count, part in zip(remaining, split, strict=True))
        chosen = rng.permutation(np.repeat(np.arange(len(split), dtype=np.int8), split))
        for cycle, colour in zip(members[length], chosen, strict=True):
            colours[cycle] = colour
    return colours


@cache
def _weighted_splits(cycles: CycleType, counts: tuple[int, ...]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Ways to share the cycles of the first length among the colours, and their accumulated weights."""
    length, number = cycles[0]
    splits, weights = [], []
    for split in bounded_splits(number, [count // length for count in counts]):
        rest = tuple(count - length * part for count, part in zip(counts, split, strict=True))
        weight = multinomial(split) * (
            colourings_of_cycles(cycles[1:], rest) if len(cycles) > 1 else int(not any(rest))
        )
        if weight:
            splits.append(split)
            weights.append(weight)
    return splits, list(accumulate(weights))


def _cycles_by_length(permutation: NDArray[np.int32]) -> dict[int, list[list[int]]]:
    found: dict[int, list[list[int]]] = {}
    seen = np.zeros(len(permutation), dtype=bool)
    for start in range(len(permutation)):
        if not seen[start]:
            cycle = [start]
            while (point := int(permutation[cycle[-1]])) != start:
                cycle.append(point)
            seen[cycle] = True
            found.setdefault(len(cycle), []).append(cycle)
    return found
