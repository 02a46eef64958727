"""Figures and report of a campaign that still runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from disolyte.cli.reporting import write_results
from disolyte.errors import DisolyteError
from disolyte.workers.campaign import Campaign
from disolyte.workers.jobs import JobState

DRAWN_STAGES: Final = frozenset({"thermodynamics", "finetuning", "diffusion"})
"""Stages whose jobs make something to draw."""
REST: Final = 10.0
"""Writing is followed by a rest so many times as long as it took: watching comes first, and the workers' processors."""


@dataclass
class InterimReport:
    """What :func:`write_results` writes at the end, written anew as a campaign finds more.

    Parameters
    ----------
    campaign
        The campaign.
    """

    campaign: Campaign
    _n_done: int = field(default=0, init=False)
    _rests_until: float = field(default=0.0, init=False)

    def update(self, jobs: Sequence[JobState]) -> list[Path]:
        """Write what can be drawn by now, if that may be more than before; return figures that were not there yet."""
        n_done = sum(job.state == "COMPLETED" and job.stage in DRAWN_STAGES for job in jobs)
        start = time.monotonic()
        if n_done == self._n_done or start < self._rests_until:
            return []
        before = self._figures()
        try:
            write_results(self.campaign)
            self._n_done = n_done
        except (DisolyteError, PyMongoError, OSError):
            pass  # A document that is half written, or a database that is away, is met again after the rest.
        now = time.monotonic()
        self._rests_until = now + REST * (now - start)
        return sorted(self._figures() - before)

    def _figures(self) -> set[Path]:
        return set((self.campaign.folder / "figures").glob("*.png"))
