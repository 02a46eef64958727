"""Orderly generation as a compiled depth-first search, for groups and subsets too large to test all at once.

A subset grows by points after its last one. For every element of the group that may still matter, the image of the
subset is kept as a bit mask, so that adding a point is one ``|`` and one comparison per element. An element that can
neither overtake nor equal the subset any more, whatever points follow, is dropped for the whole branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.compiled import compiled
from disolyte.enumeration.subsets import SubsetBatch


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
    bits = _point_bits(permutations, n_words)
    # What the points after each point can still contribute to an image.
    future = np.zeros_like(bits)
    for point in range(n_points - 2, -1, -1):
        future[point] = future[point + 1] | bits[point + 1]
    own = _point_bits(np.arange(n_points)[None, :], n_words)[:, 0]
    prefix = np.bitwise_or.accumulate(own, axis=0)
    if n_words == 1:
        tables = (bits[:, :, 0].copy(), future[:, :, 0].copy(), own[:, 0].copy(), prefix[:, 0].copy())
        images = np.zeros((n_chosen + 1, order), dtype=np.uint64)
        masks = np.zeros(n_chosen + 1, dtype=np.uint64)
        search = _search
    else:
        tables = (bits, future, own, prefix)
        images = np.zeros((n_chosen + 1, order, n_words), dtype=np.uint64)
        masks = np.zeros((n_chosen + 1, n_words), dtype=np.uint64)
        search = _search_wide
    active = np.zeros((n_chosen + 1, order), dtype=np.int64)
    active[0] = np.arange(order)
    n_active = np.full(n_chosen + 1, order, dtype=np.int64)
    chosen = np.full(n_chosen, -1, dtype=np.int64)
    rows = np.zeros((chunk_size, n_chosen), dtype=np.int64)
    orders = np.zeros(chunk_size, dtype=np.int64)
    depth = 0
    while depth >= 0:
        n_found, depth = search(*tables, images, active, n_active, masks, chosen, rows, orders, depth)
        if n_found:
            members = np.zeros((n_found, n_points), dtype=bool)
            members[np.arange(n_found)[:, None], rows[:n_found]] = True
            yield SubsetBatch(members, orders[:n_found].copy())


def _point_bits(permutations: NDArray[np.integer], n_words: int) -> NDArray[np.uint64]:
    """Bit of the image of every point, first point most significant, shape (m, order, n_words)."""
    order, n_points = permutations.shape
    bits = np.zeros((n_points, order, n_words), dtype=np.uint64)
    point, element = np.meshgrid(np.arange(n_points), np.arange(order), indexing="ij")
    image = permutations.T.astype(np.int64)
    bits[point, element, image // 64] = np.uint64(1) << (63 - image % 64).astype(np.uint64)
    return bits


# The compiled functions index elements one by one: slices and temporary arrays would multiply the time to compile.


@compiled
def _search(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    bits, future, own, prefix, images, active, n_active, masks, chosen, rows, orders, depth
) -> Any:
    """Fill ``rows`` with the next orbits; the state lies in the arrays indexed by depth."""
    n_points, n_chosen = bits.shape[0], rows.shape[1]
    n_found = 0
    while depth >= 0 and n_found < rows.shape[0]:
        chosen[depth] += 1
        point = chosen[depth]
        if point > n_points - n_chosen + depth:
            depth -= 1
            continue
        target = masks[depth] | own[point]
        same, kept = _test(bits, future, images, active, n_active, depth, point, target, prefix[point])
        if same < 0:
            continue
        if depth == n_chosen - 1:
            for k in range(n_chosen):
                rows[n_found, k] = chosen[k]
            orders[n_found] = same
            n_found += 1
        else:
            depth += 1
            masks[depth], n_active[depth], chosen[depth] = target, kept, point
    return n_found, depth


@compiled
def _test(bits, future, images, active, n_active, depth, point, target, prefix) -> Any:  # type: ignore[no-untyped-def]
    """Order of the stabiliser (-1 if an image is larger) and number of elements that still matter."""
    same = 0
    kept = 0
    for k in range(n_active[depth]):
        element = active[depth, k]
        image = images[depth, k] | bits[point, element]
        if image > target:
            return -1, 0
        if image == target:
            same += 1
        if ((image | future[point, element]) & prefix) >= target:
            images[depth + 1, kept] = image
            active[depth + 1, kept] = element
            kept += 1
    return same, kept


@compiled
def _search_wide(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    bits, future, own, prefix, images, active, n_active, masks, chosen, rows, orders, depth
) -> Any:
    """As :func:`_search`, for masks of several words."""
    n_points, n_chosen, n_words = bits.shape[0], rows.shape[1], bits.shape[2]
    n_found = 0
    while depth >= 0 and n_found < rows.shape[0]:
        chosen[depth] += 1
        point = chosen[depth]
        if point > n_points - n_chosen + depth:
            depth -= 1
            continue
        for word in range(n_words):
            masks[depth + 1, word] = masks[depth, word] | own[point, word]
        same, kept = _test_wide(bits, future, images, active, n_active, masks, depth, point, prefix)
        if same < 0:
            continue
        if depth == n_chosen - 1:
            for k in range(n_chosen):
                rows[n_found, k] = chosen[k]
            orders[n_found] = same
            n_found += 1
        else:
            depth += 1
            n_active[depth], chosen[depth] = kept, point
    return n_found, depth


@compiled
def _test_wide(bits, future, images, active, n_active, masks, depth, point, prefix) -> Any:  # type: ignore[no-untyped-def]
    """As :func:`_test`, for masks of several words."""
    same = 0
    kept = 0
    n_words = bits.shape[2]
    for k in range(n_active[depth]):
        element = active[depth, k]
        sign = 0
        reach = 0
        for word in range(n_words):
            image = images[depth, k, word] | bits[point, element, word]
            images[depth + 1, kept, word] = image
            target = masks[depth + 1, word]
            if sign == 0 and image != target:
                sign = 1 if image > target else -1
            most = (image | future[point, element, word]) & prefix[point, word]
            if reach == 0 and most != target:
                reach = 1 if most > target else -1
        if sign > 0:
            return -1, 0
        if sign == 0:
            same += 1
        if reach >= 0:
            active[depth + 1, kept] = element
            kept += 1
    return same, kept
