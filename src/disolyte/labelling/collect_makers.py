"""Maker of the job that reads the labels of a chunk from its calculations."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jobflow import JobConfig, Maker, OnMissing, Response, job
from jobflow.core.reference import ResolvedReference
from monty.json import jsanitize

from disolyte.blobs import PAYLOAD_KEY
from disolyte.errors import LabellingError
from disolyte.labelling.fetching import fetch, fetch_frames
from disolyte.labelling.frames import Frames, FrameWindow, OutputName, frame_structures, select_frames
from disolyte.labelling.label_settings import LabelSettings, task_settings
from disolyte.labelling.labels import Failure, Label, build_label_doc
from disolyte.labelling.schema import LabelDoc, RejectionKind
from disolyte.labelling.tasks import label_frame
from disolyte.provenance import InputRecord, merge_caveats
from disolyte.workers.records import Origin, describe_job
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc

_COLLECTS: Final = JobConfig(on_missing_references=OnMissing.NONE, expose_store=True, resolve_references="both")


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
        kept, (method, is_surrogate) = _of_one_method(labels, [result.value for result in given])
        calculations = Origin(inputs=[_input_record(result) for result in given if result.value is not None])
        caveats = merge_caveats(result.value for result in given if isinstance(result.value, LabelDoc))
        return build_label_doc(
            batch,
            [_with_attempts(label, said) for label, said in zip(kept, attempts, strict=True)],
            label_method=method,
            is_surrogate=is_surrogate,
            record=describe_job([origin, calculations], caveats=caveats),
        )


def _outcome(result: Any) -> ResolvedReference:
    """What a labeller left, or None, and which job that was."""
    if isinstance(result, OutputName):
        return ResolvedReference(result.uuid, tuple(result.attributes), fetch(result, OnMissing.NONE))
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


def _of_one_method(
    labels: Sequence[Label | Failure], results: Sequence[TaskDoc | LabelDoc | None]
) -> tuple[list[Label | Failure], tuple[str, bool]]:
    """Labels of the method that made most of them, failures for the others; the method, and if it is a surrogate."""
    methods = [
        _method(result) if isinstance(label, Label) and result is not None else None
        for label, result in zip(labels, results, strict=True)
    ]
    counts = Counter(method for method in methods if method is not None)
    if not counts:
        return list(labels), ("none", False)
    ((chosen, _),) = counts.most_common(1)
    kept = [
        label if method in {None, chosen} else Failure(RejectionKind.WRONG_SETTINGS, _odd_method(method, chosen))
        for label, method in zip(labels, methods, strict=True)
    ]
    return kept, chosen


def _odd_method(method: tuple[str, bool] | None, chosen: tuple[str, bool]) -> str:
    said, usual = (f"{one[0]}{' (a surrogate)' if one[1] else ''}" for one in (method or ("none", False), chosen))
    return f"labelled by {said}, most frames of its chunk by {usual}; their energies cannot be mixed"


def _method(result: TaskDoc | LabelDoc) -> tuple[str, bool]:
    """What made a label, and whether that is a surrogate."""
    if isinstance(result, LabelDoc):
        return result.label_method, result.is_surrogate
    return task_settings(result).label_method, False


def _with_attempts(label: Label | Failure, attempts: Sequence[str]) -> Label | Failure:
    """A failure with the reasons of all attempts."""
    if not (isinstance(label, Failure) and attempts):
        return label
    reasons = enumerate([*attempts, label.reason], start=1)
    return Failure(label.kind, "; ".join(f"attempt {number}: {reason}" for number, reason in reasons))
