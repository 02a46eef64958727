"""Jobs that train models: fine-tuning of a foundation, and training from scratch for comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jobflow import Maker, job

from disolyte.blobs import PAYLOAD_KEY
from disolyte.finetuning.finetune import finetune
from disolyte.finetuning.frames import read_frames
from disolyte.finetuning.learning_curve.subsets import TrainingSubset
from disolyte.finetuning.options import FinetuneOptions, MaceArchitecture, ReplayOptions, TrainingOptions, check_seed
from disolyte.finetuning.report import report_finetuned, report_scratch
from disolyte.finetuning.scratch import train_from_scratch
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc
from disolyte.models.sources import ModelSource
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

FOLDER = "training"
"""Folder of the training run inside the job's folder."""


@dataclass
class FinetuneMaker(Maker):
    """Fine-tune a foundation model on a dataset with two heads: one for the labels, one that keeps the foundation.

    Parameters
    ----------
    name
        Name of the job.
    foundation
        Foundation model, where ``make`` is given none. Default: MACE-MP-0a medium.
    options
        Epochs, patience, learning rate and the like.
    replay
        Number and distortion of the frames that the foundation labels for its own head.
    device
        torch device.
    seed
        Seed of weights, shuffling and replay frames. On CPU the same seed gives the same model.
    """

    name: str = "fine-tune model"
    foundation: ModelSource = field(default_factory=ModelSource)
    options: FinetuneOptions = field(default_factory=FinetuneOptions)
    replay: ReplayOptions = field(default_factory=ReplayOptions)
    device: str = "cpu"
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse a seed that cannot be used, before any job exists."""
        check_seed(self.seed)

    @job(data=[PAYLOAD_KEY], output_schema=ModelDoc)
    def make(
        self,
        dataset: DatasetDoc,
        model: ModelDoc | None = None,
        prev_dir: str | Path | None = None,
        subset: TrainingSubset | None = None,
    ) -> ModelDoc:
        """Fine-tune on ``dataset``.

        A killed job goes on from its last finished epoch when it is started again in the same folder, or in another one
        with ``prev_dir``.

        Parameters
        ----------
        dataset
            Labelled frames, split.
        model
            Model to start from instead of ``foundation``.
        prev_dir
            Folder of a job with the same settings that did not finish.
        subset
            Part of the training frames to train on; all if None.

        Raises
        ------
        DatasetError
            If the frames are too few, corrupt or mislabelled.
        ModelCoverageError
            If the foundation does not know an element.
        FinetuningError
            If training cannot start as asked, fails, or did something else than asked.
        """
        directory = take_over(prev_dir, FOLDER)
        loaded = load_model(model or self.foundation, device=self.device, dtype=self.options.dtype)
        frames = read_frames(dataset, subset)
        fingerprint = _fingerprint(dataset, subset)
        result = finetune(
            loaded,
            frames,
            options=self.options,
            replay=self.replay,
            seed=self.seed,
            directory=directory,
            fingerprint=fingerprint,
        )
        inputs = [dataset] if model is None else [dataset, model]
        return ModelDoc(
            **describe_job(inputs, seed=self.seed, caveats=[*loaded.caveats, *result.inputs.e0s.caveats]),
            **report_finetuned(result, frames, loaded, dataset, fingerprint),
        )


@dataclass
class ScratchTrainMaker(Maker):
    """Train a model on a dataset from random weights: what fine-tuning is compared with.

    The defaults are those of the published comparison: 128 channels, two layers, correlation order 3, a cutoff of 5 Å,
    learning rate and patience as in fine-tuning. Models trained so are less accurate on few frames, and less stable in
    MD: see :class:`~disolyte.finetuning.stability.makers.StabilityMaker`.

    Parameters
    ----------
    name
        Name of the job.
    architecture
        Shape of the model.
    options
        Epochs, patience, learning rate and the like.
    device
        torch device.
    seed
        Seed of weights and shuffling. On CPU the same seed gives the same model.
    """

    name: str = "train from scratch"
    architecture: MaceArchitecture = field(default_factory=MaceArchitecture)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    device: str = "cpu"
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse a seed that cannot be used, before any job exists."""
        check_seed(self.seed)

    @job(data=[PAYLOAD_KEY], output_schema=ModelDoc)
    def make(
        self, dataset: DatasetDoc, prev_dir: str | Path | None = None, subset: TrainingSubset | None = None
    ) -> ModelDoc:
        """Train on ``dataset``; a killed job goes on as one of :class:`FinetuneMaker` does.

        Parameters
        ----------
        dataset
            Labelled frames, split.
        prev_dir
            Folder of a job with the same settings that did not finish.
        subset
            Part of the training frames to train on; all if None.

        Raises
        ------
        DatasetError
            If the frames are too few, corrupt or mislabelled.
        FinetuningError
            If training fails, or did something else than asked.
        """
        frames = read_frames(dataset, subset)
        fingerprint = _fingerprint(dataset, subset)
        result = train_from_scratch(
            frames,
            architecture=self.architecture,
            options=self.options,
            seed=self.seed,
            directory=take_over(prev_dir, FOLDER),
            device=self.device,
            fingerprint=fingerprint,
        )
        return ModelDoc(
            **describe_job([dataset], seed=self.seed, caveats=result.e0s.caveats),
            **report_scratch(result, frames, dataset, fingerprint, device=self.device, dtype=self.options.dtype),
        )


def _fingerprint(dataset: DatasetDoc, subset: TrainingSubset | None) -> str:
    """Hash of the frames that are trained on."""
    return dataset.dataset_sha256 if subset is None else subset.dataset_sha256(dataset.dataset_sha256)
