r"""Exact numbers of orderings, by Burnside's lemma over the joint action on all sublattices, in Python integers.

.. math:: N = \frac{1}{|G|} \sum_{g \in G} \prod_s [x^{n_s}]
              \prod_{\text{cycles of } g \text{ on } s} \sum_c x_c^{\ell},

where :math:`\ell` is the length of a cycle, c the species of sublattice s, and :math:`[x^{n_s}]` the coefficient that
belongs to its composition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, prod

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import StructureError

CycleType = tuple[tuple[int, int], ...]
"""Pairs of cycle length and number of cycles, by length."""


def multinomial(counts: Sequence[int]) -> int:
    """Number of arrangements of ``counts`` things of each kind.

    Examples
    --------
    >>> multinomial((2, 1, 1))
    12
    """
    total, result = 0, 1
    for count in counts:
        total += count
        result *= comb(total, count)
    return result


def colourings_of_cycles(cycles: CycleType, counts: Sequence[int]) -> int:
    """Number of colourings in which every cycle has one colour and colour c is used on ``counts[c]`` sites.

    Parameters
    ----------
    cycles
        Lengths and numbers of the cycles.
    counts
        Sites of each colour; they add up to the sites in the cycles.

    Examples
    --------
    >>> colourings_of_cycles(((1, 2), (2, 1)), (2, 2))
    2
    """
    present = tuple(count for count in counts if count)
    return _by_colour(cycles, present) if len(cycles) < len(present) else _by_length(cycles, present)


def _by_length(cycles: CycleType, counts: tuple[int, ...]) -> int:
    """Share the cycles of one length after the other among the colours: good for few colours."""
    # The commonest length last: there the number of ways is known in closed form.
    ordered = sorted(cycles, key=lambda item: (item[1], -item[0]))

    @cache
    def ways(position: int, remaining: tuple[int, ...]) -> int:
        length, number = ordered[position]
        if position == len(ordered) - 1:
            if any(count % length for count in remaining):
                return 0
            return multinomial([count // length for count in remaining])
        return sum(
            multinomial(split)
            * ways(position + 1, tuple(count - length * part for count, part in zip(remaining, split, strict=True)))
            for split in bounded_splits(number, [count // length for count in remaining])
        )

    return ways(0, counts)


def _by_colour(cycles: CycleType, counts: tuple[int, ...]) -> int:
    """Choose the cycles of one colour after the other: good for few lengths."""
    lengths = [length for length, _ in cycles]

    @cache
    def ways(colour: int, remaining: tuple[int, ...]) -> int:
        if colour == len(counts) - 1:
            return 1
        return sum(
            prod(comb(number, taken) for number, taken in zip(remaining, choice, strict=True))
            * ways(colour + 1, tuple(number - taken for number, taken in zip(remaining, choice, strict=True)))
            for choice in _weighted_sums(counts[colour], lengths, remaining)
        )

    return ways(0, tuple(number for _, number in cycles))


def _weighted_sums(total: int, weights: Sequence[int], bounds: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All whole numbers k, 0 ≤ k ≤ bounds, for which Σ weights·k is ``total``."""
    weight, bound = weights[0], bounds[0]
    if len(weights) == 1:
        if total % weight == 0 and total // weight <= bound:
            yield (total // weight,)
        return
    for number in range(min(bound, total // weight) + 1):
        for rest in _weighted_sums(total - number * weight, weights[1:], bounds[1:]):
            yield (number, *rest)


def bounded_splits(total: int, bounds: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as a sum of whole numbers from 0 to the ``bounds``.

    Examples
    --------
    >>> list(bounded_splits(2, [1, 2]))
    [(0, 2), (1, 1)]
    """
    if len(bounds) == 1:
        if total <= bounds[0]:
            yield (total,)
        return
    rest = sum(bounds[1:])
    for part in range(max(0, total - rest), min(total, bounds[0]) + 1):
        for others in bounded_splits(total - part, bounds[1:]):
            yield (part, *others)


def cycle_lengths(permutations: NDArray[np.int32]) -> NDArray[np.int32]:
    """Length of the cycle in which each point lies, shape of ``permutations`` (order, n)."""
    identity = np.arange(permutations.shape[1], dtype=permutations.dtype)
    lengths = np.zeros_like(permutations)
    power = permutations.copy()
    step = 1
    while True:
        lengths[(power == identity) & (lengths == 0)] = step
        if lengths.all():
            return lengths
        power = np.take_along_axis(permutations, power, axis=1)
        step += 1


@dataclass(frozen=True)
class OperationClass:
    """Operations of one joint cycle type.

    Parameters
    ----------
    cycles
        Cycle type on each sublattice.
    members
        Row numbers of the operations, shape (n,).
    n_fixed
        Orderings that each of them leaves as they are.
    """

    cycles: tuple[CycleType, ...]
    members: NDArray[np.int64]
    n_fixed: int


def classify_operations(
    permutations: Sequence[NDArray[np.int32]], counts: Sequence[Sequence[int]]
) -> list[OperationClass]:
    """Operations grouped by their joint cycle type.

    Parameters
    ----------
    permutations
        For each sublattice the permutations of its own sites, shape (order, n_s).
    counts
        For each sublattice the number of sites of each species.
    """
    columns = []
    labels: list[tuple[int, int]] = []
    for sublattice, table in enumerate(permutations):
        lengths = np.concatenate([cycle_lengths(part) for part in _chunks(table)])
        for length in np.unique(lengths):
            columns.append((lengths == length).sum(axis=1) // length)
            labels.append((sublattice, int(length)))
    types, inverse = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    members = np.split(order, np.cumsum(np.bincount(inverse.ravel()))[:-1])
    known: dict[tuple[int, CycleType], int] = {}
    classes = []
    for row, rows in zip(types, members, strict=True):
        cycles = tuple(
            tuple((length, int(n)) for (s, length), n in zip(labels, row, strict=True) if s == sublattice and n)
            for sublattice in range(len(permutations))
        )
        for key in enumerate(cycles):
            if key not in known:
                known[key] = colourings_of_cycles(key[1], counts[key[0]])
        classes.append(OperationClass(cycles, rows, prod(known[key] for key in enumerate(cycles))))
    return classes


def count_distinct(classes: Sequence[OperationClass]) -> int:
    """Number of distinct orderings.

    Raises
    ------
    StructureError
        If the operations do not form a group.
    """
    total = sum(len(entry.members) * entry.n_fixed for entry in classes)
    order = sum(len(entry.members) for entry in classes)
    if total % order:
        raise StructureError(
            f"the {order} symmetry operations found do not form a group: choose another symprec, or symmetrise the "
            "structure"
        )
    return total // order


def _chunks(table: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    rows = max(1, 20_000_000 // table.shape[1])
    for start in range(0, len(table), rows):
        yield table[start : start + rows]
