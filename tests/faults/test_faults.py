"""Nothing is lost: real processes, killed at random moments, and the documents are those of an undisturbed run."""

import importlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))
makers = importlib.import_module("makers_for_faults")


@pytest.mark.parametrize("victim", ["worker", "launcher", "database"])
def test_killed_at_random_moments(disturbed, undisturbed, victim):
    disturbed.submit(makers.spread_flow())
    launcher = disturbed.work()
    disturbed.wait_for(disturbed.completed)
    time.sleep(random.uniform(0.0, 1.5))
    done = disturbed.completed()
    psutil.Process(launcher.pid if victim == "launcher" else disturbed.pid(victim)).kill()
    assert launcher.wait(60) != 0, "the kill came too late"

    found, launches = disturbed.finish()
    assert found == undisturbed
    assert done.items() <= launches.items(), "a finished job ran twice"


@pytest.mark.parametrize("point", ["launch written", "some jobs written", "jobs written"])
def test_worker_dies_between_the_writes_that_end_a_job(disturbed, undisturbed, point):
    """The job is finished: its result is applied from its launch, and it does not run again."""
    disturbed.submit(makers.spread_flow(seconds=0.0))
    from disolyte.cli.session import open_campaign

    with open_campaign(disturbed.folder) as campaign:
        code = (
            "import sys; import makers_for_faults; makers_for_faults.crash_at(sys.argv[1]);"
            "from fireworks import FWorker, LaunchPad; from fireworks.core.rocket_launcher import rapidfire;"
            "rapidfire(LaunchPad.from_file(sys.argv[2]), FWorker('crashing', 'cpu'), m_dir='.')"
        )
        files = campaign.files
        command = [sys.executable, "-c", code, point, str(files.launchpad_file)]
        environment = {**os.environ, "JOBFLOW_CONFIG_FILE": str(files.jobflow_file)}
        files.launches.mkdir()
        done = subprocess.run(
            command, cwd=files.launches, env=environment, check=False, capture_output=True, timeout=60
        )
        assert done.returncode == 9, done.stderr.decode()

    found, launches = disturbed.finish()
    assert found == undisturbed
    assert set(launches.values()) == {1}


def test_store_that_stands_still_delays_and_loses_nothing(disturbed, undisturbed):
    """A stopped server takes no writes and refuses none: all wait for it."""
    disturbed.submit(makers.spread_flow())
    launcher = disturbed.work()
    disturbed.wait_for(lambda: len(disturbed.completed()) > 1)
    server = psutil.Process(disturbed.pid("database"))
    server.send_signal(signal.SIGSTOP)
    time.sleep(5)
    server.send_signal(signal.SIGCONT)
    assert launcher.wait(90) == 0, (disturbed.folder / "work.log").read_text()[-3000:]
    found, launches = disturbed.findings()
    assert found == undisturbed
    assert set(launches.values()) == {1}


def test_workers_outlast_a_store_that_refuses(disturbed, undisturbed):
    """The server is killed and comes back; the workers wait, and run again what they could not write."""
    from disolyte.cli.session import open_campaign
    from disolyte.workers.database import start_embedded

    disturbed.submit(makers.spread_flow())
    with open_campaign(disturbed.folder) as campaign:
        campaign.start_workers(["cpu"], threads=1)
        pid = disturbed.pid("worker")
        disturbed.wait_for(lambda: len(disturbed.completed()) > 1)
        done = disturbed.completed()
        psutil.Process(disturbed.pid("database")).kill()
        time.sleep(4)
        start_embedded(campaign.registry, campaign.database.port)
        disturbed.wait_for(lambda: disturbed.database().fireworks.find_one({"name": "last", "state": "COMPLETED"}), 90)
        assert disturbed.pid("worker") == pid
        assert psutil.pid_exists(pid)
    found, launches = disturbed.findings()
    assert found == undisturbed
    assert done.items() <= launches.items()
