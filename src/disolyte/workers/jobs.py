"""The jobs of a campaign on a LaunchPad, and their states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fireworks import LaunchPad

SET_ASIDE: Final = "SET ASIDE"
"""State of a job that failed, and whose children, made for that, went on without it. FireWorks says FIZZLED."""
UNFINISHED: Final = ("WAITING", "READY", "RESERVED", "RUNNING")
"""States of jobs that are not over."""


@dataclass(frozen=True)
class JobState:
    """One job on the LaunchPad."""

    fw_id: int
    name: str
    state: str
    stage: str
    category: str | None


@dataclass(frozen=True)
class JobFailure:
    """A job that failed."""

    name: str
    traceback: str
    folder: str | None

    @property
    def error(self) -> str:
        """What the traceback ends with, in one line, without the module of the error's class."""
        last = self.traceback.strip().splitlines()[-1]
        kind, colon, message = last.partition(": ")
        return f"{kind.rsplit('.', 1)[-1]}{colon}{message}" if kind.replace(".", "").isidentifier() else last


def find_jobs(launchpad: LaunchPad, campaign: str, among: Sequence[int] = ()) -> list[JobState]:
    """States of all jobs of a campaign that exist by now, or of those between the first and last FireWorks id given."""
    asked: dict[str, Any] = {"spec.campaign": campaign}
    if among:
        # A list of thousands of ids takes SecantusDB minutes.
        asked["fw_id"] = {"$gte": min(among), "$lte": max(among)}
    wanted = {"fw_id": 1, "name": 1, "state": 1, "spec._category": 1, "spec._tasks.job.function.@module": 1}
    jobs = [_job_state(entry) for entry in launchpad.fireworks.find(asked, wanted)]
    if not any(job.state == "FIZZLED" for job in jobs):
        return jobs
    set_aside = find_set_aside(launchpad, campaign)
    return [replace(job, state=SET_ASIDE) if job.fw_id in set_aside else job for job in jobs]


def find_set_aside(launchpad: LaunchPad, campaign: str) -> set[int]:
    """Failed jobs that others have dealt with: all children of theirs go on without failed parents, and have done so.

    Nor has any job failed behind them that the failure can still reach, through jobs of that kind.
    """
    goes_on = {"spec.campaign": campaign, "spec._allow_fizzled_parents": True}
    tolerant = {job["fw_id"] for job in launchpad.fireworks.find(goes_on, {"fw_id": 1})}
    found: set[int] = set()
    for workflow in launchpad.workflows.find({"metadata.campaign": campaign}, {"links": 1, "fw_states": 1}):
        links = {int(fw_id): children for fw_id, children in workflow["links"].items()}
        states = {int(fw_id): state for fw_id, state in workflow["fw_states"].items()}
        for fw_id in (fw_id for fw_id, state in states.items() if state == "FIZZLED"):
            children = set(links.get(fw_id, ()))
            if children and children <= tolerant and all(states[child] == "COMPLETED" for child in children):
                reached = _reach(children, links, tolerant, states)
                found |= set() if any(states[child] == "FIZZLED" for child in reached) else {fw_id}
    return found


def _reach(
    jobs: set[int], links: Mapping[int, Sequence[int]], tolerant: set[int], states: Mapping[int, str]
) -> set[int]:
    """Jobs that go on without failed parents, reached through such as have ended."""
    reached, edge = set(jobs), set(jobs)
    while edge:
        ended = {fw_id for fw_id in edge if states[fw_id] == "COMPLETED"}
        edge = {child for fw_id in ended for child in links.get(fw_id, ()) if child in tolerant} - reached
        reached |= edge
    return reached


class JobTable:
    """Jobs of a campaign that are asked for time and again: what never changes of them is asked once.

    FireWorks repeats the states in the document of the workflow: one document tells those of thousands of jobs.

    Parameters
    ----------
    campaign
        Name of the campaign.
    """

    def __init__(self, campaign: str) -> None:
        self._campaign = campaign
        self._known: dict[int, JobState] = {}

    def jobs(self, launchpad: LaunchPad) -> list[JobState]:
        """States of all jobs that exist by now."""
        mine = {"metadata.campaign": self._campaign}
        found = launchpad.workflows.find(mine, {"fw_states": 1})
        states = {int(fw_id): state for workflow in found for fw_id, state in workflow["fw_states"].items()}
        new = [fw_id for fw_id in states if fw_id not in self._known]
        if new:
            self._known |= {job.fw_id: job for job in find_jobs(launchpad, self._campaign, new)}
        set_aside = find_set_aside(launchpad, self._campaign) if "FIZZLED" in states.values() else set()
        states |= dict.fromkeys(set_aside, SET_ASIDE)
        return [replace(self._known[fw_id], state=state) for fw_id, state in states.items() if fw_id in self._known]


def find_failures(launchpad: LaunchPad, campaign: str) -> Iterator[JobFailure]:
    """Yield each failed job."""
    for job in find_jobs(launchpad, campaign):
        if job.state != "FIZZLED":
            continue
        launch = launchpad.launches.find_one({"fw_id": job.fw_id}, sort=[("launch_id", -1)])
        launch = launch or {}
        stored = (launch.get("action") or {}).get("stored_data", {})
        traceback = stored.get("_exception", {}).get("_stacktrace", "the worker left no traceback")
        yield JobFailure(job.name, traceback, launch.get("launch_dir"))


def cancel_jobs(launchpad: LaunchPad, campaign: str) -> int:
    """Let no job that is not over start, nor make others; return the number of cancelled ones, old ones included."""
    # One by one, FireWorks would rewrite the whole workflow for each job.
    unfinished: dict[str, Any] = {"spec.campaign": campaign, "state": {"$in": [*UNFINISHED, "FIZZLED", "PAUSED"]}}
    unfinished["fw_id"] = {"$nin": sorted(find_set_aside(launchpad, campaign))}
    launchpad.fireworks.update_many(unfinished, {"$set": {"state": "DEFUSED"}})
    cancelled = {job.fw_id for job in find_jobs(launchpad, campaign) if job.state == "DEFUSED"}
    for workflow in launchpad.workflows.find({"metadata.campaign": campaign}, {"nodes": 1}):
        states = {f"fw_states.{fw_id}": "DEFUSED" for fw_id in cancelled & set(workflow["nodes"])}
        if states:
            launchpad.workflows.update_one({"_id": workflow["_id"]}, {"$set": {**states, "state": "DEFUSED"}})
    return len(cancelled)


def reignite_jobs(launchpad: LaunchPad, campaign: str) -> int:
    """Take back that jobs were cancelled: each is again what its parents and launches make it; return their number."""
    mine = {"spec.campaign": campaign, "state": "DEFUSED"}
    cancelled = {job["fw_id"] for job in launchpad.fireworks.find(mine, {"fw_id": 1})}
    launchpad.fireworks.update_many(mine, {"$set": {"state": "WAITING"}})
    for workflow in launchpad.workflows.find({"metadata.campaign": campaign}, {"nodes": 1, "links": 1}):
        here = cancelled & set(workflow["nodes"])
        if not here:
            continue
        states = {f"fw_states.{fw_id}": "WAITING" for fw_id in here}
        launchpad.workflows.update_one({"_id": workflow["_id"]}, {"$set": states})
        behind = {child for fw_id, children in workflow["links"].items() if int(fw_id) in here for child in children}
        # Those behind others are refreshed with them, or wait.
        for fw_id in sorted(here - behind):
            launchpad._refresh_wf(fw_id)
    return len(cancelled)


def _job_state(entry: dict[str, Any]) -> JobState:
    spec = entry.get("spec", {})
    tasks = spec.get("_tasks") or [{}]
    module = tasks[0].get("job", {}).get("function", {}).get("@module", "")
    package, _, rest = module.partition(".")
    stage = rest.split(".")[0] if package == "disolyte" else "other"
    return JobState(entry["fw_id"], entry["name"], entry["state"], stage, spec.get("_category"))
