"""Orderings as infinite crystals: the same crystal in different supercells of one parent.

The translations that leave an ordering unchanged form its own lattice, which may be finer than the supercell's. The
ordering in its own primitive cell, turned by the parent's operations so that the lattice's Hermite normal form and then
the occupations come out smallest, is the same for every supercell that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.canonical import canonicalise
from disolyte.enumeration.cell import DisorderedCell
from disolyte.enumeration.lattice import IntMatrix, LatticeQuotient, hermite_normal_form
from disolyte.enumeration.symmetry import ParentCrystal


def crystal_keys(cell: DisorderedCell, occupations: NDArray[np.int8]) -> list[bytes]:
    """Keys that are equal if, and only if, two orderings are the same infinite crystal.

    Parameters
    ----------
    cell
        The supercell; keys of different supercells of one disordered structure can be compared.
    occupations
        Species index on every site, shape (n, n_sites).

    Returns
    -------
    list of bytes
        One key per ordering.
    """
    quotient = cell.symmetry.quotient
    order = quotient.order
    vectors = quotient.vectors()
    classes = np.unique(np.concatenate([cell.symmetry.site_class[s.sites] for s in cell.sublattices]))
    site_at = np.zeros((cell.parent.n_classes, order), dtype=np.int64)
    site_at[cell.symmetry.site_class, quotient.index(cell.symmetry.site_vector)] = np.arange(cell.n_sites)
    grid = np.asarray(occupations)[:, site_at[classes]]  # (n, classes, lattice vectors)
    moved = quotient.index(vectors[:, None, :] + vectors[None, :, :])
    keeps = np.stack([np.all(grid[:, :, move] == grid, axis=(1, 2)) for move in moved], axis=1)
    patterns, inverse = np.unique(keeps, axis=0, return_inverse=True)
    keys = [b""] * len(grid)
    for index, pattern in enumerate(patterns):
        lattice = hermite_normal_form(np.vstack([quotient.basis, vectors[pattern]]))
        where = np.flatnonzero(inverse.ravel() == index)
        own = LatticeQuotient(lattice).vectors()
        rows = grid[where][:, :, quotient.index(own)].reshape(len(where), -1)
        for position, key in zip(where, _keys_in_own_cell(cell.parent, lattice, classes, rows), strict=True):
            keys[position] = key
    return keys


def _keys_in_own_cell(
    parent: ParentCrystal, lattice: IntMatrix, classes: NDArray[np.int64], rows: NDArray[np.int8]
) -> list[bytes]:
    """Keys of orderings whose own lattice is ``lattice``; columns are (class, lattice vector)."""
    turned = [hermite_normal_form(lattice @ rotation.T) for rotation in parent.rotations]
    smallest = min(turned, key=lambda basis: basis.ravel().tolist())
    target = LatticeQuotient(smallest)
    vectors = LatticeQuotient(lattice).vectors()
    position = np.zeros(parent.n_classes, dtype=np.int64)
    position[classes] = np.arange(len(classes))
    tables = []
    for op, basis in enumerate(turned):
        if not np.array_equal(basis, smallest):
            continue
        images = vectors @ parent.rotations[op].T + parent.shifts[op, classes][:, None, :]
        images = images[None] + target.vectors()[:, None, None, :]
        columns = position[parent.images[op, classes]][:, None] * target.order + target.index(images)
        tables.append(columns.reshape(target.order, -1))
    # A colouring is read through the inverse: what comes to a place from where it was.
    permutations = np.argsort(np.concatenate(tables), axis=1).astype(np.int32)
    n_species = int(rows.max()) + 1
    images, _ = canonicalise(rows, permutations, [rows.shape[1]], [[1] * n_species])
    head = smallest.tobytes()
    return [head + image.tobytes() for image in images]


def find_repeated(cells: Sequence[DisorderedCell], occupations: Sequence[NDArray[np.int8]]) -> list[NDArray[np.bool_]]:
    """Orderings that an earlier cell holds already.

    Parameters
    ----------
    cells
        Supercells of one disordered structure.
    occupations
        Orderings of each, shapes (n, n_sites).

    Returns
    -------
    list of ndarray of bool
        For each cell, which of its orderings are repetitions, shapes (n,).
    """
    seen: set[bytes] = set()
    repeated = []
    for cell, rows in zip(cells, occupations, strict=True):
        keys = crystal_keys(cell, rows)
        repeated.append(np.array([key in seen for key in keys], dtype=bool))
        seen.update(keys)
    return repeated
