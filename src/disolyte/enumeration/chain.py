"""Stabiliser chain over several sublattices.

A colouring of the first sublattice is kept if it stands for its orbit; the next sublattice is coloured under its
stabiliser, and so on. Colourings with the same stabiliser share all completions, so the orderings come as products of
*heads* and *tails*: with a trivial stabiliser the tails are all colourings of the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.colourings import iter_colouring_orbits

CACHED_TAIL_BYTES = 64_000_000
"""Completions are kept for their next use up to this size."""


class OrderingBlock(NamedTuple):
    """All pairs of a head and a tail; each pair is one distinct ordering."""

    heads: NDArray[np.int8]
    """Species index on the first columns, shape (n_heads, n_1)."""
    tails: NDArray[np.int8]
    """Species index on the other columns, shape (n_tails, n - n_1)."""
    stabiliser_orders: NDArray[np.int64]
    """Order of the stabiliser of a pair; depends on the tail alone, shape (n_tails,)."""


class StabiliserChain:
    """Distinct orderings of several sublattices.

    Parameters
    ----------
    tables
        For each sublattice, in the order of the chain, the permutations of its own sites under every element of the
        group, shape (order, m_s).
    counts
        For each sublattice the number of sites of each species.
    """

    def __init__(self, tables: Sequence[NDArray[np.int32]], counts: Sequence[Sequence[int]]) -> None:
        self.tables = list(tables)
        self.counts = [tuple(entry) for entry in counts]
        self.order = len(self.tables[0])
        self._identities = [np.arange(table.shape[1], dtype=np.int32) for table in self.tables]
        self._tails: dict[tuple[int, bytes], list[tuple[NDArray[np.int8], NDArray[np.int64]]]] = {}

    def iter_blocks(self, chunk_size: int) -> Iterator[OrderingBlock]:
        """All distinct orderings, as products of heads on the first sublattice and tails on the others."""
        for head, elements, scale in self._heads(0, np.arange(self.order), chunk_size):
            if len(self.tables) == 1:
                for start in range(0, len(head), chunk_size):
                    part = slice(start, start + chunk_size)
                    # One head without columns: the rows are all tails.
                    yield OrderingBlock(np.zeros((1, 0), dtype=np.int8), head[part], scale[part])
                continue
            for rows, orders in self._completions(1, elements, chunk_size):
                yield OrderingBlock(head, rows, orders)

    def _heads(
        self, level: int, elements: NDArray[np.int64], chunk_size: int
    ) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64], NDArray[np.int64]]]:
        """Colourings of one sublattice with their common stabiliser (its rows), and the stabilisers' orders."""
        table = self.tables[level][elements]
        for rows, orders in iter_colouring_orbits(table, self.counts[level], chunk_size):
            if level == len(self.tables) - 1:
                yield rows, elements, orders
                continue
            free = orders == 1
            if free.any():
                yield rows[free], elements[_identity_row(table, self.tables[level + 1 :], elements)], orders[free]
            bound = np.flatnonzero(~free)
            for start in range(0, len(bound), 256):
                part = bound[start : start + 256]
                keeps = np.all(rows[part][:, table] == rows[part][:, None, :], axis=2)
                patterns, inverse = np.unique(np.packbits(keeps, axis=1), axis=0, return_inverse=True)
                for index in range(len(patterns)):
                    chosen = part[inverse.ravel() == index]
                    stabiliser = elements[keeps[inverse.ravel() == index][0]]
                    yield rows[chosen], stabiliser, orders[chosen]

    def _completions(
        self, level: int, elements: NDArray[np.int64], chunk_size: int
    ) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64]]]:
        """Distinct colourings of the sublattices from ``level`` on, under a stabiliser."""
        key = (level, elements.tobytes())
        if key in self._tails:
            yield from self._tails[key]
            return
        kept: list[tuple[NDArray[np.int8], NDArray[np.int64]]] | None = []
        size = sum(rows.nbytes for entry in self._tails.values() for rows, _ in entry)
        for batch in self._complete(level, elements, chunk_size):
            size += batch[0].nbytes + batch[1].nbytes
            if kept is not None:
                kept.append(batch)
            if size > CACHED_TAIL_BYTES:
                kept = None
            yield batch
        if kept is not None:
            self._tails[key] = kept

    def _complete(
        self, level: int, elements: NDArray[np.int64], chunk_size: int
    ) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64]]]:
        scale = 1
        if self._acts_trivially(level, elements):
            elements, scale = elements[:1], len(elements)
        for heads, stabiliser, orders in self._heads(level, elements, chunk_size):
            if level == len(self.tables) - 1:
                yield heads, orders * scale
                continue
            for rows, tail_orders in self._completions(level + 1, stabiliser, chunk_size):
                for block in iter_pairs(heads, rows, chunk_size):
                    yield block[0], tail_orders[block[1]] * scale

    def _acts_trivially(self, level: int, elements: NDArray[np.int64]) -> bool:
        return all(
            bool(np.all(table[elements] == identity))
            for table, identity in zip(self.tables[level:], self._identities[level:], strict=True)
        )


def _identity_row(
    table: NDArray[np.int32], others: Sequence[NDArray[np.int32]], elements: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Position of the identity among ``elements``."""
    is_identity = np.all(table == np.arange(table.shape[1]), axis=1)
    for other in others:
        is_identity &= np.all(other[elements] == np.arange(other.shape[1]), axis=1)
    return np.flatnonzero(is_identity)[:1]


def iter_pairs(
    heads: NDArray[np.int8], tails: NDArray[np.int8], chunk_size: int
) -> Iterator[tuple[NDArray[np.int8], NDArray[np.int64]]]:
    """Rows of every pair of a head and a tail, and the tail of each, in chunks."""
    for tail_start in range(0, len(tails), chunk_size):
        tail = tails[tail_start : tail_start + chunk_size]
        step = max(1, chunk_size // len(tail))
        for start in range(0, len(heads), step):
            head = heads[start : start + step]
            rows = np.empty((len(head), len(tail), head.shape[1] + tail.shape[1]), dtype=np.int8)
            rows[:, :, : head.shape[1]] = head[:, None, :]
            rows[:, :, head.shape[1] :] = tail[None, :, :]
            which = np.tile(np.arange(tail_start, tail_start + len(tail)), len(head))
            yield rows.reshape(-1, rows.shape[2]), which
