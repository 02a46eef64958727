"""What the terminal shows while a campaign runs: stages, jobs done and in all, time left."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from disolyte.flows.costs import StageCost
from disolyte.workers.campaign import JobState

STAGE_TITLES: dict[str, str] = {
    "enumeration": "enumerate orderings",
    "thermodynamics": "rank, select, phase diagram",
    "sampling": "sample by MD",
    "labelling": "label frames",
    "finetuning": "fine-tune MACE",
    "diffusion": "diffusion MD",
}


@dataclass
class ProgressDisplay:
    """A table that keeps itself up to date on a terminal, and lines where there is none.

    Parameters
    ----------
    console
        Where to draw.
    expected
        Expected cost of each stage, for stages whose jobs do not exist yet and for the time left.
    """

    console: Console
    expected: Mapping[str, StageCost]
    _start: float = field(default_factory=time.monotonic, init=False)
    _done_before: float | None = field(default=None, init=False)
    _line: str = field(default="", init=False)
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
        if self._live is not None:
            self._live.update(self._table(jobs))
            return
        rows = [self._row(stage, jobs) for stage in self.expected]
        counts = ", ".join(f"{title} {done}/{total}" for title, done, total, *_ in rows)
        if counts != self._line:
            self._line = counts
            line = f"{self._elapsed()}  {counts}; {self._time_left(jobs)} left"
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _row(self, stage: str, jobs: Sequence[JobState]) -> tuple[str, int, int, int, int]:
        states = [job.state for job in jobs if job.stage == stage]
        total = max(len(states), self.expected[stage].n_jobs)
        return (
            STAGE_TITLES.get(stage, stage),
            states.count("COMPLETED"),
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
        done = whole = 0.0
        for stage, cost in self.expected.items():
            _, n_done, n_all, n_running, _ = self._row(stage, jobs)
            done += cost.seconds * (n_done + 0.3 * n_running) / n_all
            whole += cost.seconds
        if self._done_before is None:
            self._done_before = done
        elapsed, gained = time.monotonic() - self._start, done - self._done_before
        # Trust the expected costs at first, this machine's pace as it shows.
        weight = min(gained / whole * 2, 1.0)
        pace = weight * (elapsed / gained) + (1 - weight) if gained > 0 else 1.0
        return f"about {_clock(max(whole - done, 0.0) * pace)}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
