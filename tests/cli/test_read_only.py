"""What a campaign found can be read from a folder that nobody can write to, and leaves no trace there."""

import json
import os
import subprocess

import pytest
from typer.testing import CliRunner

from disolyte.cli import app


@pytest.fixture
def read_only(tmp_path):
    """Make a folder read-only: by its mode, and for root, whom no mode stops, by a mount."""
    mounted = []

    def protect(folder):
        if os.getuid():
            folder.chmod(0o555)
            return
        for command in (["mount", "--bind"], ["mount", "-o", "remount,ro,bind"]):
            done = subprocess.run([*command, str(folder), str(folder)], check=False, capture_output=True)
            if done.returncode:
                pytest.skip(f"may not mount a folder read-only: {done.stderr.decode().strip()}")
        mounted.append(folder)

    yield protect
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_status_and_results(tmp_path, read_only):
    pytest.importorskip("secantus")
    folder, runner = tmp_path / "run", CliRunner()

    def run(*arguments):
        outcome = runner.invoke(app, [*arguments, "--folder", str(folder)])
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    assert runner.invoke(app, ["init", str(folder), "--embedded", "--no-input"]).exit_code == 0
    run("submit", "liybc", "--preset", "quickstart")
    read_only(folder)
    with pytest.raises(OSError, match="Read-only|denied"):
        (folder / "probe").touch()
    before = sorted(path.name for path in folder.iterdir())
    assert json.loads(run("status", "--json"))["n_jobs"] == 18
    assert json.loads(run("results", "--json")) == []
    for command in (["work"], ["rerun"], ["cancel", "--yes"]):
        outcome = runner.invoke(app, [*command, "--folder", str(folder)])
        assert outcome.exit_code == 1, "a change of the copy would be lost"
        assert "cannot write to the run folder" in " ".join(outcome.output.split())
    assert sorted(path.name for path in folder.iterdir()) == before
