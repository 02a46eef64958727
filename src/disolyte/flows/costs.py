"""What a flow is expected to cost, for progress displays and plans."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageCost:
    """Jobs of a stage, and what they take together on two cores."""

    n_jobs: int
    seconds: float
