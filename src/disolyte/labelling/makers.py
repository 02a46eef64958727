"""Makers of the labelling stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from jobflow import Flow, Job, JobConfig, Maker, Response, job
from jobflow.core.reference import ResolvedReference

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import InputError, LabellingError
from disolyte.labelling.chunk_makers import Chunk, ChunkLabelMaker, MergeLabelsMaker, scan_static_maker
from disolyte.labelling.dataset import build_dataset
from disolyte.labelling.frames import Frames, cut_frames, frame_structures, select_frames, to_frame_batch
from disolyte.labelling.labels import build_label_doc
from disolyte.labelling.quality import QualityGate
from disolyte.labelling.schema import DatasetDoc, LabelDoc
from disolyte.labelling.splits import SplitFractions
from disolyte.labelling.surrogate import SURROGATE_CAVEAT, SURROGATE_METHOD, predict_r2scan
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job
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

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc)
    def make(self, frames: Frames, window: tuple[int, int] | None = None) -> LabelDoc:
        """Label frames.

        Parameters
        ----------
        frames
            A sample, a batch of frames, a structure or a list of structures.
        window
            First frame, and one past the last, to label; all by default.

        Returns
        -------
        LabelDoc
            Labels of the batch; frames that the model cannot describe are among its rejections.
        """
        batch = cut_frames(to_frame_batch(frames), window)
        results = predict_r2scan(frame_structures(batch), device=self.device, batch_size=self.batch_size)
        inputs = [frames] if isinstance(frames, SampleDoc) else []
        return build_label_doc(
            batch,
            results,
            label_method=SURROGATE_METHOD,
            is_surrogate=True,
            record=describe_job(inputs, caveats=[SURROGATE_CAVEAT]),
        )


@dataclass
class LabelMaker(Maker):
    """Label all frames of a sample, in chunks that keep every document and spec small.

    Chunks of a batch labeller (one with the class attribute ``labels_batches``) are one job each; any other labeller
    gets one job per frame, made by the chunk's job. A frame whose calculation fails is set aside with its reason, and
    the rest goes on.

    Parameters
    ----------
    name
        Name of the job.
    static_maker
        The labeller: :class:`SurrogateStaticMaker`, or a Maker with ``make(structure)`` that returns a VASP ``TaskDoc``
        or a :class:`~disolyte.labelling.schema.LabelDoc`.
    chunk_size
        Frames in one chunk.
    minimum_fraction
        Least share of the frames that must get a label; below it the stage fails.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "label frames"
    static_maker: Maker = field(default_factory=scan_static_maker)
    chunk_size: int = 50
    minimum_fraction: float = 0.8

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.chunk_size < 1:
            raise InputError(f"chunk_size is {self.chunk_size}; give 1 or more frames")
        if not 0 <= self.minimum_fraction <= 1:
            raise InputError(f"minimum_fraction is {self.minimum_fraction}; give a share between 0 and 1")

    # no output_schema: the job that stands in for a replaced one stores a reference, which no schema would accept
    @job(data=[PAYLOAD_KEY], config=_KEEPS_REFERENCES)
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
        """
        sources = [_Source(item) for item in (sample if isinstance(sample, list) else [sample])]
        if not any(source.n_frames for source in sources):
            raise LabellingError("the sample holds no frames; look at the verdicts of its MD runs")
        jobs: list[Job] = []
        chunks: list[Chunk] = []
        for number, source in enumerate(sources):
            for start in range(0, source.n_frames, self.chunk_size):
                stop = min(start + self.chunk_size, source.n_frames)
                jobs.append(self._label_chunk(source, start, stop))
                jobs[-1].append_name(f" {len(jobs)}", dynamic=False)
                chunks.append(Chunk(sample=number, start=start, stop=stop, job_uuid=jobs[-1].uuid))
        merge = MergeLabelsMaker(minimum_fraction=self.minimum_fraction).make(
            [chunk_job.output for chunk_job in jobs], [source.argument for source in sources], chunks
        )
        return Response(replace=Flow([*jobs, merge], output=merge.output, name=self.name))

    def _label_chunk(self, source: _Source, start: int, stop: int) -> Job:
        frames, window = source.part(start, stop)
        if getattr(self.static_maker, "labels_batches", False):
            return self.static_maker.make(frames, window=window)
        return ChunkLabelMaker(static_maker=self.static_maker).make(frames, window=window)


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
    def make(self, labels: LabelDoc | list[LabelDoc]) -> DatasetDoc:
        """Build the dataset.

        Parameters
        ----------
        labels
            Labels of one method.

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
            record=describe_job(documents, seed=self.seed),
        )


class _Source:
    """A sample as its chunks get it: by reference where it has one, else by value."""

    def __init__(self, given: ResolvedReference | SampleDoc | FrameBatch) -> None:
        self._reference = given.reference if isinstance(given, ResolvedReference) else None
        self._value = given.value if isinstance(given, ResolvedReference) else given
        self.n_frames = to_frame_batch(self._value).n_atoms.shape[0]

    @property
    def argument(self) -> Any:
        """The sample as an argument of a job."""
        return self._reference or self._value

    def part(self, start: int, stop: int) -> tuple[Any, tuple[int, int] | None]:
        """Frames ``start`` to ``stop`` as the arguments ``frames`` and ``window`` of a labeller."""
        if self._reference is not None:
            return self._reference, (start, stop)
        frames = select_frames(to_frame_batch(self._value), range(start, stop))
        if isinstance(self._value, SampleDoc):
            return self._value.model_copy(update={"frames": frames}), None
        return frames, None
