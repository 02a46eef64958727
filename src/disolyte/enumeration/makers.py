"""The job that enumerates one composition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Maker, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.enumeration.chosen import ChosenOrderings, build_ordering_set
from disolyte.enumeration.composition import Rounding
from disolyte.enumeration.crystals import find_repeated
from disolyte.enumeration.lattice import SupercellLike
from disolyte.enumeration.schema import EnumerationDoc
from disolyte.enumeration.space import OrderingSpace
from disolyte.systems.schema import GridPoint
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role


@dataclass
class EnumerationMaker(Maker):
    """Job that ranks the distinct orderings of one composition by Ewald energy.

    Parameters
    ----------
    name
        Name of the job.
    n_lowest
        Number of orderings of lowest energy to keep in each cell.
    n_diverse
        Number of further orderings, as unlike as possible, to keep in each cell.
    symprec
        Distance in Å within which sites of the parent count as equivalent.
    rounding
        What to do with occupancies that a cell cannot hold: ``refuse`` or ``nearest``.
    pool
        Elements whose disordered sites share one composition, besides those that share a site property ``sublattice``.
    seed
        Seed of everything random.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "enumerate orderings"
    n_lowest: int = 2000
    n_diverse: int = 200
    symprec: float = 0.01
    rounding: Rounding = Rounding.REFUSE
    pool: list[str] = field(default_factory=list)
    seed: int = 0

    @job(data=[PAYLOAD_KEY], output_schema=EnumerationDoc)
    def make(
        self,
        disordered: Structure,
        point: GridPoint | None = None,
        supercells: Sequence[SupercellLike] | None = None,
        oxidation_states: dict[str, float] | None = None,
        system_key: str | None = None,
    ) -> EnumerationDoc:
        """Rank the orderings of one composition.

        Orderings of a later supercell that an earlier one holds already are left out.

        Parameters
        ----------
        disordered
            Structure with partial occupancies. Its property ``caveats`` goes to the document.
        point
            The composition; from the structure if not given. A point of a grid may be ordered: it has one ordering.
        supercells
            Supercells in units of the structure's cell: whole numbers, triples or 3×3 matrices.
        oxidation_states
            Charges by species or element; stated by the structure or guessed if not given.
        system_key
            Key of the system it belongs to.

        Raises
        ------
        StructureError, CompositionError, OxidationStateError
            If the structure cannot be enumerated in these cells.
        """
        spaces = [
            OrderingSpace.from_structure(
                disordered,
                supercell,
                symprec=self.symprec,
                rounding=self.rounding,
                pool=self.pool,
                oxidation_states=oxidation_states,
                allow_ordered=point is not None,
            )
            for supercell in (supercells or [1])
        ]
        point = point or GridPoint(coordinates={}, formula=disordered.composition.element_composition.reduced_formula)
        formula_units = [space.n_formula_units(point.formula) for space in spaces]
        chosen = [self._choose(space) for space in spaces]
        repeated = find_repeated([space.cell for space in spaces], [entry.occupations for entry in chosen])
        cells = [
            build_ordering_set(space, entry.without(drop), n_formula_units)
            for space, entry, drop, n_formula_units in zip(spaces, chosen, repeated, formula_units, strict=True)
        ]
        states = spaces[0].oxidation_states
        changes = list(dict.fromkeys(str(change) for space in spaces for change in space.occupancy_changes))
        caveats = [
            *disordered.properties.get("caveats", []),
            *states.caveats,
            *(f"occupancy changed: {change}" for change in changes),
        ]
        return EnumerationDoc(
            **describe_job(seed=self.seed, caveats=caveats),
            system_key=system_key,
            point=point,
            cells=cells,
            exhaustive=all(cell.exhaustive for cell in cells),
            energy="ewald",
            oxidation_states=dict(states.values),
            oxidation_states_source=states.source,
            occupancy_changes=changes,
        )

    def _choose(self, space: OrderingSpace) -> ChosenOrderings:
        lowest = space.lowest_energy(self.n_lowest, seed=self.seed)
        if self.n_diverse == 0 or len(lowest.energies_ev) == space.n_distinct:
            return ChosenOrderings.from_lowest(lowest)
        diverse = space.diverse_orderings(self.n_diverse, seed=self.seed, beside=lowest.occupations)
        return ChosenOrderings.from_lowest(lowest).followed_by(diverse, space.energies_ev(diverse.occupations))
