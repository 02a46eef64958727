"""The space of orderings of one supercell: count, enumerate, sample, rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Lattice, Structure, get_el_sp

from disolyte.enumeration.cell import DisorderedCell, Sublattice, build_disordered_cell
from disolyte.enumeration.chain import StabiliserChain, iter_pairs
from disolyte.enumeration.composition import OccupancyChange, Rounding
from disolyte.enumeration.counting import OperationClass, classify_operations, count_distinct, multinomial
from disolyte.enumeration.ewald import CoulombEnergies, pair_matrix_ev
from disolyte.enumeration.lattice import SupercellLike
from disolyte.enumeration.oxidation import OxidationStates, resolve_oxidation_states
from disolyte.enumeration.ranking import LowestKeeper, rank_blocks
from disolyte.errors import EnumerationError, InputError

EnergyFunction = Callable[[NDArray[np.int8]], NDArray[np.float64]]
"""Energies in eV, shape (n,), of a batch of occupations, shape (n, n_sites)."""


class OrderingBatch(NamedTuple):
    """Distinct orderings."""

    occupations: NDArray[np.int8]
    """Index into ``site_species`` of every site, shape (n, n_sites); fixed sites are 0."""
    degeneracies: NDArray[np.int64]
    """Number of orderings of the cell that each one stands for, shape (n,)."""


class RankedOrderings(NamedTuple):
    """Distinct orderings by energy."""

    occupations: NDArray[np.int8]
    """Index into ``site_species`` of every site, shape (n, n_sites)."""
    energies_ev: NDArray[np.float64]
    """Energies, eV per cell, ascending, shape (n,)."""
    degeneracies: NDArray[np.int64]
    """Number of orderings of the cell that each one stands for, shape (n,)."""
    exhaustive: bool
    """Whether all orderings were looked at; otherwise they come from a search."""


class OrderingSpace:
    """All orderings of one supercell of a disordered structure.

    Orderings are distinct if no operation of the parent's space group that keeps the supercell's lattice takes one into
    the other. Orderings with a smaller period than the supercell are counted too.

    Parameters
    ----------
    cell
        The supercell; :meth:`from_structure` builds it.
    oxidation_states
        Charges by species or element, for the Ewald energies.
    """

    def __init__(self, cell: DisorderedCell, oxidation_states: Mapping[str, float] | None = None) -> None:
        self.cell = cell
        self._given_states = dict(oxidation_states or {})

    @classmethod
    def from_structure(
        cls,
        disordered: Structure,
        supercell: SupercellLike = 1,
        *,
        symprec: float = 0.01,
        rounding: Rounding | str = Rounding.REFUSE,
        pool: Iterable[str] = (),
        oxidation_states: Mapping[str, float] | None = None,
    ) -> OrderingSpace:
        """Space of the orderings of a supercell.

        Parameters
        ----------
        disordered
            Structure with partial occupancies; what is missing to 1 are vacancies. The composition is fixed on each
            orbit of the parent, except that sites sharing a site property ``sublattice`` share their composition.
        supercell
            A whole number, three, or a 3×3 matrix whose rows are the new lattice vectors in units of the old ones.
        symprec
            Distance in Å within which sites count as equivalent.
        rounding
            ``"refuse"`` raises an error for occupancies that the cell cannot hold; ``"nearest"`` takes the nearest and
            reports them in :attr:`occupancy_changes`.
        pool
            Elements: all disordered sites that hold one of them, and the same species, share one composition.
        oxidation_states
            Charges by species or element. Without them the species of the structure state them, or they are guessed.

        Raises
        ------
        StructureError
            If the structure is ordered, or its symmetry is inconsistent at this ``symprec``.
        CompositionError
            If the supercell cannot hold the occupancies; the error names the nearest and the supercells that would do.
        InputError
            If ``supercell`` or ``rounding`` is not one.
        """
        try:
            mode = Rounding(rounding)
        except ValueError as error:
            raise InputError(f"rounding {rounding!r} is unknown: choose {' or '.join(Rounding)}") from error
        cell = build_disordered_cell(disordered, supercell, symprec=symprec, rounding=mode, pool=pool)
        return cls(cell, oxidation_states)

    @property
    def n_sites(self) -> int:
        """Number of sites of the supercell, fixed and vacant ones too."""
        return self.cell.n_sites

    @property
    def site_species(self) -> list[tuple[str, ...]]:
        """Species that may sit on each site; ``""`` is a vacancy, fixed sites have one."""
        return self.cell.site_species

    @property
    def occupancy_changes(self) -> list[OccupancyChange]:
        """Every occupancy that differs from the given one."""
        return self.cell.occupancy_changes

    @property
    def group_order(self) -> int:
        """Number of operations of the parent that keep the supercell's lattice, modulo its translations."""
        return self.cell.symmetry.order

    @cached_property
    def n_raw(self) -> int:
        """Number of orderings, equivalent ones too."""
        return prod(multinomial(sublattice.counts) for sublattice in self.cell.sublattices)

    @cached_property
    def n_distinct(self) -> int:
        """Number of distinct orderings, by Burnside's lemma."""
        return count_distinct(self.operation_classes)

    @cached_property
    def operation_classes(self) -> list[OperationClass]:
        """Operations by their joint cycle type on the sublattices."""
        return classify_operations(self._tables, [sublattice.counts for sublattice in self.cell.sublattices])

    @cached_property
    def oxidation_states(self) -> OxidationStates:
        """Charges of the species, given, stated or guessed.

        Raises
        ------
        OxidationStateError
            If they are missing, all zero, or cannot be guessed.
        """
        return resolve_oxidation_states(self.cell.amounts(), self._given_states)

    def iter_orderings(self, chunk_size: int = 65536) -> Iterator[OrderingBatch]:
        """All distinct orderings, each once, in batches of at most ``chunk_size``.

        Their degeneracies add up to :attr:`n_raw`. Memory is bounded by the batch, whatever the size of the space.
        """
        _check_positive("chunk_size", chunk_size)
        for heads, tails, orders in self._chain.iter_blocks(chunk_size):
            for rows, which in iter_pairs(heads, tails, chunk_size):
                yield OrderingBatch(self._full_rows(rows), self._chain.order // orders[which])

    def lowest_energy(self, n: int = 2000, *, seed: int = 0, energy: EnergyFunction | None = None) -> RankedOrderings:
        """The distinct orderings of lowest energy.

        Parameters
        ----------
        n
            Number of orderings; all if there are fewer.
        seed
            Seed of the search where the space is too large to look at all orderings.
        energy
            Energies in eV of a batch of occupations; the Ewald energy if not given.

        Raises
        ------
        OxidationStateError
            If the Ewald energy is asked for and charges are missing.
        """
        _check_positive("n", n)
        keeper = LowestKeeper(n)
        columns = np.concatenate([sublattice.sites for sublattice in self._ordered])
        if energy is None:
            rank_blocks(self._chain.iter_blocks(65536), self.coulomb, columns, keeper)
            energies, rows, orders = keeper.collect()
            return RankedOrderings(self._full_rows(rows), energies, self._chain.order // orders, True)
        for batch in self.iter_orderings():
            keeper.add(np.asarray(energy(batch.occupations), dtype=float), batch.occupations, batch.degeneracies)
        energies, rows, degeneracies = keeper.collect()
        return RankedOrderings(rows, energies, degeneracies, True)

    @cached_property
    def coulomb(self) -> CoulombEnergies:
        """Ewald energies of the orderings.

        Raises
        ------
        OxidationStateError
            If charges are missing.
        """
        states = self.oxidation_states.values
        width = max(len(species) for species in self.site_species)
        charges = np.zeros((self.n_sites, width))
        for site, species in enumerate(self.site_species):
            charges[site, : len(species)] = [states.get(name, 0.0) for name in species]
        fixed = np.array([len(species) == 1 for species in self.site_species])
        return CoulombEnergies(pair_matrix_ev(self.cell.lattice_ang, self.cell.frac_coords), charges, fixed)

    def energies_ev(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """Ewald energies, eV per cell, of occupations of shape (n, n_sites)."""
        return self.coulomb.energies_ev(np.atleast_2d(occupations))

    def to_structure(self, occupation: NDArray[np.int8]) -> Structure:
        """Ordered structure, vacancies left out; species as in the disordered structure.

        Parameters
        ----------
        occupation
            Index of the species on every site, shape (n_sites,).

        Raises
        ------
        InputError
            If it has another shape, or names a species that a site does not hold.
        """
        occupation = np.asarray(occupation)
        if occupation.shape != (self.n_sites,):
            raise InputError(
                f"an occupation has shape ({self.n_sites},), one species index per site, not {occupation.shape}"
            )
        if any(not 0 <= k < len(species) for k, species in zip(occupation, self.site_species, strict=True)):
            raise InputError("an occupation names a species that its site does not hold: see site_species")
        chosen = [species[k] for k, species in zip(occupation, self.site_species, strict=True)]
        kept = [site for site, name in enumerate(chosen) if name]
        return Structure(
            Lattice(self.cell.lattice_ang), [get_el_sp(chosen[site]) for site in kept], self.cell.frac_coords[kept]
        )

    def n_formula_units(self, formula: str) -> float:
        """Formula units in the supercell."""
        return sum(self.cell.amounts().values()) / Composition(formula).num_atoms

    @cached_property
    def _group(self) -> list[NDArray[np.int32]]:
        """Distinct permutations of the disordered sites, one table per sublattice."""
        sites = np.concatenate([sublattice.sites for sublattice in self.cell.sublattices])
        rows = np.ascontiguousarray(self.cell.symmetry.permutations[:, sites])
        _, first = np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))), return_index=True)
        return [table[np.sort(first)] for table in self._tables]

    @cached_property
    def _tables(self) -> list[NDArray[np.int32]]:
        """Permutations of each sublattice's own sites."""
        tables = []
        for sublattice in self.cell.sublattices:
            local = np.full(self.n_sites, -1, dtype=np.int32)
            local[sublattice.sites] = np.arange(len(sublattice.sites), dtype=np.int32)
            tables.append(local[self.cell.symmetry.permutations[:, sublattice.sites]])
        return tables

    @cached_property
    def _sequence(self) -> list[int]:
        """Sublattices in the order of the chain: the one that breaks the symmetry most comes first."""

        def remaining_symmetry(index: int) -> tuple[float, int]:
            counts = self.cell.sublattices[index].counts
            raw = multinomial(counts)
            orbits = count_distinct(classify_operations([self._group[index]], [counts]))
            return orbits * len(self._group[index]) / raw, raw

        return sorted(range(len(self.cell.sublattices)), key=remaining_symmetry)

    @cached_property
    def _ordered(self) -> list[Sublattice]:
        return [self.cell.sublattices[index] for index in self._sequence]

    @cached_property
    def _chain(self) -> StabiliserChain:
        return StabiliserChain(
            [self._group[index] for index in self._sequence], [sublattice.counts for sublattice in self._ordered]
        )

    def _full_rows(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Occupations of all sites from those of the chain's columns."""
        full = np.zeros((len(rows), self.n_sites), dtype=np.int8)
        full[:, np.concatenate([sublattice.sites for sublattice in self._ordered])] = rows
        return full


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise EnumerationError(f"{name} is {value}; it must be at least 1")
