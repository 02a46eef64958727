"""A flow on a LaunchPad, run by worker processes of one run folder, and watched until it ends.

All state is in the LaunchPad and the job store: a campaign that was killed goes on from what is finished. Plain
``lpad`` and ``rlaunch`` work beside it with the files ``my_launchpad.yaml`` and ``fworker_*.yaml`` of the folder.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fireworks import LaunchPad
from jobflow import Flow, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from monty.serialization import dumpfn

from disolyte.errors import WorkerError
from disolyte.workers.database import Database
from disolyte.workers.processes import ProcessRegistry

UNFINISHED: Final = ("WAITING", "READY", "RESERVED", "RUNNING")
IDLE_POLLS: Final = 10
ANY_ROLE: Final = "any"
"""Name of a worker that takes the jobs of all roles."""


@dataclass(frozen=True)
class JobState:
    """One job on the LaunchPad."""

    fw_id: int
    name: str
    state: str
    stage: str
    category: str | None


@dataclass(frozen=True)
class Campaign:
    """The jobs of one flow on a LaunchPad.

    Parameters
    ----------
    name
        Name of the campaign, which tells its jobs from others on the same LaunchPad and in the same store.
    folder
        The run folder.
    database
        Database of LaunchPad and, unless ``job_store_spec`` is given, job store.
    job_store_spec
        ``JOB_STORE`` entry of the user's own jobflow configuration.
    """

    name: str
    folder: Path
    database: Database
    job_store_spec: dict[str, Any] | None = None
    registry: ProcessRegistry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "registry", ProcessRegistry(self.folder))

    def write_configuration(self) -> None:
        """Write ``jobflow.yaml`` and ``my_launchpad.yaml`` for the owner alone: the URI may hold a password."""
        store = self.job_store_spec or self.database.job_store_spec()
        for name, content in (
            ("jobflow.yaml", {"JOB_STORE": store}),
            ("my_launchpad.yaml", self.database.launchpad_spec()),
        ):
            file = self.folder / name
            file.touch(mode=0o600)
            file.chmod(0o600)
            dumpfn(content, file)

    def job_store(self) -> JobStore:
        """The job store, connected."""
        store = JobStore.from_dict_spec(self.job_store_spec or self.database.job_store_spec())
        store.connect()
        return store

    def launchpad(self) -> LaunchPad:
        """The LaunchPad; a new one is initialised, one that holds anything is left as it is."""
        launchpad = _connect(self.database)
        if launchpad.fw_id_assigner.find_one() is None and launchpad.fireworks.find_one() is None:
            launchpad.reset("", require_password=False)
        return launchpad

    def submit(self, flow: Flow) -> None:
        """Put a flow on the LaunchPad under the campaign's name.

        Raises
        ------
        WorkerError
            If the LaunchPad holds a campaign of this name already.
        """
        if self.jobs():
            raise WorkerError(f"a campaign '{self.name}' is on the LaunchPad already; choose another name")
        flow.update_metadata({"campaign": self.name}, dynamic=True)
        self.launchpad().add_wf(flow_to_workflow(flow, name=self.name, metadata={"campaign": self.name}))

    def jobs(self) -> list[JobState]:
        """States of all jobs of the campaign that exist by now."""
        wanted = {"fw_id": 1, "name": 1, "state": 1, "spec._category": 1, "spec._tasks.job.function.@module": 1}
        found = self.launchpad().fireworks.find({"spec.campaign": self.name}, wanted)
        return [_job_state(entry) for entry in found]

    def recover(self) -> int:
        """Make ready again what was running when its worker died, in its old folder, and what failed.

        Only to be called while no worker of this campaign runs.

        Returns
        -------
        int
            Number of jobs made ready again.
        """
        launchpad = self.launchpad()
        # A worker killed while it held the workflow's lock would keep everybody waiting for minutes.
        launchpad.workflows.update_many({"metadata.campaign": self.name}, {"$unset": {"locked": True}})
        lost = [job.fw_id for job in self.jobs() if job.state in {"RUNNING", "RESERVED", "FIZZLED"}]
        for fw_id in lost:
            launch = launchpad.launches.find_one({"fw_id": fw_id}, {"launch_dir": 1}, sort=[("launch_id", -1)])
            launchpad.rerun_fw(fw_id)
            if launch is not None and Path(launch["launch_dir"]).is_dir():
                launchpad.update_spec([fw_id], {"_launch_dir": launch["launch_dir"]})
        return len(lost)

    def failures(self) -> Iterator[tuple[str, str]]:
        """Name and traceback of each failed job."""
        for job in self.jobs():
            if job.state != "FIZZLED":
                continue
            launch = self.launchpad().launches.find_one({"fw_id": job.fw_id}, sort=[("launch_id", -1)])
            stored = ((launch or {}).get("action") or {}).get("stored_data", {})
            yield job.name, stored.get("_exception", {}).get("_stacktrace", "the worker left no traceback")

    def start_workers(self, categories: Iterable[str], *, threads: int) -> list[str]:
        """Start one ``rlaunch`` process for each category given, in the folder ``launches``.

        Parameters
        ----------
        categories
            Categories of jobs, or :data:`ANY_ROLE`; one that is given twice gets two workers.
        threads
            Threads of numerical libraries in each worker.

        Returns
        -------
        list of str
            Names of the processes in the registry.
        """
        launches = self.folder / "launches"
        launches.mkdir(exist_ok=True)
        environment = {
            "JOBFLOW_CONFIG_FILE": str(self.folder / "jobflow.yaml"),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
        }
        names = []
        for number, category in enumerate(categories, start=1):
            name = f"worker-{number}-{category}"
            fworker = {"name": name, "category": "" if category == ANY_ROLE else category, "query": "{}"}
            file = self.folder / f"fworker_{number}_{category}.yaml"
            dumpfn(fworker, file)
            launchpad = self.folder / "my_launchpad.yaml"
            command = [sys.executable, "-m", "disolyte.workers.rlaunch", str(launchpad), str(file), str(os.getpid())]
            self.registry.start(name, command, env=environment, cwd=launches)
            names.append(name)
        return names

    def stop_workers(self, names: Iterable[str]) -> None:
        """End worker processes; what they were running can be recovered."""
        for name in names:
            self.registry.stop(name)

    def watch(self, poll_s: float = 1.0) -> Iterator[list[JobState]]:
        """Yield the states of all jobs, time and again, until none can run any more.

        Raises
        ------
        WorkerError
            If a worker process of this folder has died; what is finished stays.
        """
        idle_polls = 0
        while idle_polls < IDLE_POLLS:
            for name in self.registry.dead():
                raise WorkerError(
                    f"{name} has ended unexpectedly; finished work is kept, run the command again to go on. "
                    f"The end of its log:\n{self.registry.log_tail(name)}"
                )
            jobs = self.jobs()
            yield jobs
            states = {job.state for job in jobs}
            if not states & set(UNFINISHED):
                return
            # Between the end of a job and the release of its children, nothing is ready for a moment.
            idle_polls = 0 if states & {"READY", "RESERVED", "RUNNING"} else idle_polls + 1
            time.sleep(poll_s)


_connections: dict[str, LaunchPad] = {}


def _connect(database: Database) -> LaunchPad:
    """LaunchPad of a database, one connection each."""
    if database.uri not in _connections:
        _connections[database.uri] = LaunchPad.from_dict(database.launchpad_spec())
    return _connections[database.uri]


def _job_state(entry: dict[str, Any]) -> JobState:
    spec = entry.get("spec", {})
    tasks = spec.get("_tasks") or [{}]
    module = tasks[0].get("job", {}).get("function", {}).get("@module", "")
    package, _, rest = module.partition(".")
    stage = rest.split(".")[0] if package == "disolyte" else "other"
    return JobState(entry["fw_id"], entry["name"], entry["state"], stage, spec.get("_category"))
