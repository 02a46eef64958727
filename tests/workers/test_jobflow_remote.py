"""The same flow and roles through jobflow-remote, with a local worker for each role."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from disolyte.workers.database import start_embedded
from disolyte.workers.processes import ProcessRegistry

CHILD = Path(__file__).parent / "jobflow_remote_child.py"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jobflow_remote") is None, reason="jobflow-remote is not installed")
def test_every_job_runs_on_the_worker_of_its_role(tmp_path):
    pytest.importorskip("secantus")
    # qtoolkit cannot read the kernel's threads that root sees: root gets a world of its own processes.
    command = [sys.executable, str(CHILD), str(tmp_path / "project")]
    if os.getuid() == 0:
        if shutil.which("unshare") is None:
            pytest.skip("run as root, and there is no unshare")
        command = ["unshare", "--pid", "--fork", "--mount-proc", *command]
    (tmp_path / "project").mkdir()
    registry = ProcessRegistry(tmp_path)
    try:
        database = start_embedded(registry)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            [*command, database.uri], env=environment, check=False, capture_output=True, text=True, timeout=300
        )
    finally:
        registry.stop_all()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [job for job in found["jobs"] if job["state"] != "COMPLETED"] == []
    expected = {"heavy": "big", "light": "small", "fan out": "small", "store_inputs": "small"}
    assert [job for job in found["jobs"] if job["worker"] != expected[job["name"]]] == []
    assert {job["name"] for job in found["jobs"]} == set(expected), "jobs made by jobs are among them"
    assert found["output"] == 3
