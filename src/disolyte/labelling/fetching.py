"""What a running job takes from the job store by itself."""

from __future__ import annotations

from typing import Any, Final

from jobflow import CURRENT_JOB, JobConfig, OnMissing, OutputReference

from disolyte.errors import StoreError
from disolyte.labelling.frames import Frames, FrameWindow, OutputName, select_frames, to_frame_batch
from disolyte.sampling.schema import FrameBatch, SampleDoc

FETCHES: Final = JobConfig(expose_store=True)
"""Configuration of a job that calls :func:`fetch_frames`."""

TOLERATES: Final = JobConfig(on_missing_references=OnMissing.NONE, expose_store=True)
"""The same for a job that also goes on where a job before it failed."""


def fetch(name: OutputName, on_missing: OnMissing = OnMissing.ERROR) -> Any:
    """What a running job knows by name.

    Raises
    ------
    StoreError
        If the job's configuration does not expose the store.
    """
    if CURRENT_JOB.store is None:
        raise StoreError("what is known by name needs the job store; set expose_store in the job's configuration")
    attributes = tuple((kind, part) for kind, part in name.attributes)
    return OutputReference(name.uuid, attributes).resolve(CURRENT_JOB.store, on_missing=on_missing)


def fetch_frames(frames: Frames | FrameWindow) -> tuple[FrameBatch, list[SampleDoc]]:
    """Frames a running job was given, and the sample they are from, if that is known.

    Raises
    ------
    StoreError
        If a window's sample is not in the job store.
    """
    if not isinstance(frames, FrameWindow):
        return to_frame_batch(frames), [frames] if isinstance(frames, SampleDoc) else []
    sample = fetch(frames)
    batch = select_frames(to_frame_batch(sample), range(frames.start, frames.stop))
    return batch, [sample] if isinstance(sample, SampleDoc) else []
