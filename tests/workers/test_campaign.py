"""Campaigns on a real LaunchPad, in a real database, by real worker processes."""

import importlib
import os
import stat
import sys
import time
from pathlib import Path

import psutil
import pytest
from jobflow import Flow

from disolyte.errors import RunFolderError, StoreError, WorkerError
from disolyte.ownership import own_folder
from disolyte.workers.campaign import Campaign
from disolyte.workers.database import Database, start_embedded
from disolyte.workers.processes import ProcessRegistry
from disolyte.workers.routing import assign_workers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
makers = importlib.import_module("makers_for_routing")


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    pytest.importorskip("secantus")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    folder = tmp_path / "run"
    with own_folder(folder):
        registry = ProcessRegistry(folder)
        campaign = Campaign("test", folder, start_embedded(registry))
        campaign.write_configuration()
        yield campaign
        registry.stop_all()


def finish(campaign, timeout_s=90):
    deadline = time.monotonic() + timeout_s
    for _ in campaign.watch(poll_s=0.2):
        assert time.monotonic() < deadline, campaign.jobs()
    return campaign.jobs()


def test_categories_and_documents_through_two_workers(campaign):
    first = makers.FanOutMaker(depth=1).make(1)
    flow = assign_workers(Flow([first]), {"cpu": {"_category": "cpu"}, "gpu": {"_category": "gpu"}})
    campaign.submit(flow)
    campaign.start_workers(["cpu", "gpu"], threads=1)
    jobs = finish(campaign)

    assert len(jobs) == 10
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert all(job.category == ("gpu" if job.name == "heavy" else "cpu") for job in jobs)
    launches = campaign.launchpad().launches
    workers = {launch["fw_id"]: launch["fworker"]["name"] for launch in launches.find()}
    assert {workers[job.fw_id] for job in jobs if job.category == "gpu"} == {"test-worker-2-gpu"}
    assert {workers[job.fw_id] for job in jobs if job.category == "cpu"} == {"test-worker-1-cpu"}
    assert campaign.job_store().get_output(first.uuid) == 3

    with pytest.raises(WorkerError, match="on the LaunchPad already"):
        campaign.submit(Flow([makers.LightMaker().make(1)]))


def test_killed_worker_and_database_lose_nothing(campaign):
    flag = campaign.folder / "flag"
    before = makers.LightMaker().make(2.0)
    waiter = makers.WaitMaker().make(str(flag), before.output)
    after = makers.LightMaker().make(waiter.output)
    campaign.submit(Flow([before, waiter, after]))
    campaign.start_workers(["any"], threads=1)
    for jobs in campaign.watch(poll_s=0.1):
        if any(job.name == "wait" and job.state == "RUNNING" for job in jobs):
            break
    done_before = {job.fw_id for job in campaign.jobs() if job.state == "COMPLETED"}
    for name in ("worker-1-any", "database"):
        victim = psutil.Process(int(campaign.registry._read()[name][0]))
        victim.kill()
        victim.wait(10)

    assert len(done_before) == 1
    assert campaign.registry.stop_all() == []
    again = Campaign("test", campaign.folder, start_embedded(campaign.registry))
    again.write_configuration()
    assert len(again.recover().rerun) == 1
    flag.touch()
    again.start_workers(["any"], threads=1)
    jobs = finish(again)

    assert {job.state for job in jobs} == {"COMPLETED"}
    launches = again.launchpad().launches
    assert all(launches.count_documents({"fw_id": fw_id}) == 1 for fw_id in done_before)
    waits = list(launches.find({"fw_id": next(job.fw_id for job in jobs if job.name == "wait")}))
    assert len({launch["launch_dir"] for launch in waits}) == 1, "a job goes on in its old folder"
    assert again.job_store().get_output(after.uuid) == 4.0


def test_dead_worker_is_reported(campaign):
    campaign.submit(Flow([makers.WaitMaker().make(str(campaign.folder / "never"), 0)]))
    campaign.start_workers(["any"], threads=1)
    with pytest.raises(WorkerError, match="worker-1-any has ended unexpectedly"):
        for count, _ in enumerate(campaign.watch(poll_s=0.2)):
            if count == 3:
                psutil.Process(int(campaign.registry._read()["worker-1-any"][0])).kill()


def test_a_job_that_costs_three_workers_is_set_down_as_failed(campaign):
    campaign.submit(Flow([makers.DeadlyMaker().make()]))
    for time_of_death in (1, 2, 3):
        campaign.start_workers(["any"], threads=1)
        with pytest.raises(WorkerError, match=f"while it ran 'deadly' in .*worker number {time_of_death} to die of it"):
            finish(campaign)
        campaign.recover(failed=False)
    (failure,) = campaign.failures()
    assert failure.error == "WorkerError: 3 workers died while they ran it; was the memory used up?"
    assert [job.state for job in campaign.jobs()] == ["FIZZLED"]


def test_a_job_that_fails_for_the_database_each_time_is_left_in_the_end(campaign):
    campaign.submit(Flow([makers.TwiceWrittenMaker().make()]))
    campaign.start_workers(["any"], threads=1)
    launches = campaign.launchpad().launches
    deadline = time.monotonic() + 60
    while launches.count_documents({"state": "FIZZLED"}) < 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3)
    assert launches.count_documents({}) == 4
    (failure,) = campaign.failures()
    assert failure.error == "DuplicateKeyError: there is one already"


def test_failed_job_keeps_its_traceback_and_runs_again(campaign):
    flag = campaign.folder / "flag"
    campaign.submit(Flow([makers.NeedsFileMaker().make(str(flag))]))
    campaign.start_workers(["any"], threads=1)
    assert [job.state for job in finish(campaign)] == ["FIZZLED"]
    (failure,) = campaign.failures()
    assert (failure.name, failure.error.split(":")[0]) == ("needs file", "FileNotFoundError")
    assert "Traceback" in failure.traceback
    flag.write_text("here")
    assert len(campaign.recover().rerun) == 1
    assert [job.state for job in finish(campaign)] == ["COMPLETED"]


def test_workers_of_two_machines_on_one_database_have_different_names(tmp_path, monkeypatch):
    """One machine that comes back must not take the other's running jobs for its own."""
    names = set()
    for machine in ("one", "two"):
        monkeypatch.setattr("socket.gethostname", lambda machine=machine: machine)
        names.add(Campaign("mine", tmp_path, Database("mongodb://db/lab")).worker_prefix)
    assert names == {"mine-one-worker-", "mine-two-worker-"}


def test_a_name_is_submitted_once_also_from_two_folders_at_the_same_time(campaign, tmp_path, monkeypatch):
    from fireworks import LaunchPad

    other = Campaign("test", tmp_path / "other", campaign.database)
    other.folder.mkdir()
    add_wf, refusals = LaunchPad.add_wf, []

    def add_while_another_submits(launchpad, workflow):
        monkeypatch.setattr(LaunchPad, "add_wf", add_wf)
        upserted = launchpad._upsert_fws(list(workflow.id_fw.values()), reassign_all=True)
        workflow._reassign_ids(upserted)
        with pytest.raises(WorkerError, match="is being submitted from .*/run on") as refusal:
            other.submit(Flow([makers.LightMaker().make(2)]))
        refusals.append(refusal)
        launchpad.workflows.insert_one(workflow.to_db_dict())

    monkeypatch.setattr(LaunchPad, "add_wf", add_while_another_submits)
    campaign.submit(Flow([makers.LightMaker().make(1)]))
    assert refusals
    assert len(campaign.jobs()) == 1
    with pytest.raises(WorkerError, match="is on the LaunchPad already"):
        other.submit(Flow([makers.LightMaker().make(2)]))


def test_claim_of_a_submission_that_may_go_on_is_taken_over_by_its_folder_alone(campaign, tmp_path):
    from disolyte.workers.claims import claimed_name

    killed = claimed_name(campaign.launchpad(), "test", campaign.folder)
    killed.__enter__()
    (tmp_path / "other").mkdir()
    with pytest.raises(WorkerError, match="is being submitted"):
        Campaign("test", tmp_path / "other", campaign.database).submit(Flow([makers.LightMaker().make(2)]))
    assert campaign.submit(Flow([makers.LightMaker().make(1)])) == 1


@pytest.fixture
def left_claim(campaign, tmp_path):
    """A submission from another folder that never ended; how to change what it left, and to submit the same name."""
    from disolyte.workers.claims import COLLECTION, claimed_name

    folder = tmp_path / "left"
    folder.mkdir()
    held = claimed_name(campaign.launchpad(), "test", folder)
    held.__enter__()
    claims = campaign.launchpad().db[COLLECTION]

    def change(**fields):
        claims.update_one({"_id": "test"}, {"$set": fields})
        return campaign.submit(Flow([makers.LightMaker().make(1)]))

    yield change
    claims.delete_many({})
    held.gen.close()


def test_claim_of_a_process_that_ended_is_taken_over(left_claim, campaign):
    from disolyte.workers.claims import COLLECTION

    ended = psutil.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    assert left_claim(pid=ended.pid) == 1
    assert list(campaign.launchpad().db[COLLECTION].find()) == []


def test_claim_of_another_process_of_the_same_id_is_taken_over(left_claim):
    assert left_claim(born=psutil.Process().create_time() - 60) == 1


def test_claim_of_a_folder_that_is_gone_is_taken_over_after_a_restart(left_claim, tmp_path):
    with pytest.raises(WorkerError, match="is being submitted from .*/left on"):
        left_claim(boot="before")
    (tmp_path / "left").rmdir()
    assert left_claim() == 1


def test_claims_of_other_machines_are_left_alone(left_claim, tmp_path):
    (tmp_path / "left").rmdir()
    for fields in ({"host": "elsewhere"}, {"pid": 2**22 + 1}, {"boot": "other"}):
        with pytest.raises(WorkerError, match="on elsewhere"):
            left_claim(**fields)


def test_configuration_is_private(campaign):
    for name in ("jobflow.yaml", "my_launchpad.yaml"):
        assert stat.S_IMODE((campaign.folder / name).stat().st_mode) == 0o600


def test_folder_has_one_owner(tmp_path):
    with own_folder(tmp_path / "run"), pytest.raises(RunFolderError, match=f"in use by process {os.getpid()}"):
        with own_folder(tmp_path / "run"):
            pass


def test_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write to the run folder"), own_folder(tmp_path / "file"):
        pass


def test_unreachable_database_is_named_without_its_password():
    database = Database.from_uri("mongodb://user:secret@127.0.0.1:9/lab")
    with pytest.raises(StoreError, match="no MongoDB answered at mongodb://127.0.0.1:9/lab") as caught:
        database.check(timeout_s=0.5)
    assert "secret" not in str(caught.value)
    with pytest.raises(StoreError, match="must begin with mongodb://"):
        Database.from_uri("localhost:27017")
