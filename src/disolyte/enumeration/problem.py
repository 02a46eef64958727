"""Colourings of several sublattices under one permutation group: count, generate, canonicalise, draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.chain import OrderingBlock, StabiliserChain, iter_pairs
from disolyte.enumeration.counting import OperationClass, classify_operations, count_distinct, multinomial
from disolyte.enumeration.draws import draw_any, draw_uniform


class Weighting(StrEnum):
    """Probability of a distinct ordering in a random draw."""

    UNIFORM = "uniform"
    """The same for every distinct ordering."""
    DEGENERACY = "degeneracy"
    """Proportional to the number of orderings it stands for: what random shuffling gives."""


class ColouringProblem:
    """Distinct ways to put given numbers of species on sublattices.

    Rows of colourings have one column per site, sublattice by sublattice in the order of :attr:`sequence`: the one that
    breaks the symmetry most comes first.

    Parameters
    ----------
    tables
        For each sublattice the permutations of its own sites under every operation, shape (n_operations, m_s).
    counts
        For each sublattice the number of sites of each species.
    """

    def __init__(self, tables: Sequence[NDArray[np.int32]], counts: Sequence[Sequence[int]]) -> None:
        first = _first_of_equal_rows(np.concatenate(tables, axis=1))
        self._given = [(table[first], tuple(entry)) for table, entry in zip(tables, counts, strict=True)]
        self.order = len(first)

    @cached_property
    def sequence(self) -> list[int]:
        """Given sublattices in the order of the columns."""

        def remaining_symmetry(index: int) -> tuple[float, int]:
            table, counts = self._given[index]
            raw = multinomial(counts)
            return count_distinct(classify_operations([table], [counts])) * self.order / raw, raw

        return sorted(range(len(self._given)), key=remaining_symmetry)

    @cached_property
    def tables(self) -> list[NDArray[np.int32]]:
        """Permutations of each sublattice, in the order of the columns; equal operations are left out."""
        return [self._given[index][0] for index in self.sequence]

    @cached_property
    def counts(self) -> list[tuple[int, ...]]:
        """Number of sites of each species, in the order of the columns."""
        return [self._given[index][1] for index in self.sequence]

    @cached_property
    def widths(self) -> list[int]:
        """Number of columns of each sublattice."""
        return [table.shape[1] for table in self.tables]

    @cached_property
    def permutations(self) -> NDArray[np.int32]:
        """The group on all columns, shape (order, n_columns)."""
        starts = np.cumsum([0, *self.widths[:-1]])
        return np.concatenate(
            [table + np.int32(start) for table, start in zip(self.tables, starts, strict=True)], axis=1
        )

    @cached_property
    def classes(self) -> list[OperationClass]:
        """Operations by their joint cycle type."""
        return classify_operations(self.tables, self.counts)

    @cached_property
    def n_raw(self) -> int:
        """Number of colourings, equivalent ones too."""
        return prod(multinomial(counts) for _, counts in self._given)

    @cached_property
    def n_distinct(self) -> int:
        """Number of distinct colourings."""
        return count_distinct(self.classes)

    @cached_property
    def chain(self) -> StabiliserChain:
        """Generator of the distinct colourings."""
        return StabiliserChain(self.tables, self.counts)

    def iter_blocks(self, chunk_size: int) -> Iterator[OrderingBlock]:
        """All distinct colourings, as products."""
        return self.chain.iter_blocks(chunk_size)

    def iter_rows(self, chunk_size: int) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64]]]:
        """All distinct colourings and the orders of their stabilisers, in batches of at most ``chunk_size``."""
        held: list[tuple[NDArray[np.int8], NDArray[np.int64]]] = []
        size = 0
        for heads, tails, orders in self.iter_blocks(chunk_size):
            for rows, which in iter_pairs(heads, tails, chunk_size):
                if size + len(rows) > chunk_size:
                    yield _join(held)
                    held, size = [], 0
                held.append((rows, orders[which]))
                size += len(rows)
        if held:
            yield _join(held)

    def all_rows(self) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """All distinct colourings at once, and the orders of their stabilisers."""
        return _join(list(self.iter_rows(65536)))

    def canonicalise(self, rows: NDArray[np.int8]) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """The colourings that stand for the orbits of given ones, and the orders of their stabilisers."""
        from disolyte.enumeration.canonical import canonicalise

        return canonicalise(rows, self.permutations, self.widths, self.counts)

    def draw(self, n: int, seed: int, weighting: Weighting) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
        """Random distinct colourings, without repetition, and the orders of their stabilisers.

        Parameters
        ----------
        n
            Number of colourings; all if there are fewer.
        seed
            Seed.
        weighting
            Probability of each in a single draw.
        """
        if 4 * n > self.n_distinct:  # all of them take little more room than those that are wanted
            rows, orders = self.all_rows()
            weights = 1 / orders if weighting is Weighting.DEGENERACY else np.ones(len(rows))
            rng = np.random.default_rng(seed)
            chosen = rng.choice(len(rows), size=min(n, len(rows)), replace=False, p=weights / weights.sum())
            return rows[chosen], orders[chosen]
        found: dict[bytes, tuple[NDArray[np.int8], int]] = {}
        seeds = np.random.SeedSequence(seed)
        while len(found) < min(n, self.n_distinct):
            batch_seed = int(seeds.spawn(1)[0].generate_state(1, np.uint64)[0])
            rows, orders = self.canonicalise(self.draw_with_repetition(n - len(found), batch_seed, weighting))
            for row, order in zip(rows, orders, strict=True):
                found.setdefault(row.tobytes(), (row, int(order)))
        rows = np.array([row for row, _ in found.values()], dtype=np.int8)
        return rows, np.array([order for _, order in found.values()], dtype=np.int64)

    def draw_with_repetition(self, n: int, seed: int, weighting: Weighting) -> NDArray[np.int8]:
        """Independent random colourings, not brought to canonical form, shape (n, n_columns)."""
        if weighting is Weighting.DEGENERACY:
            return draw_any(n, self.counts, np.random.default_rng(seed))
        return draw_uniform(n, self.classes, self.tables, self.counts, seed)


def _first_of_equal_rows(rows: NDArray[np.int32]) -> NDArray[np.int64]:
    rows = np.ascontiguousarray(rows)
    _, first = np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))), return_index=True)
    return np.sort(first)


def _join(
    parts: Sequence[tuple[NDArray[np.int8], NDArray[np.int64]]],
) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([orders for _, orders in parts])
