"""The space of orderings of one supercell: count, enumerate, sample, rank."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Structure

from disolyte.enumeration.arguments import check_choice, check_count, check_seed
from disolyte.enumeration.batches import OrderingBatch, RankedOrderings
from disolyte.enumeration.cell import DisorderedCell, build_disordered_cell, check_occupations, order_structure
from disolyte.enumeration.cell_colourings import CellColourings
from disolyte.enumeration.composition import OccupancyChange, Rounding
from disolyte.enumeration.crystals import crystal_keys
from disolyte.enumeration.diversity import choose_diverse
from disolyte.enumeration.ewald import CoulombEnergies, build_coulomb
from disolyte.enumeration.isovalent import IsovalentReduction
from disolyte.enumeration.lattice import SupercellLike
from disolyte.enumeration.lowest import (
    EXHAUSTIVE_FUNCTION_LIMIT,
    EXHAUSTIVE_LIMIT,
    EnergyFunction,
    lowest_by_coulomb,
    lowest_by_function,
)
from disolyte.enumeration.neutrality import neutralise
from disolyte.enumeration.oxidation import OxidationStates, resolve_oxidation_states
from disolyte.enumeration.problem import ColouringProblem, Weighting

_POOL_PER_CHOICE = 10
"""Random orderings among which each diverse one is chosen."""


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
        allow_ordered: bool = False,
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
            ``"refuse"`` raises an error for occupancies that the cell cannot hold; ``"nearest"`` takes the nearest,
            where oxidation states are known the nearest neutral ones, and reports them in :attr:`occupancy_changes`.
        pool
            Elements: all disordered sites that hold one of them, and the same species, share one composition.
        oxidation_states
            Charges by species or element. Without them the species of the structure state them, or they are guessed.
        allow_ordered
            Whether a structure without partial occupancies may be given; it has one ordering.

        Raises
        ------
        StructureError
            If the structure is ordered and must not be, or its symmetry is inconsistent at this ``symprec``.
        CompositionError
            If the supercell cannot hold the occupancies; the error names the nearest and the supercells that would do.
            If they are to be rounded and every rounding is charged.
        InputError
            If ``supercell``, ``symprec`` or ``rounding`` is not one.
        EnumerationError
            If the supercell is too large for a table of its operations.
        """
        mode = check_choice(Rounding, "rounding", rounding)
        cell = build_disordered_cell(
            disordered, supercell, symprec=symprec, rounding=mode, pool=pool, allow_ordered=allow_ordered
        )
        if mode is Rounding.NEAREST and cell.occupancy_changes:
            cell = neutralise(cell, oxidation_states or {})
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

    @property
    def n_raw(self) -> int:
        """Number of orderings, equivalent ones too."""
        return self.problem.n_raw

    @property
    def n_distinct(self) -> int:
        """Number of distinct orderings, by Burnside's lemma."""
        return self.problem.n_distinct

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

        Raises
        ------
        InputError
            If ``chunk_size`` is not positive.
        """
        size = check_count("chunk_size", chunk_size)
        return (self._batch(rows, orders) for rows, orders in self.problem.iter_rows(size))

    def sample_orderings(self, n: int, seed: int = 0, weighting: Weighting | str = Weighting.UNIFORM) -> OrderingBatch:
        """Random distinct orderings, without repetition.

        Parameters
        ----------
        n
            Number of orderings; all if there are fewer.
        seed
            Seed.
        weighting
            ``"uniform"``: every distinct ordering has the same probability (Dixon–Wilf). ``"degeneracy"``: in
            proportion to the number of orderings it stands for, as random shuffling gives.

        Raises
        ------
        InputError
            If ``n`` or ``weighting`` is not one.
        """
        n, seed = check_count("n", n), check_seed(seed)
        return self._batch(*self.problem.draw(n, seed, check_choice(Weighting, "weighting", weighting)))

    def lowest_energy(
        self,
        n: int = 2000,
        seed: int = 0,
        *,
        energy: EnergyFunction | None = None,
        exhaustive_limit: int | None = None,
    ) -> RankedOrderings:
        """The distinct orderings of lowest energy; ties at the end are broken at random.

        Parameters
        ----------
        n
            Number of orderings; all if there are fewer.
        seed
            Seed of the ties, and of the search where the space is too large to look at all orderings.
        energy
            Energies in eV, shape (n,), of a batch of occupations, shape (n, n_sites). The Ewald energy if not given.
        exhaustive_limit
            Largest number of distinct orderings that are all looked at, unless ``n`` is larger (for the Ewald energy,
            orderings of the charges: species of equal charge on one sublattice count as one). By default 2·10⁷, for a
            function 2·10⁵.

        Raises
        ------
        OxidationStateError
            If the Ewald energy is asked for and charges are missing.
        InputError
            If ``n`` is not positive, or the function returns something else than one finite number per ordering.
        """
        n, seed = check_count("n", n), check_seed(seed)
        colourings = self._colourings
        if energy is None:
            limit = EXHAUSTIVE_LIMIT if exhaustive_limit is None else exhaustive_limit
            found = lowest_by_coulomb(self.problem, self._reduction, self.coulomb, colourings.columns, n, seed, limit)
        else:
            limit = EXHAUSTIVE_FUNCTION_LIMIT if exhaustive_limit is None else exhaustive_limit
            found = lowest_by_function(self.problem, lambda rows: energy(colourings.occupations(rows)), n, seed, limit)
        occupations, degeneracies = self._batch(found.rows, found.stabiliser_orders)
        return RankedOrderings(occupations, found.energies_ev, degeneracies, found.exhaustive)

    def diverse_orderings(self, n: int, seed: int = 0, *, beside: NDArray[np.int8] | None = None) -> OrderingBatch:
        """Distinct orderings as unlike as possible, chosen among uniform random ones.

        Unlikeness is measured by the numbers of pairs of species at every distance.

        Parameters
        ----------
        n
            Number of orderings; fewer if the space holds fewer.
        seed
            Seed.
        beside
            Occupations, shape (m, n_sites), that the new ones are to be unlike too, and that are not chosen again.

        Raises
        ------
        InputError
            If ``n`` is not positive.
        """
        n, seed = check_count("n", n), check_seed(seed)
        nothing = np.zeros((0, self.n_sites), dtype=np.int8)
        given = nothing if beside is None else check_occupations(self.cell, beside)
        pool = self.sample_orderings(len(given) + max(_POOL_PER_CHOICE * n, 500), seed=seed)
        return choose_diverse(self.cell, pool, n, given)

    def crystal_keys(self, occupations: NDArray[np.int8]) -> list[bytes]:
        """Keys that tell whether orderings are the same infinite crystal, in this or another supercell.

        Parameters
        ----------
        occupations
            Shape (n, n_sites).
        """
        return crystal_keys(self.cell, check_occupations(self.cell, occupations))

    @cached_property
    def coulomb(self) -> CoulombEnergies:
        """Ewald energies of the orderings.

        Raises
        ------
        OxidationStateError
            If charges are missing.
        """
        cell = self.cell
        return build_coulomb(cell.lattice_ang, cell.frac_coords, cell.site_species, self.oxidation_states.values)

    def energies_ev(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """Ewald energies, eV per cell, of occupations of shape (n, n_sites)."""
        return self.coulomb.energies_ev(check_occupations(self.cell, np.atleast_2d(occupations)))

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
        return order_structure(self.cell, occupation)

    def n_formula_units(self, formula: str) -> float:
        """Formula units in the supercell."""
        return sum(self.cell.amounts().values()) / Composition(formula).num_atoms

    @property
    def problem(self) -> ColouringProblem:
        """The orderings as colourings of the sublattices."""
        return self._colourings.problem

    @cached_property
    def _colourings(self) -> CellColourings:
        return CellColourings(self.cell)

    @cached_property
    def _reduction(self) -> IsovalentReduction:
        return IsovalentReduction(self.cell.sublattices, self._colourings.tables, self.oxidation_states.values)

    def _batch(self, rows: NDArray[np.int8], stabiliser_orders: NDArray[np.int64]) -> OrderingBatch:
        """Orderings of the cell from rows of the problem."""
        return OrderingBatch(self._colourings.occupations(rows), self.problem.order // stabiliser_orders)
