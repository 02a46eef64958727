"""Sampling: frames for labelling from molecular dynamics of many ordered structures.

Consumes the entries of a :class:`~disolyte.thermodynamics.schema.SelectionDoc` and a model; produces a
:class:`SampleDoc`.
"""

from disolyte.sampling.frames import (
    FrameChoice,
    FrameSelection,
    apply_strain,
    choose_frames,
    draw_strain,
    farthest_point_order,
    production_frames,
)
from disolyte.sampling.quotas import stratify
from disolyte.sampling.schema import FrameBatch, RunRecord, SampleDoc

__all__ = [
    "FrameBatch",
    "FrameChoice",
    "FrameSelection",
    "RunRecord",
    "SampleDoc",
    "apply_strain",
    "choose_frames",
    "draw_strain",
    "farthest_point_order",
    "production_frames",
    "stratify",
]
