"""Makers of the jobs that :class:`~disolyte.labelling.makers.LabelMaker` fans out to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jobflow import CURRENT_JOB, Flow, Job, JobConfig, Maker, OnMissing, OutputReference, Response, job
from pydantic import Field

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import LabellingError, StoreError
from disolyte.labelling.frames import Frames, FrameWindow, frame_structures, select_frames, to_frame_batch
from disolyte.labelling.label_settings import LabelSettings, task_settings
from disolyte.labelling.labels import Failure, build_label_doc, merge_label_docs, reject_frame
from disolyte.labelling.schema import LabelDoc, Rejection, RejectionKind
from disolyte.labelling.tasks import label_frame
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import Origin, describe_job
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc

FETCHES: Final = JobConfig(expose_store=True)
"""Configuration of a job that calls :func:`fetch_frames`."""

TOLERATES: Final = JobConfig(on_missing_references=OnMissing.NONE, expose_store=True)
"""The same for a job that also goes on where a job before it failed."""


class Chunk(Record):
    """What one job labels."""

    frames: FrameWindow | FrameBatch = Field(description="The frames, or where they are.")
    n_frames: int = Field(description="Number of frames.")
    job_uuid: str = Field(description="uuid of the job.")


def scan_static_maker() -> Maker:
    """The published labeller; its module is imported when it is first wanted."""
    from disolyte.labelling.vasp import ScanStaticMaker

    return ScanStaticMaker()


def fetch_frames(frames: Frames | FrameWindow) -> tuple[FrameBatch, list[SampleDoc]]:
    """Frames a running job was given, and the sample they are from, if that is known.

    Raises
    ------
    StoreError
        If a window's sample is not in the job store.
    """
    if not isinstance(frames, FrameWindow):
        return to_frame_batch(frames), [frames] if isinstance(frames, SampleDoc) else []
    if CURRENT_JOB.store is None:
        raise StoreError("frames named by a window need the job store; set expose_store in the job's configuration")
    attributes = tuple((kind, name) for kind, name in frames.attributes)
    sample = OutputReference(frames.uuid, attributes).resolve(CURRENT_JOB.store)
    batch = select_frames(to_frame_batch(sample), range(frames.start, frames.stop))
    return batch, [sample] if isinstance(sample, SampleDoc) else []


@dataclass
class ChunkLabelMaker(Maker):
    """Label the frames of one chunk one by one.

    Parameters
    ----------
    name
        Name of the job.
    static_maker
        Maker with ``make(structure)``, of a job or a flow, whose output is a VASP ``TaskDoc`` or a LabelDoc.
    retry_makers
        Makers to try, one after the other, where the one before failed.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "label chunk"
    static_maker: Maker = field(default_factory=scan_static_maker)
    retry_makers: list[Maker] = field(default_factory=list)

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=FETCHES)
    def make(self, frames: Frames | FrameWindow) -> Response[LabelDoc]:
        """Make one calculation, and one small label document, per frame.

        Parameters
        ----------
        frames
            The frames, or where they are.

        Returns
        -------
        Response
            A replacement whose output is a LabelDoc of the chunk.
        """
        batch, samples = fetch_frames(frames)
        origin = Origin.of(samples)
        static_maker = _reports_failures(self.static_maker)
        collect_maker = CollectLabelMaker(
            settings=_settings_of(static_maker), retry_makers=[_reports_failures(maker) for maker in self.retry_makers]
        )
        jobs: list[Job | Flow] = []
        labels: list[OutputReference] = []
        chunks: list[Chunk] = []
        for index, structure in enumerate(frame_structures(batch)):
            frame = select_frames(batch, [index])
            static = static_maker.make(structure)
            collect = collect_maker.make(static.output, frame, static.uuid, origin)
            jobs += [static, collect]
            labels.append(collect.output)
            chunks.append(Chunk(frames=frame, n_frames=1, job_uuid=collect.uuid))
        merge = MergeLabelsMaker(minimum_fraction=0.0).make(labels, chunks, origin)
        return replace_current_job(jobs, merge, name=self.name)


@dataclass
class CollectLabelMaker(Maker):
    """Read the label of one frame from its calculation; if it failed, try again or tell why there is none.

    Parameters
    ----------
    name
        Name of the job.
    settings
        Settings that a VASP calculation must have used, at every attempt; None accepts all.
    retry_makers
        Labellers to try next, one after the other, where the calculation failed in a way that may pass.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "collect label"
    settings: LabelSettings | None = None
    retry_makers: list[Maker] = field(default_factory=list)

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=TOLERATES)
    def make(
        self,
        result: TaskDoc | LabelDoc | None,
        frames: FrameBatch,
        job_uuid: str,
        origin: Origin,
        failed_attempts: list[str] | None = None,
    ) -> LabelDoc | Response[LabelDoc]:
        """Collect a label.

        Parameters
        ----------
        result
            What the labeller left; None if it failed.
        frames
            Batch of the one frame.
        job_uuid
            uuid of the labeller's job.
        origin
            What the frame rests on.
        failed_attempts
            Reasons of the attempts before this one.

        Returns
        -------
        LabelDoc or Response
            One label or one rejection; or the next attempt in place of this job.
        """
        label = label_frame(result, frames, settings=self.settings, job=job_uuid)
        if isinstance(label, Failure):
            reasons = [*(failed_attempts or []), label.reason]
            if label.kind.may_pass and self.retry_makers:
                return self._try_again(frames, origin, reasons)
            label = Failure(label.kind, _join_reasons(reasons))
        if isinstance(result, LabelDoc):
            method, is_surrogate = result.label_method, result.is_surrogate
        else:
            method, is_surrogate = ("none" if result is None else task_settings(result).label_method), False
        record = describe_job([origin, *([result] if isinstance(result, LabelDoc) else [])])
        return build_label_doc(frames, [label], label_method=method, is_surrogate=is_surrogate, record=record)

    def _try_again(self, frames: FrameBatch, origin: Origin, reasons: list[str]) -> Response[LabelDoc]:
        static_maker, *rest = self.retry_makers
        static = static_maker.make(frame_structures(frames)[0])
        collect = replace(self, retry_makers=rest).make(static.output, frames, static.uuid, origin, reasons)
        return replace_current_job([static], collect, name="retry label")


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

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=TOLERATES)
    def make(self, labels: list[LabelDoc | None], chunks: list[Chunk], origin: Origin) -> LabelDoc:
        """Join labels.

        Parameters
        ----------
        labels
            Labels of the chunks; None where a job left none.
        chunks
            What each of the labels was to hold.
        origin
            What the frames rest on.

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
        pairs = zip(labels, chunks, strict=True)
        lost = [item for document, chunk in pairs if document is None for item in _lost_frames(chunk)]
        n_frames = sum(chunk.n_frames for chunk in chunks)
        n_labelled = sum(document.n_labelled for document in found)
        if not found or n_labelled < self.minimum_fraction * n_frames:
            rejections = [*(item for document in found for item in document.rejections), *lost]
            first = f"; the first: {rejections[0].reason}" if rejections else ""
            raise LabellingError(
                f"{n_labelled} of {n_frames} frames got a label, less than the stated minimum of "
                f"{self.minimum_fraction:.0%}{first}; mend the cause, or lower minimum_fraction of LabelMaker"
            )
        return merge_label_docs(found, record=describe_job([origin, *found]), more_rejections=lost)


def _lost_frames(chunk: Chunk) -> list[Rejection]:
    frames, _ = fetch_frames(chunk.frames)
    reason = f"the labelling job {chunk.job_uuid} failed and left no document"
    failure = Failure(RejectionKind.CALCULATION_FAILED, reason)
    return [reject_frame(frames, index, failure) for index in range(len(frames))]


def _join_reasons(reasons: Sequence[str]) -> str:
    if len(reasons) == 1:
        return reasons[0]
    return "; ".join(f"attempt {number}: {reason}" for number, reason in enumerate(reasons, start=1))


def _settings_of(static_maker: Maker) -> LabelSettings | None:
    """Settings that the input set of the run which makes the label promises, if it promises any."""
    last = getattr(static_maker, "static_maker", static_maker)
    return getattr(getattr(last, "input_set_generator", None), "label_settings", None)


def _reports_failures(static_maker: Maker) -> Maker:
    """The labeller, handing unsuccessful calculations on instead of raising, so that they are set aside as such."""
    last = getattr(static_maker, "static_maker", None)
    if isinstance(last, Maker):
        nested: dict[str, Any] = {"static_maker": _reports_failures(last)}
        return replace(static_maker, **nested)
    kwargs = getattr(static_maker, "stop_children_kwargs", None)
    if kwargs is None or "handle_unsuccessful" in kwargs:
        return static_maker
    changes: dict[str, Any] = {"stop_children_kwargs": {**kwargs, "handle_unsuccessful": False}}
    return replace(static_maker, **changes)
