"""What the terminal shows while a campaign runs: stages, jobs done and in all, time left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from disolyte.workers.folder import StageCost
from disolyte.workers.jobs import SET_ASIDE, JobState

STAGE_TITLES: dict[str, str] = {
    "enumeration": "enumerate orderings",
    "thermodynamics": "rank, select, phase diagram",
    "sampling": "sample by MD",
    "labelling": "label frames",
    "finetuning": "fine-tune MACE",
    "diffusion": "diffusion MD",
}


PRIOR_S: Final = 60.0
"""Weight of the expected costs against those measured, in seconds."""
LINE_INTERVAL_S: Final = 30.0
"""Without a terminal, a line is written at least so often."""


@dataclass
class ProgressDisplay:
    """A table that keeps itself up to date on a terminal, and lines where there is none.

    Parameters
    ----------
    console
        Where to draw.
    expected
        Expected cost of each stage, for stages whose jobs do not exist yet and for the time left.
    n_workers
        Workers that share the jobs of a stage.
    """

    console: Console
    expected: Mapping[str, StageCost]
    n_workers: int = 1
    _start: float = field(default_factory=time.monotonic, init=False)
    _began: dict[str, float] = field(default_factory=dict, init=False)
    _took: dict[str, float] = field(default_factory=dict, init=False)
    _line: str = field(default="", init=False)
    _printed: float = field(default=0.0, init=False)
    _live: Live | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=2, transient=False)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def update(self, jobs: Sequence[JobState]) -> None:
        """Show the states of all jobs."""
        unforeseen = dict.fromkeys(job.stage for job in jobs if job.stage not in self.expected)
        if unforeseen:
            # Flows that were not made from a plan, and stages that their makers added.
            self.expected = {**self.expected, **dict.fromkeys(unforeseen, StageCost(n_jobs=1, seconds=0.0))}
        if self._live is not None:
            self._live.update(self._table(jobs))
            return
        rows = [self._row(stage, jobs) for stage in self.expected]
        counts = ", ".join(f"{title} {done}/{total}" for title, done, total, *_ in rows)
        if counts != self._line or time.monotonic() - self._printed > LINE_INTERVAL_S:
            self._line, self._printed = counts, time.monotonic()
            line = f"{self._elapsed()}  {counts}; {self._time_left(jobs)} left"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _row(self, stage: str, jobs: Sequence[JobState]) -> tuple[str, int, int, int, int]:
        states = [job.state for job in jobs if job.stage == stage]
        total = max(len(states), self.expected[stage].n_jobs)
        return (
            STAGE_TITLES.get(stage, stage),
            states.count("COMPLETED") + states.count(SET_ASIDE),
            total,
            states.count("RUNNING"),
            states.count("FIZZLED"),
        )

    def _table(self, jobs: Sequence[JobState]) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for stage in self.expected:
            title, done, total, running, failed = self._row(stage, jobs)
            style = "red" if failed else "green" if done == total else "yellow" if running else "dim"
            note = f"{failed} failed" if failed else "done" if done == total else "running" if running else ""
            bar = ProgressBar(total=total, completed=done, width=28, complete_style=style, finished_style=style)
            table.add_row(
                Text(title, style=style), bar, Text(f"{done}/{total}", justify="right"), Text(note, style=style)
            )
        return Group(table, Text(f"{self._elapsed()} elapsed, {self._time_left(jobs)} left", style="dim"))

    def _elapsed(self) -> str:
        return _clock(time.monotonic() - self._start)

    def _time_left(self, jobs: Sequence[JobState]) -> str:
        """Expected costs of what is left, corrected by this machine's pace so far."""
        now = time.monotonic()
        for stage in self.expected:
            _, done, total, running, _ = self._row(stage, jobs)
            if running and (done == 0 or stage in self._began):
                self._began.setdefault(stage, now)
            if done == total and stage in self._began:
                self._took.setdefault(stage, now - self._began[stage])
        expected = sum(self._expected_s(stage) for stage in self._took)
        pace = (sum(self._took.values()) + PRIOR_S) / (expected + PRIOR_S)
        left = sum(self._seconds_left(stage, jobs, pace, now) for stage in self.expected)
        return f"about {_clock(left)}"

    def _expected_s(self, stage: str) -> float:
        cost = self.expected[stage]
        return cost.seconds / max(1, min(self.n_workers, cost.n_jobs))

    def _seconds_left(self, stage: str, jobs: Sequence[JobState], pace: float, now: float) -> float:
        _, done, total, running, _ = self._row(stage, jobs)
        whole = self._expected_s(stage) * pace
        by_jobs = whole * (1 - done / total)
        if not running or stage not in self._began:
            return by_jobs
        elapsed = now - self._began[stage]
        # Beyond its expected cost a stage is likely to take a while yet.
        return min(by_jobs, whole - elapsed) if elapsed < 0.8 * whole else max(0.25 * elapsed, 0.2 * whole)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
