"""Job that teaches a small model what a large one knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jobflow import Maker, job

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import InputError
from disolyte.finetuning.distillation.comparison import check_smaller, report_student, student_caveats
from disolyte.finetuning.distillation.frames import StudentFrames, join_pool, split_pool, teach
from disolyte.finetuning.distillation.schema import StudentDoc
from disolyte.finetuning.distillation.speed import SpeedTest
from disolyte.finetuning.frames import Frames, read_frames
from disolyte.finetuning.options import MaceArchitecture, TrainingOptions
from disolyte.finetuning.scratch import train_from_scratch
from disolyte.finetuning.training import run_key
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc
from disolyte.models.sources import ModelSource
from disolyte.provenance import StageDoc
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

FOLDER = "student"
"""Folder of the training run inside the job's folder."""


def _small_architecture() -> MaceArchitecture:
    return MaceArchitecture(n_channels=32, max_l=0, max_ell=2, radial_widths=(32, 32, 32))


@dataclass
class DistillationMaker(Maker):
    """Train a small model on frames labelled by a large one, and say what it costs in accuracy and gains in speed.

    Parameters
    ----------
    name
        Name of the job.
    teacher
        The teacher, where ``make`` is given none.
    architecture
        Shape of the student.
    options
        Epochs, patience, learning rate and the like.
    frames
        Distorted copies that the teacher labels beside the frames it is given.
    speed
        How the speed of MD is measured.
    device
        torch device.
    seed
        Seed of the distortions, the student's weights and the shuffling.
    """

    name: str = "distil model"
    teacher: ModelSource = field(default_factory=ModelSource)
    architecture: MaceArchitecture = field(default_factory=_small_architecture)
    options: TrainingOptions = field(default_factory=TrainingOptions)
    frames: StudentFrames = field(default_factory=StudentFrames)
    speed: SpeedTest = field(default_factory=SpeedTest)
    device: str = "cpu"
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=StudentDoc)
    def make(
        self,
        dataset: DatasetDoc | None = None,
        model: ModelDoc | None = None,
        sample: SampleDoc | FrameBatch | None = None,
        prev_dir: str | Path | None = None,
    ) -> StudentDoc:
        """Label frames with the teacher, train, and compare.

        Parameters
        ----------
        dataset
            Frames, whose splits are kept; on its test frames teacher and student are compared with its labels, too.
        model
            Teacher instead of ``teacher``.
        sample
            More frames, or all there are: then families are split for training, validation and test.
        prev_dir
            Folder of a job with the same settings that did not finish.

        Raises
        ------
        InputError
            If there are no frames, too few families, or the student is smaller than its teacher in nothing.
        ModelCoverageError
            If the teacher was not made for an element.
        FinetuningError
            If training fails, or did something else than asked.
        """
        loaded = load_model(model or self.teacher, device=self.device, dtype=self.options.dtype)
        check_smaller(self.architecture, loaded)
        batch = sample.frames if isinstance(sample, SampleDoc) else sample
        sources = self._sources(dataset, batch)
        taught = teach(loaded, sources, self.frames, seed=self.seed)
        dataset_sha256 = None if dataset is None else dataset.dataset_sha256
        result = train_from_scratch(
            taught.frames,
            architecture=self.architecture,
            options=self.options,
            seed=self.seed,
            directory=take_over(prev_dir, FOLDER),
            device=self.device,
            fingerprint=run_key(loaded.sha256, dataset_sha256, _hashes(batch), self.frames.model_dump()),
        )
        content = report_student(result, taught, loaded, dataset, speed=self.speed, seed=self.seed)
        caveats = [*loaded.caveats, *student_caveats(loaded, content["speed"])]
        inputs = [given for given in (dataset, model, sample) if isinstance(given, StageDoc)]
        return StudentDoc(
            **describe_job(inputs, seed=self.seed, caveats=caveats),
            **content,
            dataset_sha256=dataset_sha256,
            label_method=_label_method(dataset, model, loaded),
            is_surrogate=any(document.is_surrogate for document in (dataset, model) if document is not None),
        )

    def _sources(self, dataset: DatasetDoc | None, pool: FrameBatch | None) -> Frames:
        """Frames to start from, split."""
        frames = [] if pool is None else pool.to_atoms()
        if dataset is not None:
            return join_pool(read_frames(dataset), frames)
        if not frames:
            raise InputError("there are no frames to learn from; give a dataset, a sample with frames, or both")
        return split_pool(frames, held_out_fraction=self.frames.held_out_fraction, seed=self.seed)


def _label_method(dataset: DatasetDoc | None, model: ModelDoc | None, teacher: LoadedModel) -> str:
    """What the teacher imitates, or the teacher itself where nobody knows."""
    known = (model.label_method if model is not None else None, dataset.label_method if dataset is not None else None)
    return next((method for method in known if method), teacher.name)


def _hashes(batch: FrameBatch | None) -> list[str]:
    """Hashes of the content of a batch."""
    return [] if batch is None else [batch.numbers.sha256, batch.positions_ang.sha256, batch.cells_ang.sha256]
