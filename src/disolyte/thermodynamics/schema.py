"""Documents of the thermodynamics: ranked energies, selections, phase diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from pydantic import ConfigDict, Field
from pymatgen.core import Element, Lattice, Structure

from disolyte.blobs import Blob
from disolyte.errors import CompositionError
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.systems.schema import GridPoint

if TYPE_CHECKING:
    from pandas import DataFrame


class Relaxation(StrEnum):
    """What is relaxed before an energy is taken."""

    STATIC = "static"
    """Nothing: the energy of the structure as it is."""
    POSITIONS = "positions"
    """Atomic positions, in a fixed cell."""
    CELL = "cell"
    """Atomic positions and the cell."""


class RelaxationProtocol(Record):
    """What is relaxed, and how far."""

    model_config = ConfigDict(frozen=True)

    kind: Relaxation = Field(default=Relaxation.STATIC, description="What is relaxed.")
    max_force_ev_per_ang: float = Field(default=0.05, gt=0, description="Largest force at which it is converged.")
    max_steps: int = Field(default=200, ge=1, description="Steps after which it is given up.")


class PackedStructures(Record):
    """Ordered structures as arrays, so that hundreds fit into a document."""

    n_atoms: Blob = Field(description="Atoms of each structure, int64 (n,).")
    numbers: Blob = Field(description="Atomic numbers, one structure after the other, int16 (n_total,).")
    lattices_ang: Blob = Field(description="Lattice vectors as rows, float64 (n, 3, 3).")
    frac_coords: Blob = Field(description="Fractional coordinates, float64 (n_total, 3).")

    @classmethod
    def from_structures(cls, structures: Sequence[Structure]) -> Self:
        """Pack ordered structures; oxidation states and site properties are left out."""
        counts = np.array([len(structure) for structure in structures], dtype=np.int64)
        numbers = [number for structure in structures for number in structure.atomic_numbers]
        coords = [structure.frac_coords for structure in structures]
        lattices = [structure.lattice.matrix for structure in structures]
        return cls(
            n_atoms=Blob.from_array(counts),
            numbers=Blob.from_array(np.array(numbers, dtype=np.int16)),
            lattices_ang=Blob.from_array(np.array(lattices, dtype=float).reshape(-1, 3, 3)),
            frac_coords=Blob.from_array(np.concatenate(coords) if coords else np.empty((0, 3))),
        )

    def to_structures(self) -> list[Structure]:
        """Unpack all structures."""
        ends = np.cumsum(self.n_atoms.to_array())
        parts = zip(
            self.lattices_ang.to_array(),
            np.split(self.numbers.to_array(), ends)[:-1],
            np.split(self.frac_coords.to_array(), ends)[:-1],
            strict=True,
        )
        return [
            Structure(Lattice(matrix), [Element.from_Z(int(number)) for number in numbers], coords)
            for matrix, numbers, coords in parts
        ]


class ParentSetting(Record):
    """The cell that a structure was built in, in terms of the parent's."""

    model_config = ConfigDict(frozen=True)

    supercell: list[list[int]] = Field(description="Supercell vectors in units of the parent cell, as rows.")
    lattice_ang: list[list[float]] = Field(description="Lattice vectors of the parent as rows, unrelaxed.")


class RankedEnergiesDoc(StageDoc):
    """Energies of the orderings of one composition, lowest first."""

    point: GridPoint = Field(description="The composition.")
    packed_structures: PackedStructures = Field(description="Candidates handed on, lowest energy first.")
    lowest: Structure | None = Field(default=None, description="The first of them, for jobs that go on from it alone.")
    energies_ev_per_atom: list[float] = Field(description="Energy of each candidate.")
    energies_ev_per_fu: list[float] = Field(description="Energy of each candidate, per formula unit.")
    n_formula_units: list[float] = Field(description="Formula units in the cell of each candidate.")
    origins: list[tuple[int, int]] = Field(
        default_factory=list, description="Cell and number of each candidate in the enumeration, counted from 0."
    )
    parents: list[ParentSetting] = Field(default_factory=list, description="Cell of each candidate.")
    ordering_energies_ev_per_fu: Blob | None = Field(
        default=None,
        description="Energy of every ordering of the enumeration as it is, cell after cell, float64 (n_orderings,); "
        "NaN where it failed.",
    )
    n_ranked: int = Field(description="Orderings whose energy was taken.")
    n_failed: int = Field(default=0, description="Orderings left out because their energy was not finite.")
    relaxation: Relaxation = Field(description="What was relaxed before the energy was taken.")
    n_unconverged: int = Field(default=0, description="Candidates whose relaxation met its step limit first.")
    model_name: str = Field(description="Model that gave the energies.")
    model_sha256: str = Field(description="Hash of the model; of its settings where a force field hides its weights.")

    @property
    def structures(self) -> list[Structure]:
        """The candidates, lowest energy first."""
        return self.packed_structures.to_structures()


class PhaseRow(Record):
    """The lowest energy of one composition and its place relative to the hull."""

    formula: str = Field(description="Formula of one formula unit.")
    shares: list[float] = Field(description="Share of each end member in the composition; they add up to 1.")
    n_atoms_per_fu: float = Field(description="Atoms in one formula unit.")
    energy_ev_per_fu: float = Field(description="Lowest energy found.")
    hull_energy_ev_per_fu: float = Field(description="Energy of the hull at this composition.")
    formation_energy_ev_per_fu: float = Field(description="Energy of formation from the end members.")
    formation_energy_ev_per_atom: float = Field(description="The same per atom.")
    e_hull_ev_per_fu: float = Field(description="Energy above the hull.")
    e_hull_ev_per_atom: float = Field(description="The same per atom.")
    is_stable: bool = Field(description="Whether the composition is on the hull.")
    decomposition: dict[str, float] = Field(description="Stable compositions it would decompose into, with amounts.")


class MixingHull(Record):
    """Convex hull of the energies per formula unit over the mixing space of the end members."""

    end_members: list[str] = Field(description="Formulas that span the space.")
    rows: list[PhaseRow] = Field(description="One for each composition.")
    tie_lines: list[tuple[str, str]] = Field(
        default_factory=list, description="Pairs of stable compositions joined by an edge of the hull."
    )

    def row(self, formula: str) -> PhaseRow:
        """Row of a composition.

        Raises
        ------
        CompositionError
            If the hull holds no such composition.
        """
        for row in self.rows:
            if row.formula == formula:
                return row
        raise CompositionError(f"{formula!r} is not in the hull of {[row.formula for row in self.rows]}")


class CompetingRow(Record):
    """A composition's place relative to all competing phases."""

    formula: str = Field(description="Formula of one formula unit.")
    e_hull_ev_per_fu: float = Field(description="Energy above the cheapest mixture of all phases.")
    e_hull_ev_per_atom: float = Field(description="The same per atom.")
    decomposition: dict[str, float] = Field(description="Formula units of the phases it would decompose into.")
    formation_energy_ev_per_atom: float | None = Field(
        default=None, description="Energy of formation from the elements, where all of them are among the phases."
    )


class SelectedStructure(Record):
    """An ordered structure picked for sampling."""

    structure: Structure = Field(description="The structure.")
    point: GridPoint = Field(description="Its composition.")
    family: str = Field(description="Unique name, e.g. 'Li3InCl6-000', that its frames and labels keep.")
    energy_ev_per_atom: float = Field(description="Energy.")
    energy_ev_per_fu: float = Field(description="Energy per formula unit.")
    n_formula_units: float = Field(description="Formula units in the cell.")
    e_hull_ev_per_fu: float = Field(description="Energy above the hull, per formula unit.")
    e_hull_ev_per_atom: float = Field(description="Energy above the hull, per atom.")
    probability: float = Field(description="Chance of being the first structure drawn: its share of the Boltzmann sum.")
    is_ground_state: bool = Field(description="Whether it is the lowest of its composition; these are always in.")
    parent: ParentSetting | None = Field(default=None, description="The cell it was built in.")


class SelectionDoc(StageDoc):
    """Structures drawn by their Boltzmann weight above the hull."""

    entries: list[SelectedStructure] = Field(description="By composition, lowest energy first.")
    hull: MixingHull = Field(description="Hull of all compositions.")
    temperature_k: float = Field(description="Temperature of the Boltzmann weights.")
    n_requested: int = Field(description="Structures asked for.")
    n_candidates: int = Field(description="Distinct structures to draw from.")
    n_duplicates: int = Field(description="Structures left out as copies of another one by symmetry.")
    note: str | None = Field(default=None, description="Why the number asked for was not met, if it was not.")
    relaxation: Relaxation = Field(description="What was relaxed before the energies were taken.")
    model_name: str = Field(description="Model that gave the energies.")
    model_sha256: str = Field(description="Hash of the model.")

    def ground_states(self) -> list[SelectedStructure]:
        """Lowest structure of each composition."""
        return [entry for entry in self.entries if entry.is_ground_state]


class RankAgreement(Record):
    """How far two models agree on which structure lies below which."""

    reference_model: str = Field(description="Model compared with.")
    kendall_tau: float | None = Field(
        description="Kendall's tau-b of the energies above the hull, all structures; none if all are equal."
    )
    n_structures: int = Field(description="Structures compared.")
    ground_states_kept: int = Field(description="Compositions whose lowest structure is the same in both models.")
    n_compositions: int = Field(description="Compositions compared.")
    mean_abs_difference_ev_per_atom: float = Field(description="Mean change of the energy above the hull.")


class LatticeConstants(Record):
    """Lattice constants that can be compared between compositions."""

    a_ang: float = Field(description="Length of the first vector.")
    b_ang: float = Field(description="Length of the second vector.")
    c_ang: float = Field(description="Length of the third vector.")
    alpha_deg: float = Field(description="Angle between b and c.")
    beta_deg: float = Field(description="Angle between a and c.")
    gamma_deg: float = Field(description="Angle between a and b.")
    volume_ang3_per_fu: float = Field(description="Volume of one formula unit.")
    setting: str = Field(
        description="'parent': of the parent's cell, averaged over the symmetry of its lattice; 'supercell': as it is."
    )


class GroundState(Record):
    """Lowest structure of a composition."""

    point: GridPoint = Field(description="The composition.")
    structure: Structure = Field(description="The structure, relaxed if the document says so.")
    family: str | None = Field(default=None, description="Name of the structure in the selection, if it was selected.")
    n_formula_units: float = Field(description="Formula units in its cell.")
    converged: bool = Field(default=True, description="Whether its relaxation converged.")
    lattice: LatticeConstants | None = Field(default=None, description="Lattice constants.")


ENERGY_COLUMNS: Final = (
    "formation_energy_ev_per_fu", "formation_energy_ev_per_atom", "e_hull_ev_per_fu", "e_hull_ev_per_atom",
)  # fmt: skip
"""Energies of a phase diagram's table."""


class PhaseDiagramDoc(StageDoc):
    """Hull with the (fine-tuned) model, and what changed against the model of the selection."""

    hull: MixingHull = Field(description="Energies of formation and above the hull.")
    ground_states: list[GroundState] = Field(description="One for each composition of the hull, in its order.")
    agreement: RankAgreement = Field(description="Agreement with the model of the selection.")
    competing: list[CompetingRow] = Field(
        default_factory=list, description="Stability against other phases, where such were given; one per composition."
    )
    relaxation: Relaxation = Field(description="What was relaxed before the energies were taken.")
    cell_model: str | None = Field(
        default=None, description="Model the cells were relaxed with, here or in the ranking; None if they never were."
    )
    model_name: str = Field(description="Model that gave the energies.")
    model_sha256: str = Field(description="Hash of the model.")

    def table(self) -> DataFrame:
        """All compositions as a table: coordinates, energies, lattice constants, with the units in the column names."""
        from pandas import DataFrame

        rows = []
        for row, state in zip(self.hull.rows, self.ground_states, strict=True):
            energies = row.model_dump(include={"formula", "is_stable", *ENERGY_COLUMNS})
            lattice = {} if state.lattice is None else state.lattice.model_dump(exclude={"setting"})
            rows.append({**energies, **state.point.coordinates, **lattice})
        return DataFrame(rows)

    def ground_state(self, formula: str) -> GroundState:
        """Lowest structure of a composition.

        Raises
        ------
        CompositionError
            If there is no such composition.
        """
        for state in self.ground_states:
            if state.point.formula == formula:
                return state
        raise CompositionError(f"{formula!r} is not among {[state.point.formula for state in self.ground_states]}")
