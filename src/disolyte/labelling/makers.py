"""Makers of the labelling stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from jobflow import Flow, Job, JobConfig, Maker, Response, job
from jobflow.core.reference import ResolvedReference

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import InputError, LabellingError
from disolyte.labelling.chunk_makers import (
    Chunk,
    ChunkLabelMaker,
    MergeLabelsMaker,
    scan_static_maker,
)
from disolyte.labelling.dataset import build_dataset
from disolyte.labelling.fetching import FETCHES, fetch_frames
from disolyte.labelling.frames import Frames, FrameWindow, frame_structures, select_frames, to_frame_batch
from disolyte.labelling.labels import build_label_doc
from disolyte.labelling.quality import QualityGate
from disolyte.labelling.schema import DatasetDoc, LabelDoc
from disolyte.labelling.splits import SplitFractions
from disolyte.labelling.surrogate import SURROGATE_CAVEAT, SURROGATE_METHOD, predict_r2scan
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import Origin, describe_job
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

_KEEPS_REFERENCES: Final = JobConfig(resolve_references="both")


@dataclass
class SurrogateStaticMaker(Maker):
    """Label frames with CHGNet's r2SCAN weights, many in one job.

    A stand-in for DFT in tests and miniatures. All documents made from these labels carry a caveat that says so.

    Parameters
    ----------
    name
        Name of the job.
    device
        torch device: ``"cpu"``, ``"cuda"``.
    batch_size
        Frames in one pass of the model; small batches are the fastest on a CPU.
    """

    role: ClassVar[Role] = Role.GPU
    labels_batches: ClassVar[bool] = True

    name: str = "CHGNet r2SCAN static"
    device: str = "cpu"
    batch_size: int = 4

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=FETCHES)
    def make(self, frames: Frames | FrameWindow) -> LabelDoc:
        """Label frames.

        Parameters
        ----------
        frames
            A sample, a batch of frames, a structure or a list of structures; or where the frames are in the job store.

        Returns
        -------
        LabelDoc
            Labels of the batch; frames that the model cannot describe are among its rejections.
        """
        batch, samples = fetch_frames(frames)
        results = predict_r2scan(frame_structures(batch), device=self.device, batch_size=self.batch_size)
        return build_label_doc(
            batch,
            results,
            label_method=SURROGATE_METHOD,
            is_surrogate=True,
            record=describe_job(samples, caveats=[SURROGATE_CAVEAT]),
        )


@dataclass
class LabelMaker(Maker):
    """Label all frames of a sample, in chunks that keep every document and spec small.

    Chunks of a batch labeller (one with the class attribute ``labels_batches``) are one job each; any other labeller
    gets one job per frame, made by the chunk's job. A frame whose calculation fails is tried again, then set aside with
    its reasons, and the rest goes on.

    Parameters
    ----------
    name
        Name of the job.
    static_maker
        The labeller: :class:`SurrogateStaticMaker`, or a Maker with ``make(structure)``, of a job or a flow, whose
        output is a VASP ``TaskDoc`` or a :class:`~disolyte.labelling.schema.LabelDoc`.
    retry_makers
        Labellers for frames whose calculation failed, tried one after the other. Their labels must have the settings
        of ``static_maker``: for SCAN with VASP a :class:`~disolyte.labelling.vasp.ScanDoubleStaticMaker` helps where
        convergence is the trouble. None: the labeller itself, once more; an empty list: no second attempt.
    chunk_size
        Frames in one chunk.
    minimum_fraction
        Least share of the frames that must get a label; below it the stage fails.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "label frames"
    static_maker: Maker = field(default_factory=scan_static_maker)
    retry_makers: list[Maker] | None = None
    chunk_size: int = 50
    minimum_fraction: float = 0.8

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.chunk_size < 1:
            raise InputError(f"chunk_size is {self.chunk_size}; give 1 or more frames")
        if not 0 <= self.minimum_fraction <= 1:
            raise InputError(f"minimum_fraction is {self.minimum_fraction}; give a share between 0 and 1")

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=_KEEPS_REFERENCES)
    def make(self, sample: SampleDoc | FrameBatch | list[SampleDoc]) -> Response[LabelDoc]:
        """Fan the frames out.

        Parameters
        ----------
        sample
            Sampled frames. Given as another job's output, the chunks' jobs fetch them from the store themselves.

        Returns
        -------
        Response
            A replacement whose output is a LabelDoc of all frames.

        Raises
        ------
        LabellingError
            If there are no frames.
        """
        given = sample if isinstance(sample, list) else [sample]
        windows = [frames for item in given for frames in _cut_into_chunks(item, self.chunk_size)]
        if not windows:
            raise LabellingError("the sample holds no frames; look at the verdicts of its MD runs")
        maker = self.static_maker
        if not getattr(maker, "labels_batches", False):
            retry_makers = [maker] if self.retry_makers is None else self.retry_makers
            maker = ChunkLabelMaker(static_maker=maker, retry_makers=retry_makers)
        jobs: list[Job | Flow] = []
        chunks: list[Chunk] = []
        for number, frames in enumerate(windows, start=1):
            jobs.append(maker.make(frames))
            jobs[-1].append_name(f" {number}", dynamic=False)
            n_frames = frames.stop - frames.start if isinstance(frames, FrameWindow) else len(frames)
            chunks.append(Chunk(frames=frames, n_frames=n_frames, job_uuid=jobs[-1].uuid))
        origin = Origin.of(value for item in given if isinstance(value := _value_of(item), SampleDoc))
        merge = MergeLabelsMaker(minimum_fraction=self.minimum_fraction).make(
            [chunk_job.output for chunk_job in jobs], chunks, origin
        )
        return replace_current_job(jobs, merge, name=self.name)


@dataclass
class DatasetMaker(Maker):
    """Check labelled frames and split them for training.

    Parameters
    ----------
    name
        Name of the job.
    gate
        Limits of the quality gate.
    fractions
        Shares of the frames for validation and test. Frames of one structure family always stay together.
    minimum_fraction
        Least share of the labelled frames that must pass the gate; below it the stage fails.
    seed
        Seed of the split and of the order of the training frames.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "build dataset"
    gate: QualityGate = field(default_factory=QualityGate)
    fractions: SplitFractions = field(default_factory=SplitFractions)
    minimum_fraction: float = 0.8
    seed: int = 0

    @job(data=[PAYLOAD_KEY], output_schema=DatasetDoc)
    def make(self, labels: LabelDoc | list[LabelDoc], previous: DatasetDoc | None = None) -> DatasetDoc:
        """Build the dataset.

        Parameters
        ----------
        labels
            Labels of one method.
        previous
            Earlier dataset whose families keep their split: with more labels, the test set keeps its families.

        Returns
        -------
        DatasetDoc
            Training, validation and test sets, and the quarantine list.
        """
        documents = labels if isinstance(labels, list) else [labels]
        return build_dataset(
            documents,
            gate=self.gate,
            fractions=self.fractions,
            minimum_fraction=self.minimum_fraction,
            seed=self.seed,
            record=describe_job(documents if previous is None else [*documents, previous], seed=self.seed),
            previous=previous,
        )


def _value_of(given: Any) -> SampleDoc | FrameBatch:
    return given.value if isinstance(given, ResolvedReference) else given


def _cut_into_chunks(given: Any, chunk_size: int) -> list[FrameWindow | FrameBatch]:
    """Frames of each chunk: by name where the sample came by reference, else by value."""
    batch = to_frame_batch(_value_of(given))
    bounds = [(start, min(start + chunk_size, len(batch))) for start in range(0, len(batch), chunk_size)]
    if isinstance(given, ResolvedReference):
        attributes = list(given.attributes)
        return [FrameWindow(uuid=given.uuid, attributes=attributes, start=start, stop=stop) for start, stop in bounds]
    return [select_frames(batch, range(start, stop)) for start, stop in bounds]
