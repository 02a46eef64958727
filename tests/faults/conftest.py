"""A run folder with a submitted flow, and the documents of an undisturbed run to compare with."""

import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("secantus")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
makers = importlib.import_module("makers_for_faults")


class Disturbed:
    """A campaign in a run folder, worked on by real processes that tests may kill.

    Parameters
    ----------
    folder
        The run folder.
    """

    def __init__(self, folder):
        self.folder = folder

    def submit(self, flow):
        from disolyte.cli.session import open_campaign
        from disolyte.workers.routing import assign_workers

        with open_campaign(self.folder, name="mine") as campaign:
            campaign.submit(assign_workers(flow, {"cpu": {"_category": "cpu"}}))

    def command(self, *arguments):
        code = "from disolyte.cli import app; app()"
        return [sys.executable, "-c", code, *map(str, arguments), "--folder", str(self.folder)]

    def work(self, *workers):
        """Start ``disolyte work``."""
        flags = [flag for worker in workers or ("cpu",) for flag in ("--worker", worker)]
        with (self.folder / "work.log").open("ab") as log:
            return psutil.Popen(self.command("work", *flags), stdout=log, stderr=log, start_new_session=True)

    def run(self, *arguments, check=True):
        """Run another command to its end."""
        done = subprocess.run(self.command(*arguments), check=False, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pid(self, name):
        records = json.loads((self.folder / "processes.json").read_text())
        return int(next(record[0] for key, record in records.items() if key.startswith(name)))

    def database(self):
        """The database, while it runs."""
        from pymongo import MongoClient

        from disolyte.workers.folder import RunFolder

        return MongoClient(RunFolder(self.folder).database().uri, serverSelectionTimeoutMS=2000)["disolyte"]

    def completed(self):
        """Jobs that are done, with the number of times that they were launched for it."""
        database = self.database()
        fw_ids = [job["fw_id"] for job in database.fireworks.find({"state": "COMPLETED"}, {"fw_id": 1})]
        return {fw_id: database.launches.count_documents({"fw_id": fw_id}) for fw_id in fw_ids}

    def wait_for(self, condition, timeout_s=60.0):
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                if condition():
                    return
            except Exception:  # the database may not be up yet
                pass
            assert time.monotonic() < deadline, [log.read_text()[-3000:] for log in self.folder.glob("**/*.log")]
            time.sleep(0.02)

    def finish(self):
        """Rerun what was lost, work to the end, and give the documents and the launches of each job."""
        self.run("rerun")
        worker = self.work()
        assert worker.wait(120) == 0, (self.folder / "work.log").read_text()[-3000:]
        return self.findings()

    def findings(self):
        from disolyte.cli.session import open_campaign

        with open_campaign(self.folder) as campaign:
            assert {job.state for job in campaign.jobs()} == {"COMPLETED"}
            launchpad = campaign.launchpad()
            launches = {job.fw_id: launchpad.launches.count_documents({"fw_id": job.fw_id}) for job in campaign.jobs()}
            return documents(campaign.job_store()), launches


def documents(store):
    """What the store holds of each job, without what differs from run to run."""
    found = {}
    for entry in store.query({}, load=True):
        output = entry["output"]
        if isinstance(output, dict) and "data" in output:
            doc = makers.PieceDoc.model_validate({key: value for key, value in output.items() if key[0] != "@"})
            doc.data.to_array()
            output = (doc.value, doc.data.sha256, [record.sha256 for record in doc.provenance.inputs])
        else:
            output = "reference" if isinstance(output, dict) else output
        key = (entry["name"], entry["index"])
        assert key not in found, f"{key} is in the store twice"
        found[key] = output
    return found


@pytest.fixture
def disturbed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    folder = tmp_path / "run"
    folder.mkdir()
    campaign = Disturbed(folder)
    yield campaign
    from disolyte.workers.processes import ProcessRegistry

    ProcessRegistry(folder).stop_all()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Documents of the flow, run in this process without any fault."""
    from jobflow import JobStore, run_locally
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    root = tmp_path_factory.mktemp("undisturbed")
    run_locally(
        makers.spread_flow(seconds=0.0), store=store, ensure_success=True, root_dir=root, create_folders=True, log=False
    )
    return documents(store)
