"""Subsets of sites, one of every orbit under a permutation group.

Orderly generation (Read 1978; McKay 1998): site 0 is the most significant bit, a subset stands for its orbit if no
image is larger, and every prefix of such a subset is one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BRUTE_FORCE_LIMIT = 40_000_000
"""Subsets times permutations up to which all subsets are tested at once."""


class SubsetBatch(NamedTuple):
    """Subsets of m sites that stand for their orbits."""

    members: NDArray[np.bool_]
    """Shape (n, m)."""
    stabiliser_orders: NDArray[np.int64]
    """Number of permutations that leave each subset as it is, shape (n,)."""


def iter_combinations(n_points: int, n_chosen: int, chunk_size: int) -> Iterator[NDArray[np.bool_]]:
    """All subsets of a size, as rows, largest first (site 0 is the most significant), in chunks."""
    total = comb(n_points, n_chosen)
    limit = np.iinfo(np.int64).max
    table = np.array(
        [[min(comb(n, k), limit) for k in range(n_chosen + 1)] for n in range(n_points + 1)], dtype=np.int64
    )
    for start in range(0, total, chunk_size):
        rank = np.arange(start, min(start + chunk_size, total), dtype=np.int64)
        left = np.full(len(rank), n_chosen)
        rows = np.zeros((len(rank), n_points), dtype=bool)
        for point in range(n_points):
            # Subsets that hold this point come first.
            with_point = np.where(left > 0, table[n_points - point - 1, np.maximum(left - 1, 0)], 0)
            chosen = rank < with_point
            rows[:, point] = chosen
            rank = np.where(chosen, rank, rank - with_point)
            left -= chosen
        yield rows


def pack_masks(rows: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Rows of up to 64 bits as numbers, first column most significant, shape (n,)."""
    packed = np.zeros((len(rows), 8), dtype=np.uint8)
    bytes_ = np.packbits(rows, axis=1)
    packed[:, : bytes_.shape[1]] = bytes_
    return packed.view(">u8").ravel().astype(np.uint64)


def unpack_masks(masks: NDArray[np.uint64], n_points: int) -> NDArray[np.bool_]:
    """Inverse of :func:`pack_masks`, shape (n, n_points)."""
    return np.unpackbits(masks.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1, count=n_points).astype(bool)


def image_tables(permutations: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Images of every value of every byte of a mask, shape (order, n_bytes, 256)."""
    order, n_points = permutations.shape
    n_bytes = (n_points + 7) // 8
    bits = np.zeros((order, n_bytes * 8), dtype=np.uint64)
    bits[:, :n_points] = np.uint64(1) << (63 - permutations).astype(np.uint64)
    values = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.uint64)
    return np.einsum("gbk,vk->gbv", bits.reshape(order, n_bytes, 8), values)


def iter_subset_orbits(permutations: NDArray[np.int32], n_chosen: int, chunk_size: int) -> Iterator[SubsetBatch]:
    """One subset of every orbit, the largest of it, with the order of its stabiliser.

    Parameters
    ----------
    permutations
        The group, all its elements, shape (order, m).
    n_chosen
        Size of the subsets.
    chunk_size
        Largest number of rows in a batch.
    """
    order, n_points = permutations.shape
    if order == 1 or n_chosen == 0:
        for rows in iter_combinations(n_points, n_chosen, chunk_size):
            yield SubsetBatch(rows, np.full(len(rows), order, dtype=np.int64))
        return
    if n_points <= 64 and comb(n_points, n_chosen) * order <= BRUTE_FORCE_LIMIT:
        tables = image_tables(permutations)
        for rows in iter_combinations(n_points, n_chosen, chunk_size):
            yield from _largest_of_orbits(rows, tables)
        return
    from disolyte.enumeration.orderly import iter_orderly_subsets

    yield from iter_orderly_subsets(permutations, n_chosen, chunk_size)


def _largest_of_orbits(rows: NDArray[np.bool_], tables: NDArray[np.uint64]) -> Iterator[SubsetBatch]:
    """Those rows that are the largest of their orbit; drops losers in growing chunks of the group."""
    masks = pack_masks(rows)
    kept = np.arange(len(masks))
    same = np.zeros(len(masks), dtype=np.int64)
    n_bytes = tables.shape[1]
    start, step = 0, 1
    while start < len(tables) and len(kept):
        source = masks[kept].astype(">u8").view(np.uint8).reshape(-1, 8)
        largest = masks[kept].copy()
        for table in tables[start : start + step]:
            image = table[0][source[:, 0]]
            for byte in range(1, n_bytes):
                image = image | table[byte][source[:, byte]]
            np.maximum(largest, image, out=largest)
            same[kept] += image == masks[kept]
        kept = kept[largest == masks[kept]]
        start, step = start + step, step * 2
    if len(kept):
        yield SubsetBatch(rows[kept], same[kept])
