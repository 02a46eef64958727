"""Learning curves: trainings on nested subsets, each a job of its own, and what they say of the number of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from jobflow import Flow, Job, JobConfig, Maker, Response, job
from jobflow.core.reference import ResolvedReference
from pydantic import Field
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.diffusion.makers import DiffusionMaker
from disolyte.diffusion.schema import TransportDoc
from disolyte.errors import DatasetError, InputError
from disolyte.finetuning.learning_curve.convergence import gather_levels, judge_convergence, measure_gains
from disolyte.finetuning.learning_curve.schema import ConvergenceRule, LearningCurveDoc, LearningPoint
from disolyte.finetuning.learning_curve.subsets import TrainingSubset
from disolyte.finetuning.makers import FinetuneMaker, ScratchTrainMaker
from disolyte.labelling.schema import DatasetDoc
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
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

_KEEPS_REFERENCES: Final = JobConfig(resolve_references="both")
PUBLISHED_SIZES: Final = (100, 250, 500, 1000, 1500, 2500)
"""Sizes up to the published one."""


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


@dataclass
class LearningCurveJoinMaker(Maker):
    """Make the curve of its points, and judge whether it has converged.

    Parameters
    ----------
    name
        Name of the job.
    rule
        When a number of frames is enough.
    """

    name: str = "join learning curve"
    rule: ConvergenceRule = field(default_factory=ConvergenceRule)
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=LearningCurveDoc)
    def make(self, points: list[LearningPointDoc], dataset: DatasetDoc) -> LearningCurveDoc:
        """Join points of one dataset.

        Parameters
        ----------
        points
            One for each training.
        dataset
            The whole dataset.
        """
        found = compare_with_largest(points)
        levels = gather_levels(found)
        gains = measure_gains(levels)
        return LearningCurveDoc(
            **describe_job([*points, dataset]),
            points=found,
            levels=levels,
            gains=gains,
            convergence=judge_convergence(levels, gains, self.rule),
            foundation=points[0].foundation,
            n_test=dataset.n_test,
            dataset_sha256=dataset.dataset_sha256,
            label_method=dataset.label_method,
            is_surrogate=dataset.is_surrogate,
            diffusion_temperature_k=points[0].diffusion_temperature_k,
        )


@dataclass
class LearningCurveMaker(Maker):
    """Train on nested subsets of a dataset, and see whether more frames would still help.

    Each training is a job of its own, so that they run side by side. The subsets of one seed are nested and hold the
    compositions in their shares; each seed has its own subsets and first weights. All are judged on the same test set,
    and, where a selection is given, by the order in which they rank its structures.

    Parameters
    ----------
    name
        Name of the job.
    trainer
        Trains the models: a :class:`~disolyte.finetuning.makers.FinetuneMaker` or
        :class:`~disolyte.finetuning.makers.ScratchTrainMaker`. Its seed is replaced by each of ``seeds``.
    sizes
        Numbers of training frames. Those beyond the dataset are left out, and all its frames added.
    seeds
        Seeds of subsets and trainings.
    rule
        When a number of frames is enough.
    point_maker
        Ranks the structures of the selection with each model.
    diffusion_maker
        Simulates diffusion with each model, at the first of its temperatures alone; None leaves it out.
    """

    name: str = "learning curve"
    trainer: FinetuneMaker | ScratchTrainMaker = field(default_factory=FinetuneMaker)
    sizes: tuple[int, ...] = PUBLISHED_SIZES
    seeds: tuple[int, ...] = (0, 1, 2)
    rule: ConvergenceRule = field(default_factory=ConvergenceRule)
    point_maker: LearningPointMaker = field(default_factory=LearningPointMaker)
    diffusion_maker: DiffusionMaker | None = None
    role: ClassVar[Role] = Role.CPU

    def __post_init__(self) -> None:
        """Take lists for tuples, which is what JSON makes of them; refuse sizes and seeds that make no curve."""
        self.sizes = tuple(self.sizes)
        self.seeds = tuple(self.seeds)
        if not self.sizes or min(self.sizes) < 1 or len(set(self.sizes)) < len(self.sizes):
            raise InputError(f"sizes {self.sizes} must be different numbers of frames, 1 or more")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"seeds {self.seeds} must be different and not negative, and at least one")

    @job(data=[PAYLOAD_KEY], output_schema=LearningCurveDoc, config=_KEEPS_REFERENCES)
    def make(
        self,
        dataset: DatasetDoc,
        selection: SelectionDoc | None = None,
        model: ModelDoc | None = None,
        diffusion_structure: Structure | None = None,
    ) -> Response[LearningCurveDoc]:
        """Fan the trainings out.

        Parameters
        ----------
        dataset
            Labelled frames, split. Given as another job's output, the trainings fetch it from the store themselves.
        selection
            Structures to rank with each model.
        model
            Model to fine-tune instead of the trainer's foundation.
        diffusion_structure
            Ordered structure whose diffusion is simulated with each model, if there is a ``diffusion_maker``.

        Returns
        -------
        Response
            A replacement whose output is a :class:`~disolyte.finetuning.learning_curve.schema.LearningCurveDoc`.

        Raises
        ------
        DatasetError
            If there are no test frames, or fewer training frames than the smallest two sizes.
        InputError
            If only one of ``diffusion_maker`` and ``diffusion_structure`` is given.
        """
        if (self.diffusion_maker is None) != (_value_of(diffusion_structure) is None):
            raise InputError("diffusion needs both a diffusion_maker and a diffusion_structure, or neither")
        whole: DatasetDoc = _value_of(dataset)
        if whole.n_test == 0:
            raise DatasetError("the dataset has no test frames; a learning curve needs a fixed test set")
        jobs: list[Job | Flow] = []
        points = []
        for subset in self._subsets(whole.n_train):
            train = self._train(subset, _handed_on(dataset), _handed_on(model))
            transport = self._diffusion(train, subset, _handed_on(diffusion_structure))
            point = self.point_maker.make(
                train.output, subset, selection=_handed_on(selection), transport=transport and transport.output
            )
            point.append_name(f" {subset.n_train}-{subset.seed}")
            jobs += [train, *([transport] if transport else []), point]
            points.append(point.output)
        join = LearningCurveJoinMaker(rule=self.rule).make(points, _handed_on(dataset))
        return replace_current_job(jobs, join, name=self.name)

    def _subsets(self, n_whole: int) -> list[TrainingSubset]:
        """All sizes that the dataset holds, and the whole where a larger one was asked for, for each seed."""
        sizes = sorted({min(size, n_whole) for size in self.sizes})
        if len(sizes) < 2 and len(self.sizes) > 1:
            raise DatasetError(
                f"{n_whole} training frames for sizes {self.sizes}: no curve; lower the sizes or label more frames"
            )
        return [TrainingSubset(n_train=size, seed=seed) for size in sizes for seed in self.seeds]

    def _train(self, subset: TrainingSubset, dataset: Any, model: Any) -> Job:
        trainer = replace(self.trainer, seed=subset.seed)
        started_from = {"model": model} if isinstance(trainer, FinetuneMaker) and model is not None else {}
        train = trainer.make(dataset, subset=subset, **started_from)
        train.append_name(f" {subset.n_train}-{subset.seed}")
        return train

    def _diffusion(self, train: Job, subset: TrainingSubset, structure: Any) -> Flow | None:
        if self.diffusion_maker is None:
            return None
        maker = replace(self.diffusion_maker, temperatures_k=self.diffusion_maker.temperatures_k[:1])
        model: Any = train.output
        flow = maker.make(structure, model=model)
        flow.append_name(f" {subset.n_train}-{subset.seed}")
        return flow


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


def _value_of(given: Any) -> Any:
    return given.value if isinstance(given, ResolvedReference) else given


def _handed_on(given: Any) -> Any:
    """What jobs are given: the reference, where there is one, so that no job carries the content."""
    return given.reference if isinstance(given, ResolvedReference) else given
