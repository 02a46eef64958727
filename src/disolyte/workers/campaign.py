"""A flow on a LaunchPad, run by worker processes of one run folder, and watched until it ends.

All state is in the LaunchPad and the job store: a campaign that was killed goes on from what is finished. Plain
``lpad``, ``rlaunch`` and ``qlaunch`` work beside it with the files of the folder.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fireworks import LaunchPad
from jobflow import Flow, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from pymongo.errors import PyMongoError

from disolyte.errors import WorkerError
from disolyte.workers.claims import claimed_name
from disolyte.workers.database import Database
from disolyte.workers.files import write_yaml
from disolyte.workers.folder import RunFolder, fworker_spec, read_fworker
from disolyte.workers.jobs import (
    UNFINISHED,
    JobFailure,
    JobState,
    JobTable,
    cancel_jobs,
    find_failures,
    find_jobs,
    reignite_jobs,
)
from disolyte.workers.launchpads import open_launchpad
from disolyte.workers.leftovers import locks_released
from disolyte.workers.processes import ProcessRegistry
from disolyte.workers.recovery import (
    Recovery,
    has_other_workers,
    lost_jobs,
    note_death,
    recover_campaign,
    release_worker,
    rerun_jobs,
)

IDLE_POLLS: Final = 10
OUTAGE_S: Final = 600.0
"""A database that is away for longer ends the watching."""
WATCHED_SHARE: Final = 50
"""A watcher rests so many times as long as its question took,"""
LONGEST_REST_S: Final = 5.0
"""but no longer than this: a single slow answer says little."""
ANY_ROLE: Final = "any"
"""Name of a worker that takes the jobs of all roles."""


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
    is_owner
        Whether this process holds the folder; if not, workers of another one may run in it.
    """

    name: str
    folder: Path
    database: Database
    job_store_spec: dict[str, Any] | None = None
    is_owner: bool = True
    registry: ProcessRegistry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "registry", ProcessRegistry(self.folder))

    @property
    def files(self) -> RunFolder:
        """The folder's configuration."""
        return RunFolder(self.folder)

    @property
    def worker_prefix(self) -> str:
        """Beginning of the names of workers that this folder starts here; a MongoDB may serve several machines."""
        where = self.name if self.files.is_embedded else f"{self.name}-{socket.gethostname()}"
        return f"{where}-worker-"

    def write_configuration(self) -> None:
        """Write the files of FireWorks and jobflow that are missing or name another database."""
        self.files.write_job_store(self.job_store_spec or self.database.job_store_spec())
        self.files.write_launchpad(self.database)
        self.files.write_fworkers(self.name)

    def job_store(self) -> JobStore:
        """The job store, connected."""
        store = JobStore.from_dict_spec(self.job_store_spec or self.database.job_store_spec())
        store.connect()
        return store

    def launchpad(self) -> LaunchPad:
        """The LaunchPad; a new one is initialised, one that holds anything is left as it is."""
        return open_launchpad(self.database, is_embedded=self.files.is_embedded)

    def submit(self, flow: Flow) -> int:
        """Put a flow on the LaunchPad under the campaign's name.

        Returns
        -------
        int
            Number of jobs submitted; they may make more.

        Raises
        ------
        WorkerError
            If the LaunchPad holds a campaign of this name already, or is about to.
        """
        launchpad = self.launchpad()
        with claimed_name(launchpad, self.name, self.folder):
            return self._submit(launchpad, flow)

    def _submit(self, launchpad: LaunchPad, flow: Flow) -> int:
        if launchpad.workflows.find_one({"metadata.campaign": self.name}, {"_id": 1}) is not None:
            raise WorkerError(
                f"a campaign '{self.name}' is on the LaunchPad already; give another --folder, and another --name"
            )
        # A submission that was cut off leaves jobs without a workflow; workers never finish these.
        launchpad.fireworks.delete_many({"spec.campaign": self.name})
        flow.update_metadata({"campaign": self.name}, dynamic=True)
        workflow = flow_to_workflow(flow, name=self.name, metadata={"campaign": self.name})
        launchpad.fireworks.create_index("spec.campaign")
        launchpad.add_wf(workflow)
        return len(workflow.fws)

    def jobs(self) -> list[JobState]:
        """States of all jobs of the campaign that exist by now."""
        return find_jobs(self.launchpad(), self.name)

    def recover(self, *, failed: bool = True) -> Recovery:
        """Make ready again what local workers left when they were killed, and, if asked, what failed.

        Only to be called while no local worker of this campaign runs. Workers elsewhere may run; what they work on is
        left alone.
        """
        launchpad, local = self.launchpad(), self.worker_prefix
        if not has_other_workers(launchpad, self.name, local):
            return recover_campaign(launchpad, self.name, self.folder, failed=failed)
        with locks_released(launchpad, self.name):
            found = release_worker(launchpad, re.compile(f"^{re.escape(local)}"), self.name, self.folder)
        return Recovery(found.applied, found.rerun + (self.rerun_failed() if failed else []))

    def rerun_failed(self, silent_s: float | None = None) -> list[int]:
        """Make ready again what failed, while other workers of the campaign may run.

        Parameters
        ----------
        silent_s
            Jobs whose worker has not been heard of for so long are taken for lost, too.

        Returns
        -------
        list of int
            FireWorks ids of these jobs.
        """
        launchpad = self.launchpad()
        again = [job.fw_id for job in self.jobs() if job.state == "FIZZLED"]
        again += [] if silent_s is None else lost_jobs(launchpad, self.name, silent_s)
        with locks_released(launchpad, self.name):
            rerun_jobs(launchpad, again, self.folder)
        return again

    def cancel(self) -> int:
        """Let nothing more of the campaign start, nor a running job make others; finished documents stay.

        Returns
        -------
        int
            Number of jobs cancelled, those of an earlier call included.
        """
        return cancel_jobs(self.launchpad(), self.name)

    def reignite(self) -> int:
        """Take :meth:`cancel` back.

        Returns
        -------
        int
            Number of jobs that are no longer cancelled.
        """
        launchpad = self.launchpad()
        with locks_released(launchpad, self.name):
            return reignite_jobs(launchpad, self.name)

    def failures(self) -> Iterator[JobFailure]:
        """Yield each failed job."""
        yield from find_failures(self.launchpad(), self.name)

    def start_workers(self, categories: Iterable[str], *, threads: int) -> list[str]:
        """Start one ``rlaunch`` process for each role given, in the folder ``launches``.

        Parameters
        ----------
        categories
                Roles, or :data:`ANY_ROLE`; one that is given twice gets two workers.
        threads
            Threads of numerical libraries in each worker.

        Returns
        -------
        list of str
            Names of the processes in the registry.
        """
        self.files.launches.mkdir(exist_ok=True)
        environment = {
            "JOBFLOW_CONFIG_FILE": str(self.files.jobflow_file),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
        }
        names = []
        for number, category in enumerate(categories, start=1):
            name = f"worker-{number}-{category}"
            file = self._fworker_file(category)
            command = [sys.executable, "-m", "disolyte.workers.rlaunch", str(self.files.launchpad_file), str(file)]
            command += [f"{self.worker_prefix}{number}-{category}", str(os.getpid())]
            self.registry.start(name, command, env=environment, cwd=self.files.launches)
            names.append(name)
        return names

    def _fworker_file(self, role: str) -> Path:
        """The worker's file of a role, checked; that of a worker for all roles is written anew."""
        file = self.files.fworker_file(role)
        if role == ANY_ROLE:
            write_yaml(file, {**fworker_spec(role, self.name), "category": ""})
        elif not file.is_file():
            known = sorted(path.stem.removeprefix("fworker_") for path in self.folder.glob("fworker_*.yaml"))
            raise WorkerError(f"there is no worker '{role}' in {self.folder}; there is: {', '.join(known) or 'none'}")
        read_fworker(file)
        return file

    def stop_workers(self, names: Iterable[str]) -> None:
        """End worker processes; what they were running can be recovered."""
        for name in names:
            self.registry.stop(name)

    def _last_job(self, process: str) -> str:
        """What a worker that died was running, to be added to the message that it did."""
        ran = None
        if process.startswith("worker-"):
            with suppress(PyMongoError):
                ran = note_death(self.launchpad(), self.worker_prefix.removesuffix("worker-") + process, self.name)
        return f" while {ran}" if ran else ""

    def watch(self, poll_s: float = 1.0) -> Iterator[list[JobState]]:
        """Yield the states of all jobs, time and again, until none can run any more.

        Raises
        ------
        WorkerError
            If a worker process of this folder has died; what is finished stays.
        PyMongoError
            If the database is away for longer than :data:`OUTAGE_S`; shorter outages are waited for.
        """
        table = JobTable(self.name)
        idle_polls, answered = 0, time.monotonic()
        while idle_polls < IDLE_POLLS:
            for name in self.registry.dead():
                raise WorkerError(
                    f"{name} has ended unexpectedly{self._last_job(name)}; finished work is kept, run the command "
                    f"again to go on. The end of its log:\n{self.registry.log_tail(name)}"
                )
            asked = time.monotonic()
            try:
                jobs = table.jobs(self.launchpad())
            except PyMongoError:
                if asked - answered > OUTAGE_S:
                    raise
                time.sleep(poll_s)
                continue
            answered = time.monotonic()
            took_s = answered - asked
            yield jobs
            states = {job.state for job in jobs}
            if not states & set(UNFINISHED):
                return
            # Between the end of a job and the release of its children, nothing is ready for a moment.
            idle_polls = 0 if states & {"READY", "RESERVED", "RUNNING"} else idle_polls + 1
            # Watching thousands of jobs must not keep the database from its work.
            time.sleep(max(poll_s, min(LONGEST_REST_S, WATCHED_SHARE * took_s)))
