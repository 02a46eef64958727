"""Learning curves: trainings on nested subsets, each a job of its own, and what they say of the number of frames."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from jobflow import Flow, Job, JobConfig, Maker, Response, job
from jobflow.core.reference import ResolvedReference
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.diffusion.makers import DiffusionMaker
from disolyte.errors import DatasetError, InputError
from disolyte.finetuning.learning_curve.convergence import gather_levels, judge_convergence, measure_gains
from disolyte.finetuning.learning_curve.schema import ConvergenceRule, LearningCurveDoc
from disolyte.finetuning.learning_curve.subsets import TrainingSubset
from disolyte.finetuning.makers import FinetuneMaker, ScratchTrainMaker
from disolyte.flows.learning_points import LearningPointDoc, LearningPointMaker, compare_with_largest
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.schema import ModelDoc
from disolyte.thermodynamics.schema import SelectionDoc
from disolyte.workers.records import describe_job
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

_KEEPS_REFERENCES: Final = JobConfig(resolve_references="both")
PUBLISHED_SIZES: Final = (100, 250, 500, 1000, 1500, 2500)
"""Sizes up to the published one."""


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


def _value_of(given: Any) -> Any:
    return given.value if isinstance(given, ResolvedReference) else given


def _handed_on(given: Any) -> Any:
    """What jobs are given: the reference, where there is one, so that no job carries the content."""
    return given.reference if isinstance(given, ResolvedReference) else given
