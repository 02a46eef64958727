"""A supercell of a disordered crystal: its sites, sublattices, numbers of atoms and operations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import Composition, Lattice, Structure, get_el_sp

from disolyte.enumeration.composition import Occupancies, OccupancyChange, Rounding, resolve_counts
from disolyte.enumeration.disorder import SiteKind, check_geometry, read_site_kinds
from disolyte.enumeration.lattice import IntMatrix, SupercellLike, integer_determinant, parse_supercell
from disolyte.enumeration.symmetry import ParentCrystal, SupercellSymmetry, build_supercell, find_parent_crystal
from disolyte.errors import InputError


@dataclass(frozen=True, eq=False)
class Sublattice:
    """Sites that share one composition.

    Parameters
    ----------
    name
        Label of the pool, or species and number of the orbit.
    sites
        Indices of its sites in the supercell, shape (m,).
    species
        Species that may sit there; ``""`` is a vacancy.
    counts
        Number of sites of each.
    """

    name: str
    sites: NDArray[np.int64]
    species: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class DisorderedCell:
    """A supercell with the numbers of atoms on each of its sublattices.

    Parameters
    ----------
    parent
        The parent crystal.
    supercell
        Supercell vectors in units of the input cell, as rows, shape (3, 3).
    lattice_ang
        Lattice vectors as rows, shape (3, 3).
    frac_coords
        Fractional coordinates of all sites, shape (n, 3).
    site_species
        Species that may sit on each site; fixed sites have one.
    sublattices
        The disordered sublattices.
    symmetry
        Operations on all sites.
    occupancies
        Occupancies of the disordered sublattices, as given.
    occupancy_changes
        Occupancies that differ from the given ones.
    """

    parent: ParentCrystal
    supercell: IntMatrix
    lattice_ang: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    site_species: list[tuple[str, ...]]
    sublattices: list[Sublattice]
    symmetry: SupercellSymmetry
    occupancies: list[Occupancies]
    occupancy_changes: list[OccupancyChange]

    @property
    def n_sites(self) -> int:
        """Number of sites, vacant ones too."""
        return len(self.site_species)

    def amounts(self) -> dict[str, int]:
        """Number of atoms of each species."""
        amounts: dict[str, int] = {}
        for species in self.site_species:
            if len(species) == 1 and species[0]:
                amounts[species[0]] = amounts.get(species[0], 0) + 1
        for sublattice in self.sublattices:
            for name, count in zip(sublattice.species, sublattice.counts, strict=True):
                if name and count:
                    amounts[name] = amounts.get(name, 0) + count
        return amounts

    @property
    def formula(self) -> str:
        """Formula of all its atoms, such as ``Na21Zr12Si15P3O72``."""
        return Composition(self.amounts()).element_composition.formula.replace(" ", "")


def build_disordered_cell(
    structure: Structure,
    supercell: SupercellLike,
    *,
    symprec: float,
    rounding: Rounding,
    pool: Iterable[str] = (),
    allow_ordered: bool = False,
) -> DisorderedCell:
    """Supercell of a disordered structure.

    Parameters
    ----------
    structure
        Structure with partial occupancies.
    supercell
        One, three or nine whole numbers.
    symprec
        Distance in Å within which sites count as equivalent.
    rounding
        What to do with occupancies that are not whole numbers of atoms.
    pool
        Elements whose disordered sites share one composition.
    allow_ordered
        Whether a structure without partial occupancies, which has one ordering, may be given.

    Raises
    ------
    StructureError, CompositionError, EnumerationError
        If the structure is ordered and must not be, holds sites that coincide, has no consistent symmetry, or cannot be
        realised in the cell.
    InputError
        If the supercell or ``symprec`` is not one.
    """
    matrix = parse_supercell(supercell)
    check_geometry(structure, symprec)
    kinds = read_site_kinds(structure, pool, allow_ordered=allow_ordered)
    numbers: dict[object, int] = {}
    kind_numbers = [numbers.setdefault(kind.symmetry_key(), len(numbers)) for kind in kinds]
    lattice = np.array(structure.lattice.matrix, dtype=float)
    coords = np.array(structure.frac_coords, dtype=float)
    parent = find_parent_crystal(lattice, coords, kind_numbers, symprec)
    n_cells = abs(integer_determinant(matrix))
    groups = _group_sites(kinds, parent)
    occupancies = [
        Occupancies(
            name,
            kinds[members[0]].species,
            tuple(float(x) for x in np.mean([kinds[i].occupancies for i in members], axis=0)),
            len(members) * n_cells,
        )
        for name, members in groups
    ]
    counts, changes = resolve_counts(occupancies, n_cells, rounding)
    symmetry = build_supercell(parent, matrix)
    sublattices = [
        Sublattice(name, (np.array(members)[:, None] * n_cells + np.arange(n_cells)).ravel(), entry.species, numbers_)
        for (name, members), entry, numbers_ in zip(groups, occupancies, counts, strict=True)
    ]
    inverse = np.linalg.inv(matrix)
    return DisorderedCell(
        parent=parent,
        supercell=matrix,
        lattice_ang=matrix @ lattice,
        frac_coords=_supercell_coords(coords, parent, symmetry, inverse),
        site_species=[kind.species for kind in kinds for _ in range(n_cells)],
        sublattices=sublattices,
        symmetry=symmetry,
        occupancies=occupancies,
        occupancy_changes=changes,
    )


def _supercell_coords(
    coords: NDArray[np.float64], parent: ParentCrystal, symmetry: SupercellSymmetry, inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    n_cells = len(symmetry.site_class) // len(coords)
    shift = symmetry.site_vector - np.repeat(parent.site_shift, n_cells, axis=0)
    in_input_cells = np.round(shift @ np.linalg.inv(parent.cell))
    return (np.repeat(coords, n_cells, axis=0) + in_input_cells) @ inverse


def _group_sites(kinds: list[SiteKind], parent: ParentCrystal) -> list[tuple[str, list[int]]]:
    """Disordered sites of the input cell that share one composition: pools, or orbits of the parent."""
    orbits = parent.orbits()
    groups: dict[object, list[int]] = {}
    for index, kind in enumerate(kinds):
        if kind.is_disordered:
            key = ("pool", kind.pool) if kind.pool is not None else ("orbit", int(orbits[parent.site_class[index]]))
            groups.setdefault(key, []).append(index)
    named: list[tuple[str, list[int]]] = []
    numbers: dict[str, int] = {}
    for members in groups.values():
        kind = kinds[members[0]]
        stem = "/".join(name or "vacancy" for name in kind.species)
        numbers[stem] = numbers.get(stem, 0) + 1
        named.append((kind.pool or f"{stem} {numbers[stem]}", members))
    return named


def check_occupations(cell: DisorderedCell, occupations: ArrayLike) -> NDArray[np.int8]:
    """Occupations of a cell as whole numbers, shape (n, n_sites).

    Parameters
    ----------
    cell
        The cell.
    occupations
        Index of the species on every site, shape (n, n_sites).

    Raises
    ------
    InputError
        If they have another shape, or name a species that a site does not hold.
    """
    rows = np.asarray(occupations)
    if rows.ndim != 2 or rows.shape[1] != cell.n_sites or rows.dtype.kind not in "iuf":
        raise InputError(
            f"occupations have shape (n, {cell.n_sites}), one species index per site, not {rows.shape} of {rows.dtype}"
        )
    sizes = np.array([len(species) for species in cell.site_species])
    whole = rows if rows.dtype == np.int8 else np.where((rows >= 0) & (rows < sizes), rows, -1).astype(np.int8)
    if np.any(whole < 0) or np.any(whole >= sizes) or (whole is not rows and np.any(whole != rows)):
        raise InputError("an occupation names a species that its site does not hold: see site_species")
    return whole


def order_structure(cell: DisorderedCell, occupation: NDArray[np.int8]) -> Structure:
    """Ordered structure of one ordering: vacancies left out, species as in the disordered structure.

    Parameters
    ----------
    cell
        The cell.
    occupation
        Index of the species on every site, shape (n_sites,).

    Raises
    ------
    InputError
        If the occupation has another shape, or names a species that a site does not hold.
    """
    given = np.asarray(occupation)
    if given.shape != (cell.n_sites,):
        raise InputError(f"an occupation has shape ({cell.n_sites},), one species index per site, not {given.shape}")
    occupation = check_occupations(cell, given[None, :])[0]
    chosen = [species[k] for k, species in zip(occupation, cell.site_species, strict=True)]
    kept = [site for site, name in enumerate(chosen) if name]
    return Structure(Lattice(cell.lattice_ang), [get_el_sp(chosen[site]) for site in kept], cell.frac_coords[kept])
