"""Orderly generation as a compiled depth-first search, for groups and subsets too large to test all at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.compiled import compiled
from disolyte.enumeration.subsets import SubsetBatch

_CHUNK = 128
"""Permutations that are tested between two looks at the outcome."""


def iter_orderly_subsets(permutations: NDArray[np.int32], n_chosen: int, chunk_size: int) -> Iterator[SubsetBatch]:
    """One subset of every orbit, the largest of it, with the order of its stabiliser.

    Parameters
    ----------
    permutations
        The group, all its elements, shape (order, m).
    n_chosen
        Size of the subsets, at least 1.
    chunk_size
        Largest number of rows in a batch.
    """
    order, n_points = permutations.shape
    n_words = (n_points + 63) // 64
    bits = np.zeros((n_points, n_words, order), dtype=np.uint64)
    point, element = np.meshgrid(np.arange(n_points), np.arange(order), indexing="ij")
    image = permutations.T.astype(np.int64)
    bits[point, image // 64, element] = np.uint64(1) << (63 - image % 64).astype(np.uint64)
    images = np.zeros((n_chosen + 1, n_words, order), dtype=np.uint64)
    chosen = np.full(n_chosen, -1, dtype=np.int64)
    killers = np.zeros((n_chosen, n_points), dtype=np.int64)
    rows = np.zeros((chunk_size, n_chosen), dtype=np.int64)
    orders = np.zeros(chunk_size, dtype=np.int64)
    depth = 0
    while depth >= 0:
        n_found, depth = _search(bits, images, chosen, killers, depth, rows, orders)
        if n_found:
            members = np.zeros((n_found, n_points), dtype=bool)
            np.put_along_axis(members, rows[:n_found], True, axis=1)  # noqa: FBT003
            yield SubsetBatch(members, orders[:n_found].copy())


@compiled
def _search(bits, images, chosen, killers, depth, rows, orders) -> Any:  # type: ignore[no-untyped-def]
    """Fill ``rows`` with the next orbits; the state lies in ``images``, ``chosen`` and ``depth``.

    ``images[d]`` holds the images of the first d chosen points under every element, words first, so that one addition
    of a point is one pass over the group.
    """
    n_points, n_words = bits.shape[0], bits.shape[1]
    n_chosen = chosen.shape[0]
    mask = np.zeros((n_chosen + 1, n_words), dtype=np.uint64)
    one = np.uint64(1)
    for level in range(depth):
        mask[level + 1] = mask[level]
        mask[level + 1, chosen[level] // 64] |= one << np.uint64(63 - chosen[level] % 64)
    n_found = 0
    while depth >= 0:
        chosen[depth] += 1
        point = chosen[depth]
        if point > n_points - n_chosen + depth:
            depth -= 1
            continue
        target = mask[depth + 1]
        for word in range(n_words):
            target[word] = mask[depth, word]
        target[point // 64] |= one << np.uint64(63 - point % 64)
        same = _test(bits[point], images[depth], images[depth + 1], target, killers[depth], point)
        if same == 0:
            continue
        if depth < n_chosen - 1:
            chosen[depth + 1] = point
            depth += 1
            continue
        rows[n_found] = chosen
        orders[n_found] = same
        n_found += 1
        if n_found == rows.shape[0]:
            break
    return n_found, depth


@compiled
def _test(added, before, after, target, killers, point) -> Any:  # type: ignore[no-untyped-def]
    """Order of the stabiliser of a subset, or 0 if an image is larger; fills ``after`` as far as needed."""
    n_words, order = added.shape
    killer = killers[point]
    first = target[0]
    if (before[0, killer] | added[0, killer]) > first:
        return 0
    same = 0
    for start in range(0, order, _CHUNK):
        stop = min(start + _CHUNK, order)
        larger = 0
        equal = 0
        for element in range(start, stop):
            image = before[0, element] | added[0, element]
            after[0, element] = image
            larger += image > first
            equal += image == first
        if larger > 0:
            for element in range(start, stop):
                if after[0, element] > first:
                    killers[point] = element
                    return 0
        if n_words > 1:
            equal = 0
            for word in range(1, n_words):
                for element in range(start, stop):
                    after[word, element] = before[word, element] | added[word, element]
            for element in range(start, stop):
                word = 0
                while word < n_words and after[word, element] == target[word]:
                    word += 1
                if word == n_words:
                    equal += 1
                elif after[word, element] > target[word]:
                    return 0
        same += equal
    return same
