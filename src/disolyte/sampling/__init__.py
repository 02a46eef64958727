"""Sampling: frames for labelling from molecular dynamics of many ordered structures.

Consumes the entries of a :class:`~disolyte.thermodynamics.schema.SelectionDoc` and a model; produces a
:class:`SampleDoc`.
"""

from disolyte.sampling.frames import FrameChoice, apply_strain, choose_frames, draw_strain, production_frames
from disolyte.sampling.schema import FrameBatch, RunRecord, SampleDoc

__all__ = [
    "FrameBatch",
    "FrameChoice",
    "RunRecord",
    "SampleDoc",
    "apply_strain",
    "choose_frames",
    "draw_strain",
    "production_frames",
]
