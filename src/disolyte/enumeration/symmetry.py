"""Space-group operations of a parent crystal, and how they permute the sites of a supercell.

Everything beyond the search for the parent's operations is integer arithmetic: a site of a supercell is a site of the
parent's primitive cell and a lattice vector modulo the supercell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import spglib
from numpy.typing import NDArray

from disolyte.enumeration.lattice import IntMatrix, LatticeQuotient, hermite_normal_form, integer_determinant
from disolyte.errors import EnumerationError, StructureError

MAX_PERMUTATION_ENTRIES = 250_000_000
"""Largest number of entries in the table of permutations (1 GB)."""


@dataclass(frozen=True, eq=False)
class ParentCrystal:
    """A crystal in its primitive cell, its operations, and the sites of the input cell in these terms.

    Parameters
    ----------
    cell
        Vectors of the input cell in units of the primitive vectors, as rows, shape (3, 3).
    site_class, site_shift
        Primitive site (n,) and lattice vector (n, 3), in primitive units, of each site of the input cell.
    rotations, images, shifts
        Operations in the primitive cell: x' = W x + w with W of shape (n_ops, 3, 3) takes primitive site j to
        ``images[op, j]``, displaced by the lattice vector ``shifts[op, j]``; shapes (n_ops, m), (n_ops, m, 3).
    """

    cell: IntMatrix
    site_class: NDArray[np.int64]
    site_shift: NDArray[np.int64]
    rotations: NDArray[np.int64]
    images: NDArray[np.int64]
    shifts: NDArray[np.int64]

    @property
    def n_classes(self) -> int:
        """Number of sites in the primitive cell."""
        return self.images.shape[1]

    def orbits(self) -> NDArray[np.int64]:
        """Orbit of each primitive site, named by its smallest member, shape (m,)."""
        return self.images.min(axis=0)


def find_parent_crystal(
    lattice_ang: NDArray[np.float64], frac_coords: NDArray[np.float64], kinds: Sequence[int], symprec: float
) -> ParentCrystal:
    """Primitive cell and space group of a crystal whose sites are of the given kinds.

    Parameters
    ----------
    lattice_ang
        Lattice vectors as rows, shape (3, 3).
    frac_coords
        Fractional coordinates, shape (n, 3).
    kinds
        Sites of different kinds are never mapped onto each other, shape (n,).
    symprec
        Distance in Å within which sites count as equivalent.

    Raises
    ------
    StructureError
        If no consistent set of operations is found at this ``symprec``.
    """
    kinds_array = np.asarray(kinds, dtype=np.int64)
    rotations, translations = _spglib_operations(lattice_ang, frac_coords, kinds_array, symprec)
    pure = translations[np.all(rotations == np.eye(3, dtype=int), axis=(1, 2))]
    n_pure = len(pure)
    scaled = np.round(pure * n_pure).astype(np.int64)
    basis = hermite_normal_form(np.vstack([scaled, n_pure * np.eye(3, dtype=np.int64)]))
    cell = np.round(np.linalg.inv(basis / n_pure)).astype(np.int64)  # input vectors in primitive ones
    if abs(integer_determinant(cell)) != n_pure:
        raise StructureError(_advice("the lattice translations found do not form a lattice", symprec))
    primitive_lattice = basis / n_pure @ lattice_ang
    coords = frac_coords @ cell
    site_class, site_shift, first = _primitive_sites(coords, kinds_array, primitive_lattice, symprec)
    if len(first) * n_pure != len(coords):
        raise StructureError(_advice(f"{len(coords)} sites are not {n_pure} copies of a primitive cell", symprec))
    rotations, translations = _spglib_operations(primitive_lattice, coords[first], kinds_array[first], symprec)
    images, shifts = _site_images(
        rotations, translations, coords[first], kinds_array[first], primitive_lattice, symprec
    )
    _check_closure(rotations, images, shifts, symprec)
    return ParentCrystal(cell, site_class, site_shift, rotations, images, shifts)


def _check_closure(
    rotations: NDArray[np.int64], images: NDArray[np.int64], shifts: NDArray[np.int64], symprec: float
) -> None:
    """The product of any two operations is one of them, up to a lattice vector."""
    by_rotation = {rotation.tobytes(): op for op, rotation in enumerate(rotations)}
    closed = len(by_rotation) == len(rotations)
    for op, rotation in enumerate(rotations):
        products = [by_rotation.get((rotation @ other).tobytes(), -1) for other in rotations]
        if not closed or -1 in products:
            raise StructureError(_advice("the operations found do not form a group", symprec))
        displaced = shifts @ rotation.T + shifts[op, images] - shifts[products]
        closed &= np.array_equal(images[op, images], images[products])
        closed &= bool(np.all(displaced == displaced[:, :1]))
    if not closed:
        raise StructureError(_advice("the operations found do not form a group", symprec))


def _advice(problem: str, symprec: float) -> str:
    return f"at symprec = {symprec:g} Å {problem}: choose another symprec, or symmetrise the structure"


def _spglib_operations(
    lattice: NDArray[np.float64], coords: NDArray[np.float64], kinds: NDArray[np.int64], symprec: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    try:
        dataset = spglib.get_symmetry_dataset((lattice.tolist(), coords.tolist(), kinds.tolist()), symprec=symprec)
    except Exception as error:  # spglib changed its own exception classes between versions
        raise StructureError(_advice(f"spglib finds no symmetry ({error})", symprec)) from error
    if dataset is None:
        raise StructureError(_advice("spglib finds no symmetry (do sites overlap?)", symprec))
    return np.array(dataset.rotations, dtype=np.int64), np.array(dataset.translations, dtype=float)


def _primitive_sites(
    coords: NDArray[np.float64], kinds: NDArray[np.int64], lattice: NDArray[np.float64], symprec: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
    """Class and lattice shift of each site, and the first site of each class."""
    first: list[int] = []
    site_class = np.zeros(len(coords), dtype=np.int64)
    site_shift = np.zeros((len(coords), 3), dtype=np.int64)
    for index, coord in enumerate(coords):
        difference = coord - coords[first].reshape(-1, 3)
        shift = np.round(difference)
        distance = np.linalg.norm((difference - shift) @ lattice, axis=1)
        distance[kinds[first] != kinds[index]] = np.inf
        if distance.size and distance.min() < 2 * symprec:
            site_class[index] = int(distance.argmin())
            site_shift[index] = shift[site_class[index]]
        else:
            site_class[index] = len(first)
            first.append(index)
    return site_class, site_shift, first


def _site_images(
    rotations: NDArray[np.int64],
    translations: NDArray[np.float64],
    coords: NDArray[np.float64],
    kinds: NDArray[np.int64],
    lattice: NDArray[np.float64],
    symprec: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Image site and lattice shift of every site under every operation."""
    n_ops, n_sites = len(rotations), len(coords)
    images = np.zeros((n_ops, n_sites), dtype=np.int64)
    shifts = np.zeros((n_ops, n_sites, 3), dtype=np.int64)
    forbidden = kinds[:, None] != kinds[None, :]
    for op, (rotation, translation) in enumerate(zip(rotations, translations, strict=True)):
        difference = (coords @ rotation.T + translation)[:, None, :] - coords[None, :, :]
        whole = np.round(difference)
        distance = np.linalg.norm((difference - whole) @ lattice, axis=2)
        distance[forbidden] = np.inf
        images[op] = distance.argmin(axis=1)
        shifts[op] = whole[np.arange(n_sites), images[op]]
        if len(set(images[op])) != n_sites or distance.min(axis=1).max() > 4 * symprec:
            raise StructureError(_advice("an operation does not map the sites onto each other", symprec))
    return images, shifts


@dataclass(frozen=True, eq=False)
class SupercellSymmetry:
    """Sites of a supercell and the operations that keep its lattice.

    Parameters
    ----------
    quotient
        Primitive lattice vectors modulo the supercell.
    site_class, site_vector
        Primitive site (n,) and lattice vector (n, 3) of each site; sites run over the input cell first and over the
        copies of each input site second.
    permutations
        Image of each site under each operation, shape (order, n). Operations are counted modulo the supercell's
        translations.
    """

    quotient: LatticeQuotient
    site_class: NDArray[np.int64]
    site_vector: NDArray[np.int64]
    permutations: NDArray[np.int32]

    @property
    def order(self) -> int:
        """Number of operations."""
        return len(self.permutations)


def build_supercell(parent: ParentCrystal, supercell: IntMatrix) -> SupercellSymmetry:
    """Sites of a supercell, and the operations of the parent that map the supercell's lattice onto itself.

    Parameters
    ----------
    parent
        The parent crystal.
    supercell
        Supercell vectors in units of the input cell, as rows, shape (3, 3).

    Raises
    ------
    EnumerationError
        If the table of permutations would not fit into memory.
    """
    basis = supercell @ parent.cell
    quotient = LatticeQuotient(basis)
    kept = [op for op, rotation in enumerate(parent.rotations) if _keeps_lattice(rotation, basis)]
    n_sites = len(parent.site_class) * abs(integer_determinant(supercell))
    entries = len(kept) * quotient.order * n_sites
    if entries > MAX_PERMUTATION_ENTRIES:
        raise EnumerationError(
            f"{len(kept) * quotient.order} operations on {n_sites} sites need a table of {entries:.2g} entries, more "
            f"than {MAX_PERMUTATION_ENTRIES:.2g}: choose a smaller supercell"
        )
    cells = LatticeQuotient(supercell).vectors()
    site_class = np.repeat(parent.site_class, len(cells))
    site_vector = (parent.site_shift[:, None, :] + (cells @ parent.cell)[None, :, :]).reshape(-1, 3)
    site_at = np.zeros((parent.n_classes, quotient.order), dtype=np.int32)
    site_at[site_class, quotient.index(site_vector)] = np.arange(len(site_class), dtype=np.int32)
    translations = quotient.vectors()
    blocks = []
    for op in kept:
        image = site_vector @ parent.rotations[op].T + parent.shifts[op, site_class]
        cell_index = quotient.index(image[None, :, :] + translations[:, None, :])
        blocks.append(site_at[parent.images[op, site_class][None, :], cell_index])
    return SupercellSymmetry(quotient, site_class, site_vector, np.concatenate(blocks))


def _keeps_lattice(rotation: NDArray[np.int64], basis: IntMatrix) -> bool:
    return np.array_equal(hermite_normal_form(basis @ rotation.T), hermite_normal_form(basis))
