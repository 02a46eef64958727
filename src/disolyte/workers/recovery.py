"""Put right what killed processes left on a LaunchPad.

FireWorks ends a job in several writes: the launch with the job's result, the fireworks that change or are new, then
the workflow's links and states. A process can be killed between any two. Results whose launch is written are applied
from there, so that no finished job runs twice; jobs without a result run again, in their old folders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fireworks import FWAction, LaunchPad
from pymongo import ReturnDocument

from disolyte.workers.jobs import find_set_aside

MOST_LAUNCHES: Final = 4
"""A job that has failed so often for the database is left for people to look at."""
MOST_DEATHS: Final = 3
"""Workers that may die while they run one job."""
_DEATHS: Final = "_disolyte_deaths"
_TRACEBACK: Final = "action.stored_data._exception._stacktrace"
_OUTAGES: Final = (
    "pymongo.errors.AutoReconnect",
    "pymongo.errors.NetworkTimeout",
    "pymongo.errors.NotPrimaryError",
    "pymongo.errors.ServerSelectionTimeoutError",
    # A write that was done by a database which died before it said so, and was sent again.
    "pymongo.errors.DuplicateKeyError",
    "gridfs.errors.FileExists",
)


@dataclass(frozen=True)
class Recovery:
    """What was put right.

    Attributes
    ----------
    applied
        Finished jobs whose result had not reached the workflow.
    rerun
        Jobs made ready again.
    """

    applied: list[int]
    rerun: list[int]


def recover_campaign(launchpad: LaunchPad, campaign: str, folder: Path, *, failed: bool = True) -> Recovery:
    """Make a campaign whole again. No worker of it may run meanwhile.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    campaign
        Name of the campaign.
    folder
        Jobs cut off in a folder below this one go on there; others get a new one.
    failed
        Whether jobs that failed run again, too.
    """
    mine = {"metadata.campaign": campaign}
    # A process killed while it held the workflow's lock would keep everybody waiting for minutes.
    launchpad.workflows.update_many(mine, {"$unset": {"locked": True}})
    known = _states_in_workflows(launchpad, campaign)
    jobs = {job["fw_id"]: job for job in _jobs(launchpad, campaign)}
    # They are made anew from the launch of the job that made them.
    launchpad.fireworks.delete_many({"fw_id": {"$in": [fw_id for fw_id in jobs if fw_id not in known]}})
    applied = [
        fw_id
        for fw_id, state in known.items()
        if fw_id in jobs and _is_unapplied(launchpad, jobs[fw_id], state_in_workflow=state)
    ]
    for fw_id in applied:
        _apply(launchpad, fw_id)
    states_to_mend = {"RUNNING", "RESERVED", "FIZZLED"} if failed else {"RUNNING", "RESERVED"}
    settled = find_set_aside(launchpad, campaign)
    again = [
        job["fw_id"]
        for job in _jobs(launchpad, campaign)
        if job["state"] in states_to_mend and job["fw_id"] not in settled
    ]
    rerun_jobs(launchpad, again, folder)
    return Recovery(applied, again)


def find_orphans(launchpad: LaunchPad, campaign: str) -> set[int]:
    """Jobs that no workflow knows: for a moment all new ones, and for ever if that moment was a process's last."""
    jobs = {job["fw_id"] for job in _jobs(launchpad, campaign)}
    return jobs - set(_states_in_workflows(launchpad, campaign))


def _states_in_workflows(launchpad: LaunchPad, campaign: str) -> dict[int, str]:
    known: dict[int, str] = {}
    for workflow in launchpad.workflows.find({"metadata.campaign": campaign}, {"nodes": 1, "fw_states": 1}):
        states = workflow.get("fw_states") or {}
        known |= {fw_id: states.get(str(fw_id), "") for fw_id in workflow["nodes"]}
    return known


def has_other_workers(launchpad: LaunchPad, campaign: str, local: str) -> bool:
    """Whether jobs of the campaign run, or wait in a queue, on workers whose names do not begin with ``local``."""
    begun = {"$in": ["RUNNING", "RESERVED"]}
    fw_ids = [job["fw_id"] for job in _jobs(launchpad, campaign) if job["state"] in begun["$in"]]
    launches = launchpad.launches.find({"fw_id": {"$in": fw_ids}, "state": begun}, {"fworker.name": 1})
    return any(not str(launch["fworker"]["name"]).startswith(local) for launch in launches)


def release_worker(launchpad: LaunchPad, worker: str | re.Pattern[str], campaign: str | None, folder: Path) -> Recovery:
    """Put right what a worker, or those with a name like that, ran when they lost the database or died.

    They must run nothing now; a worker may ask for itself. A result that was written is applied; jobs that run on
    paper, or failed because the database was away, are made ready again. A job whose launch has not failed was called
    failed because its workflow could not be written.
    """
    wanted: dict[str, Any] = {"state": {"$in": ["RUNNING", "RESERVED", "FIZZLED"]}, "launches": {"$ne": []}}
    if campaign is not None:
        wanted["spec.campaign"] = campaign
    last = {
        job["launches"][-1]: job for job in launchpad.fireworks.find(wanted, {"fw_id": 1, "state": 1, "launches": 1})
    }
    mine = {"launch_id": {"$in": list(last)}, "fworker.name": worker}
    applied, again = [], []
    for launch in launchpad.launches.find(mine, {"launch_id": 1, "state": 1, _TRACEBACK: 1}):
        job = last[launch["launch_id"]]
        if job["state"] == launch["state"] == "FIZZLED":
            # FireWorks archives the launches of a job that runs again: the job itself has one.
            n_launches = launchpad.launches.count_documents({"fw_id": job["fw_id"]})
            if n_launches < MOST_LAUNCHES and _lost_its_database(launch):
                again.append(job["fw_id"])
        elif launch["state"] == "COMPLETED":
            _apply(launchpad, job["fw_id"])
            applied.append(job["fw_id"])
        else:
            again.append(job["fw_id"])
    rerun_jobs(launchpad, again, folder)
    return Recovery(applied, again)


def note_death(launchpad: LaunchPad, worker: str, campaign: str) -> str | None:
    """Say what a worker ran when it died; a job that has cost :data:`MOST_DEATHS` workers is set down as failed.

    Returns
    -------
    str or None
        The job, its folder, and which time that was; None if it ran nothing.
    """
    running = {"spec.campaign": campaign, "state": "RUNNING", "launches": {"$ne": []}}
    for job in launchpad.fireworks.find(running, {"fw_id": 1, "name": 1, "launches": 1}):
        launch_id = job["launches"][-1]
        launch = launchpad.launches.find_one({"launch_id": launch_id, "fworker.name": worker, "state": "RUNNING"})
        if launch is None:
            continue
        counted = launchpad.fireworks.find_one_and_update(
            {"fw_id": job["fw_id"]}, {"$inc": {f"spec.{_DEATHS}": 1}}, return_document=ReturnDocument.AFTER
        )
        n_deaths = counted["spec"][_DEATHS]
        text = f"it ran '{job['name']}' in {launch['launch_dir']}, worker number {n_deaths} to die of it"
        if n_deaths >= MOST_DEATHS:
            text += "; the job is set down as failed, the rest can go on"
            error = f"WorkerError: {n_deaths} workers died while they ran it; was the memory used up?"
            action = FWAction(stored_data={"_exception": {"_stacktrace": error}}, exit=True)
            launchpad.complete_launch(launch_id, action, "FIZZLED")
        return text
    return None


def _apply(launchpad: LaunchPad, fw_id: int) -> None:
    """Apply the result of a job that ended: FireWorks does so where it finds one ended, but not so marked."""
    launchpad.fireworks.update_one({"fw_id": fw_id}, {"$set": {"state": "RUNNING"}})
    launchpad._refresh_wf(fw_id)


def _lost_its_database(launch: dict[str, Any]) -> bool:
    stored = (launch.get("action") or {}).get("stored_data") or {}
    lines = str((stored.get("_exception") or {}).get("_stacktrace")).strip().splitlines()
    return bool(lines) and lines[-1].startswith(_OUTAGES)


def lost_jobs(launchpad: LaunchPad, campaign: str, silent_s: float) -> list[int]:
    """Jobs that run on paper, but whose worker, wherever it is, has not been heard of for so long."""
    running = {job["fw_id"] for job in _jobs(launchpad, campaign) if job["state"] == "RUNNING"}
    _, lost, _ = launchpad.detect_lostruns(expiration_secs=silent_s, query={"spec.campaign": campaign})
    return sorted(running & set(lost))


def rerun_jobs(launchpad: LaunchPad, fw_ids: Iterable[int], folder: Path) -> None:
    """Make jobs ready again, each in the folder that it was cut off in, if that lies below ``folder``."""
    for fw_id in fw_ids:
        launch = launchpad.launches.find_one({"fw_id": fw_id}, {"launch_dir": 1}, sort=[("launch_id", -1)])
        launchpad.rerun_fw(fw_id)
        if launch is not None and is_within(Path(launch["launch_dir"]), folder):
            launchpad.update_spec([fw_id], {"_launch_dir": launch["launch_dir"]})


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path from a document is an existing folder inside ``folder``, links resolved."""
    return path.is_dir() and path.resolve().is_relative_to(folder.resolve())


def _jobs(launchpad: LaunchPad, campaign: str) -> Iterable[dict[str, Any]]:
    return launchpad.fireworks.find({"spec.campaign": campaign}, {"fw_id": 1, "state": 1, "launches": 1})


def _is_unapplied(launchpad: LaunchPad, job: dict[str, Any], *, state_in_workflow: str) -> bool:
    """Whether a job has ended well, but fireworks and workflow do not say so both."""
    if job["state"] == state_in_workflow == "COMPLETED" or not job["launches"]:
        return False
    if job["state"] not in {"COMPLETED", "RUNNING"}:
        return False
    launch = launchpad.launches.find_one({"launch_id": job["launches"][-1]}, {"state": 1})
    return launch is not None and launch["state"] == "COMPLETED"
