"""Makers of the jobs that :class:`~disolyte.labelling.makers.LabelMaker` fans out to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jobflow import CURRENT_JOB, JobConfig, Maker, OnMissing, OutputReference, Response, job
from jobflow.core.reference import ResolvedReference
from monty.json import jsanitize
from pydantic import Field

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import LabellingError, StoreError
from disolyte.labelling.frames import Frames, FrameWindow, OutputName, frame_structures, select_frames, to_frame_batch
from disolyte.labelling.label_settings import LabelSettings, task_settings
from disolyte.labelling.labels import Failure, Label, build_label_doc, merge_label_docs, reject_frame
from disolyte.labelling.schema import LabelDoc, Rejection, RejectionKind
from disolyte.labelling.tasks import label_frame
from disolyte.provenance import InputRecord, merge_caveats
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

_COLLECTS: Final = JobConfig(on_missing_references=OnMissing.NONE, expose_store=True, resolve_references="both")


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
    sample = _fetch(frames)
    batch = select_frames(to_frame_batch(sample), range(frames.start, frames.stop))
    return batch, [sample] if isinstance(sample, SampleDoc) else []


def _fetch(name: OutputName, on_missing: OnMissing = OnMissing.ERROR) -> Any:
    """What a running job knows by name."""
    if CURRENT_JOB.store is None:
        raise StoreError("what is known by name needs the job store; set expose_store in the job's configuration")
    attributes = tuple((kind, part) for kind, part in name.attributes)
    return OutputReference(name.uuid, attributes).resolve(CURRENT_JOB.store, on_missing=on_missing)


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
class CollectLabelsMaker(Maker):
    """Read the labels of a chunk from its calculations; where one failed, try again or tell why there is none.

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

    name: str = "collect labels"
    settings: LabelSettings | None = None
    retry_makers: list[Maker] = field(default_factory=list)

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=_COLLECTS)
    def make(
        self,
        results: list[TaskDoc | LabelDoc | OutputName | None],
        frames: Frames | FrameWindow,
        origin: Origin,
        failed_attempts: list[list[str]] | None = None,
    ) -> LabelDoc | Response[LabelDoc]:
        """Collect labels.

        Parameters
        ----------
        results
            What the labeller left of each frame, given as other jobs' outputs, or by name; those of jobs that failed
            are missing.
        frames
            The frames, or where they are.
        origin
            What the frames rest on.
        failed_attempts
            For each frame, the reasons of the attempts that failed before.

        Returns
        -------
        LabelDoc or Response
            Labels and rejections of the chunk; or the next attempt, for the frames that need it, in place of this job.
        """
        batch, _ = fetch_frames(frames)
        given = [_outcome(result) for result in results]
        attempts = failed_attempts or [[] for _ in given]
        singles = [select_frames(batch, [index]) for index in range(len(batch))]
        labels = [
            label_frame(result.value, frame, settings=self.settings, job=result.uuid)
            for result, frame in zip(given, singles, strict=True)
        ]
        again = {
            i: label.reason for i, label in enumerate(labels) if isinstance(label, Failure) and label.kind.may_pass
        }
        if again and self.retry_makers:
            static_maker, *rest = self.retry_makers
            structures = frame_structures(batch)
            statics = {i: static_maker.make(structures[i]) for i in again}
            outputs = [statics[i].output if i in statics else _name(outcome) for i, outcome in enumerate(given)]
            attempts = [[*said, again[i]] if i in again else said for i, said in enumerate(attempts)]
            collect = replace(self, retry_makers=rest).make(outputs, frames, origin, attempts)
            return replace_current_job(list(statics.values()), collect, name="retry labels")
        rows = zip(singles, given, labels, attempts, strict=True)
        documents = [_label_doc(frame, result.value, label, said) for frame, result, label, said in rows]
        calculations = Origin(inputs=[_input_record(result) for result in given if result.value is not None])
        return merge_label_docs(
            documents, record=describe_job([origin, calculations], caveats=merge_caveats(documents))
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


def _outcome(result: Any) -> ResolvedReference:
    """What a labeller left, or None, and which job that was."""
    if isinstance(result, OutputName):
        return ResolvedReference(result.uuid, tuple(result.attributes), _fetch(result, OnMissing.NONE))
    if isinstance(result, ResolvedReference):
        return result
    raise LabellingError("labels are collected from outputs of jobs, given as references; there is no job to name")


def _name(outcome: ResolvedReference) -> OutputName:
    return OutputName(uuid=outcome.uuid, attributes=list(outcome.attributes))


def _input_record(result: ResolvedReference) -> InputRecord:
    """What names a calculation as the input of a label."""
    document = result.value
    if isinstance(document, LabelDoc):
        return document.as_input()
    content = json.dumps(jsanitize(document, strict=True, enum_values=True), sort_keys=True)
    return InputRecord(
        kind=type(document).__name__, uuid=result.uuid, sha256=hashlib.sha256(content.encode()).hexdigest()
    )


def _label_doc(
    frame: FrameBatch, result: TaskDoc | LabelDoc | None, label: Label | Failure, attempts: list[str]
) -> LabelDoc:
    """Label, or rejection with the reasons of all attempts, of one frame."""
    if isinstance(label, Failure):
        label = Failure(label.kind, _join_reasons([*attempts, label.reason]))
    if isinstance(result, LabelDoc):
        method, is_surrogate = result.label_method, result.is_surrogate
    else:
        method, is_surrogate = ("none" if result is None else task_settings(result).label_method), False
    caveats = result.caveats if isinstance(result, LabelDoc) else []
    return build_label_doc(frame, [label], label_method=method, is_surrogate=is_surrogate, record={"caveats": caveats})


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
