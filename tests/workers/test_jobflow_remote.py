"""The same flows and roles through jobflow-remote, with a local worker for each role.

jobflow-remote wants another pymongo than atomate2's newest, so it has an environment of its own; the tests are skipped
where it is not installed.
"""

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

HERE = Path(__file__).parent
FAN_OUT = HERE / "makers_for_routing.py"
WHOLE = HERE.parent / "flows" / "miniature.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jobflow_remote") is None, reason="jobflow-remote is not installed"),
]


def run(folder, target):
    """What the child prints, once all jobs are done."""
    pytest.importorskip("secantus")
    # qtoolkit cannot read the kernel's threads that root sees: root gets a world of its own processes.
    command = [sys.executable, str(HERE / "jobflow_remote_child.py"), str(folder / "project")]
    if os.getuid() == 0:
        if shutil.which("unshare") is None:
            pytest.skip("run as root, and there is no unshare")
        command = ["unshare", "--pid", "--fork", "--mount-proc", *command]
    (folder / "project").mkdir()
    registry = ProcessRegistry(folder)
    try:
        uri = start_embedded(registry).uri
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            [*command, uri, target], env=environment, check=False, capture_output=True, text=True, timeout=1600
        )
    finally:
        registry.stop_all()
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [job for job in found["jobs"] if job["state"] != "COMPLETED"] == []
    assert [job for job in found["jobs"] if job["worker"] != f"{job['role']}_worker"] == []
    return found


def test_every_job_of_a_fan_out_runs_on_the_worker_of_its_role(tmp_path):
    found = run(tmp_path, f"{FAN_OUT}:fan_out_flow")
    roles = {job["name"]: job["role"] for job in found["jobs"]}
    assert roles == {"heavy": "gpu", "light": "cpu", "fan out": "cpu", "store_inputs": "cpu"}
    assert len(found["jobs"]) == 5


def test_every_job_of_the_whole_pipeline_runs_on_the_worker_of_its_role(tmp_path):
    found = run(tmp_path, f"{WHOLE}:miniature_flow")
    assert len(found["jobs"]) == found["n_static"] + 7, "two batches and their join, three chunks and theirs"
    on_gpu = {job["name"].rstrip(" 0123456789/") for job in found["jobs"] if job["role"] == "gpu"}
    assert {"sample with MACE MD", "CHGNet r2SCAN static", "fine-tune model", "diffusion MD"} <= on_gpu
