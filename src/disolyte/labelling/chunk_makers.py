"""Makers of the jobs that :class:`~disolyte.labelling.makers.LabelMaker` fans out to."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from jobflow import Flow, Job, JobConfig, Maker, OnMissing, OutputReference, Response, job
from pydantic import BaseModel, Field

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import LabellingError
from disolyte.labelling.frames import cut_frames, frame_structures, select_frames, to_frame_batch
from disolyte.labelling.labels import Failure, build_label_doc, merge_label_docs, reject_frame
from disolyte.labelling.schema import LabelDoc, Rejection, RejectionKind
from disolyte.labelling.tasks import LabelSettings, label_frame, task_settings
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc

_TOLERANT: Final = JobConfig(on_missing_references=OnMissing.NONE)


class Chunk(BaseModel):
    """Frames that one job labels: ``start`` to ``stop`` of sample number ``sample``."""

    sample: int = Field(description="Index of the sample.")
    start: int = Field(description="First frame.")
    stop: int = Field(description="One past the last frame.")
    job_uuid: str = Field(description="uuid of the labelling job.")


def scan_static_maker() -> Maker:
    """The published labeller; its module is imported when it is first wanted."""
    from disolyte.labelling.vasp import ScanStaticMaker

    return ScanStaticMaker()


@dataclass
class ChunkLabelMaker(Maker):
    """Label the frames of one chunk one by one.

    Parameters
    ----------
    name
        Name of the job.
    static_maker
        Maker with ``make(structure)`` that returns a VASP ``TaskDoc`` or a LabelDoc.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "label chunk"
    static_maker: Maker = field(default_factory=scan_static_maker)

    # no output_schema: the job that stands in for a replaced one stores a reference, which no schema would accept
    @job(data=[PAYLOAD_KEY])
    def make(self, frames: SampleDoc | FrameBatch, window: tuple[int, int] | None = None) -> Response[LabelDoc]:
        """Make one calculation, and one small label document, per frame.

        Parameters
        ----------
        frames
            The sample, or the frames.
        window
            First frame, and one past the last, of the chunk.

        Returns
        -------
        Response
            A replacement whose output is a LabelDoc of the chunk.
        """
        batch = cut_frames(to_frame_batch(frames), window)
        static_maker = _reports_unconverged(self.static_maker)
        collect_maker = CollectLabelMaker(settings=_settings_of(static_maker))
        jobs: list[Job] = []
        labels: list[OutputReference] = []
        chunks: list[Chunk] = []
        for index, structure in enumerate(frame_structures(batch)):
            static = static_maker.make(structure)
            collect = collect_maker.make(static.output, select_frames(batch, [index]), static.uuid)
            jobs += [static, collect]
            labels.append(collect.output)
            chunks.append(Chunk(sample=0, start=index, stop=index + 1, job_uuid=collect.uuid))
        merge = MergeLabelsMaker(minimum_fraction=0.0).make(labels, [batch], chunks)
        return Response(replace=Flow([*jobs, merge], output=merge.output, name=self.name))


@dataclass
class CollectLabelMaker(Maker):
    """Read the label of one frame from its calculation, or the reason why there is none.

    Parameters
    ----------
    name
        Name of the job.
    settings
        Settings that a VASP calculation must have used; None accepts all.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "collect label"
    settings: LabelSettings | None = None

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=_TOLERANT)
    def make(self, result: TaskDoc | LabelDoc | None, frames: FrameBatch, job_uuid: str) -> LabelDoc:
        """Collect a label.

        Parameters
        ----------
        result
            What the labeller left; None if it failed.
        frames
            Batch of the one frame.
        job_uuid
            uuid of the labeller's job.

        Returns
        -------
        LabelDoc
            One label or one rejection.
        """
        label = label_frame(result, frames, settings=self.settings, job=job_uuid)
        inputs = [result] if isinstance(result, LabelDoc) else []
        if isinstance(result, LabelDoc):
            method, is_surrogate = result.label_method, result.is_surrogate
        else:
            method, is_surrogate = ("none" if result is None else task_settings(result).label_method), False
        return build_label_doc(
            frames, [label], label_method=method, is_surrogate=is_surrogate, record=describe_job(inputs)
        )


@dataclass
class MergeLabelsMaker(Maker):
    """Join the labels of all chunks, and fail if they are too few.

    Parameters
    ----------
    name
        Name of the job.
    minimum_fraction
        Least share of the frames that must have a label.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "merge labels"
    minimum_fraction: float = 0.8

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=_TOLERANT)
    def make(
        self, labels: list[LabelDoc | None], samples: list[SampleDoc | FrameBatch], chunks: list[Chunk]
    ) -> LabelDoc:
        """Join labels.

        Parameters
        ----------
        labels
            Labels of the chunks; None where a job left none.
        samples
            The samples that the chunks were cut from.
        chunks
            What each of the labels was to hold.

        Returns
        -------
        LabelDoc
            All labels, and all rejections.

        Raises
        ------
        LabellingError
            If fewer than ``minimum_fraction`` of the frames have a label.
        """
        found = [document for document in labels if document is not None]
        lost = [
            rejection
            for document, chunk in zip(labels, chunks, strict=True)
            if document is None
            for rejection in _lost_frames(to_frame_batch(samples[chunk.sample]), chunk)
        ]
        n_frames = sum(chunk.stop - chunk.start for chunk in chunks)
        n_labelled = sum(document.n_labelled for document in found)
        if not found or n_labelled < self.minimum_fraction * n_frames:
            rejections = [*(item for document in found for item in document.rejections), *lost]
            first = f"; the first: {rejections[0].reason}" if rejections else ""
            raise LabellingError(
                f"{n_labelled} of {n_frames} frames got a label, less than the stated minimum of "
                f"{self.minimum_fraction:.0%}{first}; mend the cause, or lower minimum_fraction of LabelMaker"
            )
        inputs = [item for item in samples if isinstance(item, SampleDoc)]
        return merge_label_docs(found, record=describe_job([*inputs, *found]), more_rejections=lost)


def _lost_frames(frames: FrameBatch, chunk: Chunk) -> list[Rejection]:
    failure = Failure(
        RejectionKind.CALCULATION_FAILED, f"the labelling job {chunk.job_uuid} failed and left no document"
    )
    return [reject_frame(frames, index, failure) for index in range(chunk.start, chunk.stop)]


def _settings_of(static_maker: Maker) -> LabelSettings | None:
    """Settings that the labeller's input set promises, if it promises any."""
    return getattr(getattr(static_maker, "input_set_generator", None), "label_settings", None)


def _reports_unconverged(static_maker: Maker) -> Maker:
    """The labeller, handing unconverged calculations on instead of raising, so that they are set aside as such."""
    has_field = is_dataclass(static_maker) and any(item.name == "stop_children_kwargs" for item in fields(static_maker))
    if not has_field or "handle_unsuccessful" in static_maker.stop_children_kwargs:  # type: ignore[attr-defined]
        return static_maker
    kwargs = {**static_maker.stop_children_kwargs, "handle_unsuccessful": False}  # type: ignore[attr-defined]
    return replace(static_maker, stop_children_kwargs=kwargs)  # type: ignore[type-var]
