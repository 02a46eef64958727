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
from pymongo.errors import OperationFailure

from disolyte.errors import ResultsError

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


def work_and_crash(disturbed, point):
    """Work on a campaign with a worker that dies at a point of :func:`makers_for_faults.crash_at`."""
    from disolyte.cli.session import open_campaign

    with open_campaign(disturbed.folder) as campaign:
        code = (
            "import sys; import makers_for_faults; makers_for_faults.crash_at(sys.argv[1]);"
            "from fireworks import FWorker, LaunchPad; from fireworks.core.rocket_launcher import rapidfire;"
            "rapidfire(LaunchPad.from_file(sys.argv[2]), FWorker(sys.argv[3], 'cpu'), m_dir='.')"
        )
        files = campaign.files
        command = [sys.executable, "-c", code, point, str(files.launchpad_file), f"{campaign.worker_prefix}1-cpu"]
        environment = {**os.environ, "JOBFLOW_CONFIG_FILE": str(files.jobflow_file)}
        files.launches.mkdir()
        done = subprocess.run(
            command, cwd=files.launches, env=environment, check=False, capture_output=True, timeout=60
        )
        assert done.returncode == 9, done.stderr.decode()


@pytest.mark.parametrize("point", ["launch written", "some jobs written", "jobs written"])
def test_worker_dies_between_the_writes_that_end_a_job(disturbed, undisturbed, point):
    """The job is finished: its result is applied from its launch, and it does not run again."""
    disturbed.submit(makers.spread_flow(seconds=0.0))
    work_and_crash(disturbed, point)

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
        disturbed.wait_for(lambda: disturbed.database().fireworks.find_one({"name": "last", "state": "COMPLETED"}))
        assert disturbed.pid("worker") == pid
        assert psutil.pid_exists(pid)
    found, launches = disturbed.findings()
    assert found == undisturbed
    assert done.items() <= launches.items()


def test_worker_outlasts_a_lock_of_nobody(disturbed, undisturbed):
    """The database granted a lock, and died before it said so: the worker would wait for itself."""
    from disolyte.cli.session import open_campaign

    disturbed.submit(makers.spread_flow())
    with open_campaign(disturbed.folder) as campaign:
        campaign.start_workers(["cpu"], threads=1)
        disturbed.wait_for(lambda: len(disturbed.completed()) > 1)
        workflows = disturbed.database().workflows
        disturbed.wait_for(
            lambda: workflows.update_one({"locked": {"$exists": False}}, {"$set": {"locked": True}}).modified_count
        )
        disturbed.wait_for(lambda: disturbed.database().fireworks.find_one({"name": "last", "state": "COMPLETED"}))
    found, launches = disturbed.findings()
    assert found == undisturbed
    assert set(launches.values()) == {1}


@pytest.mark.parametrize(
    "what", ["running on paper", "ended on its launch alone", "failed for the database", "written twice"]
)
def test_idle_worker_puts_right_what_it_lost(disturbed, undisturbed, what):
    """Between worker and database one answer is lost, and neither of them ends."""
    from disolyte.cli.session import open_campaign

    disturbed.submit(makers.spread_flow(seconds=0.0))
    work_and_crash(disturbed, "launch written")
    with open_campaign(disturbed.folder) as campaign:
        database = disturbed.database()
        lost = database.fireworks.find_one({"name": "spread"})
        assert lost["state"] == "RUNNING"
        launch = {"launch_id": lost["launches"][-1], "fworker.name": f"{campaign.worker_prefix}1-cpu"}
        error = (
            "gridfs.errors.FileExists: exists" if what == "written twice" else "pymongo.errors.AutoReconnect: closed"
        )
        traceback = f"Traceback (most recent call last):\n{error}: text\n"
        changes = {
            "running on paper": {"state": "RUNNING"},
            "ended on its launch alone": {"state": "COMPLETED"},
            "failed for the database": {
                "state": "FIZZLED",
                "action.stored_data": {"_exception": {"_stacktrace": traceback}},
            },
        }[what.replace("written twice", "failed for the database")]
        assert database.launches.update_one(launch, {"$set": changes}).matched_count == 1
        if changes["state"] == "FIZZLED":
            campaign.launchpad()._refresh_wf(lost["fw_id"])
            assert database.fireworks.find_one({"name": "spread"})["state"] == "FIZZLED"
        database.workflows.update_many({}, {"$unset": {"locked": True}})
        campaign.start_workers(["cpu"], threads=1)
        disturbed.wait_for(lambda: disturbed.database().fireworks.find_one({"name": "last", "state": "COMPLETED"}))
    found, launches = disturbed.findings()
    assert found == undisturbed
    assert launches[lost["fw_id"]] == (1 if what == "ended on its launch alone" else 2)


def test_store_that_refuses_writes_for_a_while(disturbed, undisturbed):
    """The server answers, but each write with an error: a full disk of its own, or rights that were taken away."""
    from disolyte.cli.session import open_campaign

    disturbed.submit(makers.spread_flow())
    with open_campaign(disturbed.folder) as campaign:
        campaign.registry.stop("database")
        command = [sys.executable, "-m", "secantus", "--port", str(campaign.database.port), "--enable-test-commands"]
        command += ["--storage-path", str(campaign.files.storage), "--log-level", "ERROR"]
        campaign.registry.start("database", command, cwd=disturbed.folder)
        disturbed.wait_for(lambda: disturbed.database().command("ping"))
        campaign.start_workers(["cpu"], threads=1)
        disturbed.wait_for(lambda: len(disturbed.completed()) > 1)
        done, admin = disturbed.completed(), disturbed.database().client.admin
        refusal = {"failCommands": ["insert", "update", "delete", "findAndModify"], "errorCode": 14031}
        admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=refusal)
        with pytest.raises(OperationFailure):
            disturbed.database().probe.insert_one({})
        time.sleep(5)
        admin.command("configureFailPoint", "failCommand", mode="off")
        going = {"state": {"$in": ["READY", "RESERVED", "RUNNING"]}}
        disturbed.wait_for(lambda: not disturbed.database().fireworks.count_documents(going), 90)
    found, launches = disturbed.finish()
    assert found == undisturbed
    assert done.items() <= launches.items()


def test_lost_job_of_a_worker_elsewhere_is_found_and_runs_again(disturbed, undisturbed):
    """A plain rlaunch is killed; FireWorks thinks that its job runs, until it has been silent for long enough."""
    from disolyte.cli.session import open_campaign

    disturbed.submit(makers.spread_flow(seconds=2.0))
    with open_campaign(disturbed.folder) as campaign:
        files = campaign.files
        files.launches.mkdir(exist_ok=True)
        rlaunch = [str(Path(sys.executable).parent / "rlaunch"), "-l", str(files.launchpad_file)]
        rlaunch += ["-w", str(files.fworker_file("cpu")), "rapidfire"]
        environment = {**os.environ, "JOBFLOW_CONFIG_FILE": str(files.jobflow_file)}
        worker = psutil.Popen(rlaunch, cwd=files.launches, env=environment, stdout=subprocess.DEVNULL, stderr=-3)
        disturbed.wait_for(lambda: disturbed.database().fireworks.find_one({"name": "first", "state": "RUNNING"}))
        worker.kill()
        worker.wait(10)
        done = disturbed.completed()
    assert "Nothing has failed" in disturbed.run("rerun"), "it may run elsewhere still"
    time.sleep(1)
    assert "1 jobs are ready" in disturbed.run("rerun", "--lost-after", "0")
    found, launches = disturbed.finish()
    assert found == undisturbed
    assert done.items() <= launches.items()


def test_half_written_blob_is_not_taken_for_whole(disturbed):
    """The worker dies while 10 MB go into the store: readers are refused, and the next run writes them whole."""
    from disolyte.cli.session import open_campaign
    from disolyte.results import Results

    disturbed.submit(makers.PieceMaker(name="big", seconds=0.0, size=1_000_000).make(1))
    work_and_crash(disturbed, "blob half written")
    with open_campaign(disturbed.folder) as campaign:
        database = disturbed.database()
        assert database["outputs_blobs.chunks"].count_documents({}) > 0
        assert database["outputs_blobs.files"].count_documents({}) == 0
        results = Results(campaign.job_store(), campaign.name)
        assert len(results.documents(makers.PieceDoc)) == 1, "jobflow writes a document before its blobs"
        with pytest.raises(ResultsError, match="is not whole"):
            results.documents(makers.PieceDoc, load=True)
    found, _ = disturbed.finish()
    ((value, _, _),) = found.values()
    assert value == 2


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 600 MB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"may not mount a small disk: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(disturbed, undisturbed, small_disk):
    """The disk fills up while jobs run; with space again, the campaign ends as if nothing had been."""
    disturbed.folder = small_disk / "run"
    disturbed.submit(makers.spread_flow())
    launcher = disturbed.work()
    disturbed.wait_for(lambda: len(disturbed.completed()) > 1)
    filler = small_disk / "filler"
    with filler.open("wb") as stream, pytest.raises(OSError, match="No space"):
        while True:
            stream.write(b"0" * 2**20)
            stream.flush()
    try:
        code = launcher.wait(20)
    except psutil.TimeoutExpired:
        launcher.terminate()
        code = launcher.wait(30)
    assert code != 0
    refused = disturbed.run("rerun", check=False)
    assert "cannot write to the run folder" in refused or "MB are free" in refused
    filler.unlink()
    found, _ = disturbed.finish()
    assert found == undisturbed
