"""Makers of the jobs that :class:`~disolyte.labelling.makers.LabelMaker` fans out to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from jobflow import Maker, Response, job
from pydantic import Field

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import LabellingError
from disolyte.labelling.collect_makers import CollectLabelsMaker
from disolyte.labelling.fetching import FETCHES, TOLERATES, fetch_frames
from disolyte.labelling.frames import Frames, FrameWindow, frame_structures
from disolyte.labelling.label_settings import LabelSettings
from disolyte.labelling.labels import Failure, merge_label_docs, reject_frame
from disolyte.labelling.schema import LabelDoc, Rejection, RejectionKind
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch
from disolyte.workers.records import Origin, describe_job
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role


class Chunk(Record):
    """What one job labels."""

    frames: FrameWindow | FrameBatch = Field(description="The frames, or where they are.")
    n_frames: int = Field(description="Number of frames.")
    job_uuid: str = Field(description="uuid of the job.")


def scan_static_maker() -> Maker:
    """The published labeller; its module is imported when it is first wanted."""
    from disolyte.labelling.vasp import ScanStaticMaker

    return ScanStaticMaker()


@dataclass
class ChunkLabelMaker(Maker):
    """Label the frames of one chunk, each in a job of its own, and collect the labels in one more.

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
        """Make one calculation per frame.

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
        static_maker = _reports_failures(self.static_maker)
        statics = [static_maker.make(structure) for structure in frame_structures(batch)]
        collect = CollectLabelsMaker(
            settings=_settings_of(static_maker), retry_makers=[_reports_failures(maker) for maker in self.retry_makers]
        ).make([static.output for static in statics], frames, Origin.of(samples))
        return replace_current_job(statics, collect, name=self.name)


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
