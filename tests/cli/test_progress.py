"""What the progress display says."""

import io
import re
from types import SimpleNamespace

from rich.console import Console

from disolyte.cli import interim, progress
from disolyte.cli.interim import InterimReport
from disolyte.cli.progress import ProgressDisplay
from disolyte.errors import ResultsError
from disolyte.workers.folder import StageCost
from disolyte.workers.jobs import JobState

COSTS = {"sampling": StageCost(n_jobs=2, seconds=100.0), "diffusion": StageCost(n_jobs=4, seconds=300.0)}


def jobs(sampling, diffusion):
    states = [("sampling", state) for state in sampling] + [("diffusion", state) for state in diffusion]
    return [JobState(i, stage, state, stage, None) for i, (stage, state) in enumerate(states)]


def seconds_left(line):
    minutes, seconds = re.search(r"about (\d+):(\d+) left", line).groups()
    return 60 * int(minutes) + int(seconds)


def test_lines_without_a_terminal(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    output = io.StringIO()
    with ProgressDisplay(Console(file=output, width=200), COSTS) as display:
        display.update(jobs(["RUNNING", "WAITING"], []))
        clock[0] = 10.0
        display.update(jobs(["RUNNING", "WAITING"], []))
        clock[0] = 200.0
        display.update(jobs(["COMPLETED", "COMPLETED"], ["RUNNING"]))
    first, second = output.getvalue().splitlines()
    assert "sample by MD 0/2, diffusion MD 0/4" in first
    assert seconds_left(first) == 400
    assert "sample by MD 2/2, diffusion MD 0/4" in second
    assert seconds_left(second) == int(300 * (200 + 60) / (100 + 60)), "twice as slow as expected so far"


def test_table_on_a_terminal():
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=100, color_system=None)
    with ProgressDisplay(console, COSTS) as display:
        display.update(jobs(["COMPLETED", "FIZZLED"], []))
    text = output.getvalue()
    assert "1 failed" in text
    assert "1/2" in text
    assert "elapsed" in text


def test_figures_are_written_as_soon_as_there_is_something_new_to_draw(monkeypatch, tmp_path):
    clock, written, to_draw = [0.0], [], []

    def write(campaign):
        clock[0] += 2.0
        if to_draw == ["half"]:
            raise ResultsError("a document is not whole")
        (campaign.folder / "figures").mkdir(exist_ok=True)
        for name in to_draw:
            (campaign.folder / "figures" / f"{name}.png").touch()
        written.append(list(to_draw))

    monkeypatch.setattr(interim.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(interim, "write_results", write)
    report = InterimReport(SimpleNamespace(folder=tmp_path))

    def update(n_sampled, n_diffused):
        return [file.stem for file in report.update(jobs(["COMPLETED"] * n_sampled, ["COMPLETED"] * n_diffused))]

    assert update(3, 0) == []
    assert written == [], "samples are not drawn"
    to_draw[:] = ["stability"]
    assert update(3, 1) == ["stability"]
    to_draw[:] = ["half"]
    assert update(3, 2) == []
    assert len(written) == 1, "it rests"
    clock[0] += 100
    assert update(3, 2) == [], "a document that is half written stops nothing"
    clock[0] += 100
    to_draw[:] = ["stability", "arrhenius"]
    assert update(3, 2) == ["arrhenius"], "it is tried again"
    clock[0] += 100
    assert update(3, 2) == []
    assert len(written) == 2, "nothing is new"
