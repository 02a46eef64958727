"""Jobs of the thermodynamics: ranking, selection by the hull, phase diagrams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Maker, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY, Blob
from disolyte.enumeration.schema import EnumerationDoc
from disolyte.models import ModelSource
from disolyte.models.schema import ModelDoc
from disolyte.thermodynamics.agreement import compare_rankings
from disolyte.thermodynamics.candidates import (
    Candidate,
    gather_candidates,
    heights_above_hull,
    lowest_candidates,
    lowest_phases,
    pick_structures,
    selected_candidates,
)
from disolyte.thermodynamics.competing import compete
from disolyte.thermodynamics.energy_source import EnergySource, load_energy_model
from disolyte.thermodynamics.evaluation import evaluate_candidates, evaluate_competing, rank_orderings
from disolyte.thermodynamics.hull import mixing_hull
from disolyte.thermodynamics.lattice import lattice_constants
from disolyte.thermodynamics.schema import (
    GroundState,
    PackedStructures,
    PhaseDiagramDoc,
    RankedEnergiesDoc,
    Relaxation,
    RelaxationProtocol,
    SelectionDoc,
)
from disolyte.thermodynamics.selection import check_temperature
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role


@dataclass
class RankingMaker(Maker):
    """Energies of all orderings of one composition; the lowest are handed on.

    Parameters
    ----------
    name
        Name of the job.
    foundation
        Model used where none is handed to :meth:`make`: a MACE model, or an atomate2 ``ForceFieldStaticMaker``, e.g.
        ``ForceFieldStaticMaker(force_field_name="CHGNet")``.
    device
        torch device of a MACE model.
    dtype
        Precision of a MACE model, "float32" or "float64".
    max_atoms
        Atoms in one pass of the model. 500 suit a CPU, ten thousands a GPU.
    n_candidates
        Structures handed on, lowest energy first.
    relaxation
        What is relaxed. All orderings are ranked as they are; with a relaxation, ``n_candidates`` are then relaxed and
        ranked anew: the lowest, and for one half the first of the enumeration, for energies of unrelaxed structures
        mislead where ions of different size share sites.
    """

    name: str = "rank orderings"
    foundation: EnergySource = field(default_factory=ModelSource)
    device: str = "cpu"
    dtype: str = "float32"
    max_atoms: int = 512
    n_candidates: int = 200
    relaxation: RelaxationProtocol = field(default_factory=RelaxationProtocol)
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=RankedEnergiesDoc)
    def make(self, enumeration: EnumerationDoc, model: ModelDoc | None = None) -> RankedEnergiesDoc:
        """Rank the orderings of a composition.

        Parameters
        ----------
        enumeration
            Orderings of one composition.
        model
            Model to use instead of ``foundation``.

        Raises
        ------
        CompositionError
            If the enumeration holds no ordering.
        StructureError
            If no ordering has a finite energy.
        ModelCoverageError
            If the model does not know an element.
        """
        loaded = load_energy_model(model or self.foundation, device=self.device, dtype=self.dtype)
        relaxes = self.relaxation.kind is not Relaxation.STATIC
        ranked = rank_orderings(
            enumeration,
            loaded,
            n_candidates=self.n_candidates,
            max_atoms=self.max_atoms,
            n_first=self.n_candidates // 2 if relaxes else 0,
        )
        candidates = ranked.candidates
        if relaxes:
            relaxed = evaluate_candidates(candidates, loaded, self.relaxation, max_atoms=self.max_atoms)
            candidates = sorted(relaxed, key=lambda entry: entry.energy_ev_per_fu)
        return RankedEnergiesDoc(
            **describe_job([enumeration, *([model] if model else [])], caveats=loaded.caveats),
            point=enumeration.point,
            packed_structures=PackedStructures.from_structures([entry.structure for entry in candidates]),
            lowest=candidates[0].structure,
            energies_ev_per_atom=[entry.energy_ev / len(entry.structure) for entry in candidates],
            energies_ev_per_fu=[entry.energy_ev_per_fu for entry in candidates],
            n_formula_units=[entry.n_formula_units for entry in candidates],
            origins=[entry.origin for entry in candidates if entry.origin is not None],
            parents=[entry.parent for entry in candidates if entry.parent is not None],
            ordering_energies_ev_per_fu=Blob.from_array(ranked.energies_ev_per_fu),
            n_ranked=ranked.n_ranked,
            n_failed=ranked.n_failed,
            relaxation=self.relaxation.kind,
            n_unconverged=sum(not entry.converged for entry in candidates),
            model_name=loaded.name,
            model_sha256=loaded.sha256,
        )


@dataclass
class HullSelectionMaker(Maker):
    """Structures drawn by their Boltzmann weight above the hull.

    The lowest structure of each composition is always in; copies by symmetry are left out; the rest is drawn without
    replacement with weights exp(-E_hull / k_B T), E_hull per formula unit.

    Parameters
    ----------
    name
        Name of the job.
    temperature_k
        Temperature of the weights.
    n_select
        Structures to select in all. 84 of them with 30 frames each make the 2500 structures of a published data set.
    seed
        Seed of the draw.
    """

    name: str = "select by hull"
    temperature_k: float = 800.0
    n_select: int = 84
    seed: int = 0
    role: ClassVar[Role] = Role.CPU

    def __post_init__(self) -> None:
        """Refuse a temperature that is not positive before there is a job."""
        check_temperature(self.temperature_k, "the selection")

    @job(data=[PAYLOAD_KEY], output_schema=SelectionDoc)
    def make(self, rankings: list[RankedEnergiesDoc], end_members: list[str]) -> SelectionDoc:
        """Select structures from all compositions.

        Parameters
        ----------
        rankings
            One for each composition.
        end_members
            Formulas that span the compositions; they must be among them.

        Raises
        ------
        InputError
            If the temperature is not positive, there is one composition only, or an energy is not finite.
        CompositionError
            If the end members do not span the compositions, or a composition is empty.
        """
        candidates, n_duplicates = gather_candidates(rankings)
        pick = pick_structures(
            candidates, end_members, n_select=self.n_select, temperature_k=self.temperature_k, seed=self.seed
        )
        return SelectionDoc(
            **describe_job(rankings, seed=self.seed),
            entries=pick.entries,
            hull=pick.hull,
            temperature_k=self.temperature_k,
            n_requested=self.n_select,
            n_candidates=len(candidates),
            n_duplicates=n_duplicates,
            note=pick.note,
            relaxation=rankings[0].relaxation,
            model_name=rankings[0].model_name,
            model_sha256=rankings[0].model_sha256,
        )


@dataclass
class PhaseDiagramMaker(Maker):
    """Hull with another model, as a rule the fine-tuned one, and its agreement with that of the selection.

    Parameters
    ----------
    name
        Name of the job.
    device
        torch device.
    dtype
        Precision, "float32" or "float64".
    max_atoms
        Atoms in one pass of the model.
    relaxation
        What is relaxed before an energy is taken.
    """

    name: str = "phase diagram"
    device: str = "cpu"
    dtype: str = "float64"
    max_atoms: int = 512
    relaxation: RelaxationProtocol = field(default_factory=RelaxationProtocol)
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=PhaseDiagramDoc)
    def make(
        self,
        selection: SelectionDoc,
        model: EnergySource,
        rankings: list[RankedEnergiesDoc] | None = None,
        competing: list[Structure] | None = None,
    ) -> PhaseDiagramDoc:
        """Evaluate the structures anew and build the hull.

        Parameters
        ----------
        selection
            Selected structures, with their hull.
        model
            Model to use; an atomate2 ``ForceFieldStaticMaker`` for one of its force fields.
        rankings
            All candidates the selection was drawn from: with them the model's ground states are sought among all of
            them, not among the selected ones alone.
        competing
            Other phases, e.g. the elements, to compare the compositions with. They are evaluated and relaxed alike.

        Raises
        ------
        InputError
            If an energy is not finite.
        ModelCoverageError
            If the model does not know an element.
        """
        loaded = load_energy_model(model, device=self.device, dtype=self.dtype)
        before = gather_candidates(rankings)[0] if rankings else selected_candidates(selection)
        after = evaluate_candidates(before, loaded, self.relaxation, max_atoms=self.max_atoms)
        phases = lowest_phases(after)
        hull = mixing_hull(phases, selection.hull.end_members)
        others = evaluate_competing(competing or [], loaded, self.relaxation)
        inputs = [selection, *(rankings or []), *([model] if isinstance(model, ModelDoc) else [])]
        return PhaseDiagramDoc(
            **describe_job(inputs, caveats=loaded.caveats),
            hull=hull,
            ground_states=[_ground_state(entry) for entry in lowest_candidates(after)],
            agreement=compare_rankings(
                [entry.point.formula for entry in before],
                _per_atom(before, heights_above_hull(before, selection.hull)),
                _per_atom(after, heights_above_hull(after, hull)),
                reference_model=selection.model_name,
            ),
            competing=compete(phases, others) if others else [],
            relaxation=self.relaxation.kind,
            cell_model=self._cell_model(selection, loaded.name),
            model_name=loaded.name,
            model_sha256=loaded.sha256,
        )

    def _cell_model(self, selection: SelectionDoc, model_name: str) -> str | None:
        """Model that relaxed the cells last, here or in the ranking."""
        if self.relaxation.kind is Relaxation.CELL:
            return model_name
        return selection.model_name if selection.relaxation is Relaxation.CELL else None


def _ground_state(entry: Candidate) -> GroundState:
    return GroundState(
        point=entry.point,
        structure=entry.structure,
        family=entry.family,
        n_formula_units=entry.n_formula_units,
        converged=entry.converged,
        lattice=lattice_constants(entry.structure, n_formula_units=entry.n_formula_units, parent=entry.parent),
    )


def _per_atom(candidates: Sequence[Candidate], values_ev_per_fu: Sequence[float]) -> list[float]:
    return [value / entry.n_atoms_per_fu for entry, value in zip(candidates, values_ev_per_fu, strict=True)]
