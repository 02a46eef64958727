"""Points of learning curves: what one training says, and how it compares with that on the most frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Maker, job
from pydantic import Field

from disolyte.blobs import PAYLOAD_KEY
from disolyte.diffusion.schema import TransportDoc
from disolyte.errors import DatasetError
from disolyte.finetuning.learning_curve.schema import LearningPoint
from disolyte.finetuning.learning_curve.subsets import TrainingSubset
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.thermodynamics.agreement import compare_rankings
from disolyte.thermodynamics.candidates import heights_above_hull, lowest_phases, selected_candidates
from disolyte.thermodynamics.evaluation import evaluate_candidates
from disolyte.thermodynamics.hull import mixing_hull
from disolyte.thermodynamics.schema import RelaxationProtocol, SelectionDoc
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role


class HullHeights(Record):
    """Energies above the hull of the same structures, with one model."""

    formulas: list[str] = Field(description="Composition of each structure.")
    e_hull_ev_per_atom: list[float] = Field(description="Energy above the hull of each structure.")


class LearningPointDoc(StageDoc):
    """One training on a subset, without the weights: what the curve is made of."""

    point: LearningPoint = Field(description="The training and its errors.")
    foundation: ModelIdentity | None = Field(description="Model that was fine-tuned; None from scratch.")
    heights: HullHeights | None = Field(default=None, description="Energies above the hull, if asked for.")
    diffusion_temperature_k: float | None = Field(default=None, description="Temperature of the diffusivity.")


@dataclass
class LearningPointMaker(Maker):
    """Judge one trained model of a learning curve beyond its errors: the hull, and diffusion where it was simulated.

    Parameters
    ----------
    name
        Name of the job.
    relaxation
        What is relaxed before an energy is taken.
    max_atoms
        Atoms in one pass of the model.
    device
        torch device.
    """

    name: str = "learning point"
    relaxation: RelaxationProtocol = field(default_factory=RelaxationProtocol)
    max_atoms: int = 512
    device: str = "cpu"
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=LearningPointDoc)
    def make(
        self,
        model: ModelDoc,
        subset: TrainingSubset,
        selection: SelectionDoc | None = None,
        transport: TransportDoc | None = None,
    ) -> LearningPointDoc:
        """Judge a model.

        Parameters
        ----------
        model
            The trained model.
        subset
            Training frames that it was trained on.
        selection
            Structures to rank by their energy above the hull.
        transport
            Diffusion simulated with the model.

        Raises
        ------
        DatasetError
            If the model was not judged on test frames.
        """
        errors = next((found for found in model.errors if found.head == model.head and found.split == "test"), None)
        if errors is None or model.training is None:
            raise DatasetError("the dataset has no test frames; a learning curve needs a fixed test set")
        at = None if transport is None else transport.runs[0]
        return LearningPointDoc(
            **describe_job([document for document in (model, selection, transport) if document is not None]),
            point=LearningPoint(
                n_train=subset.n_train,
                seed=subset.seed,
                model=model.identity,
                model_uuid=model.uuid,
                errors=errors.overall,
                n_epochs=sum(epoch.epoch >= 0 for epoch in model.training.epochs),
                wall_time_s=model.training.wall_time_s,
                diffusivity_cm2_per_s=None if at is None else at.diffusivity_cm2_per_s,
            ),
            foundation=model.foundation,
            heights=None if selection is None else self._heights(model, selection),
            diffusion_temperature_k=None if at is None else at.temperature_k,
        )

    def _heights(self, model: ModelDoc, selection: SelectionDoc) -> HullHeights:
        loaded = load_model(model, device=self.device, dtype="float64")
        before = selected_candidates(selection)
        after = evaluate_candidates(before, loaded, self.relaxation, max_atoms=self.max_atoms)
        hull = mixing_hull(lowest_phases(after), selection.hull.end_members)
        heights = heights_above_hull(after, hull)
        return HullHeights(
            formulas=[entry.point.formula for entry in after],
            e_hull_ev_per_atom=[height / entry.n_atoms_per_fu for entry, height in zip(after, heights, strict=True)],
        )


def compare_with_largest(points: Sequence[LearningPointDoc]) -> list[LearningPoint]:
    """Points by size and seed, each with the agreement of its hull with that at the largest size of its seed."""
    ordered = sorted(points, key=lambda entry: (entry.point.n_train, entry.point.seed))
    largest = {entry.point.seed: entry for entry in ordered}
    found = []
    for entry in ordered:
        reference = largest[entry.point.seed]
        if entry is reference or entry.heights is None or reference.heights is None:
            found.append(entry.point)
            continue
        agreement = compare_rankings(
            entry.heights.formulas,
            reference.heights.e_hull_ev_per_atom,
            entry.heights.e_hull_ev_per_atom,
            reference_model=reference.point.model.name,
        )
        found.append(entry.point.model_copy(update={"hull": agreement}))
    return found
