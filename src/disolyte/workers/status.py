"""How far a campaign is: jobs by stage and state, how fast they go, and how long the rest may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from pydantic import Field

from disolyte.records import Record
from disolyte.workers.campaign import Campaign
from disolyte.workers.folder import StageCost
from disolyte.workers.jobs import SET_ASIDE, JobState
from disolyte.workers.recovery import has_other_workers

STAGE_ORDER: Final = ("enumeration", "thermodynamics", "sampling", "labelling", "finetuning", "diffusion", "other")
SHOWN_FAILURES: Final = 20
RATE_WINDOW: Final = timedelta(hours=1)
"""Jobs that ended within it make the rate."""


class StageStatus(Record):
    """Jobs of one stage."""

    stage: str = Field(description="Stage of the pipeline.")
    n_done: int = Field(default=0, description="Jobs that ended well.")
    n_running: int = Field(default=0, description="Jobs that run, or are about to.")
    n_waiting: int = Field(default=0, description="Jobs ready or waiting for others.")
    n_failed: int = Field(default=0, description="Jobs that failed.")
    n_cancelled: int = Field(default=0, description="Jobs that were cancelled or paused.")
    n_expected: int = Field(default=0, description="Jobs of the plan, those among them that do not exist yet.")
    n_quarantined: int = Field(default=0, description="Runs and frames that were set aside with a reason.")


class FailureStatus(Record):
    """A job that failed."""

    job: str = Field(description="Its name.")
    error: str = Field(description="What it failed with.")
    folder: str | None = Field(description="Where it ran.")


class CampaignStatus(Record):
    """How far a campaign is."""

    campaign: str = Field(description="Its name.")
    state: str = Field(description="empty, running, waiting, failed, cancelled or done.")
    stages: list[StageStatus] = Field(description="Its stages.")
    n_jobs: int = Field(description="Jobs that exist by now.")
    rate_per_hour: float = Field(description="Jobs that ended well in the last hour, or since the first, by the hour.")
    failures: list[FailureStatus] = Field(default=[], description="The first of the jobs that failed.")
    n_lost: int = Field(default=0, description="Jobs among those running whose worker, of this folder, is gone.")
    seconds_left: float | None = Field(
        description="Rough time until the end with the workers that run now; None if none runs, or no cost is known."
    )


FIELD_OF_STATE: Final = {
    "COMPLETED": "n_done",
    SET_ASIDE: "n_done",
    "RUNNING": "n_running",
    "RESERVED": "n_running",
    "FIZZLED": "n_failed",
    "DEFUSED": "n_cancelled",
    "PAUSED": "n_cancelled",
    "ARCHIVED": "n_cancelled",
}


def campaign_status(campaign: Campaign, quarantined: Mapping[str, int] | None = None) -> CampaignStatus:
    """Status of a campaign.

    Parameters
    ----------
    campaign
        The campaign.
    quarantined
        Pieces set aside in each stage.
    """
    jobs = campaign.jobs()
    costs = campaign.files.record().costs
    stages = count_stages(jobs, costs, quarantined or {})
    ends = _ends(campaign, jobs)
    n_lost = _count_lost(campaign, jobs)
    left = _seconds_left(stages, costs, _mean_runtimes(jobs, ends))
    failures = islice(campaign.failures(), SHOWN_FAILURES) if any(stage.n_failed for stage in stages) else ()
    return CampaignStatus(
        campaign=campaign.name,
        failures=[FailureStatus(job=one.name, error=one.error, folder=one.folder) for one in failures],
        state=_state(jobs),
        stages=stages,
        n_jobs=len(jobs),
        rate_per_hour=_rate(ends),
        n_lost=n_lost,
        seconds_left=None if n_lost and left else left,
    )


def _count_lost(campaign: Campaign, jobs: Sequence[JobState]) -> int:
    """Jobs that a worker of this folder ran, while this process, which owns it, has no worker."""
    n_running = sum(job.state in {"RUNNING", "RESERVED"} for job in jobs)
    if not (n_running and campaign.is_owner) or any(name.startswith("worker") for name in campaign.registry.alive()):
        return 0
    return 0 if has_other_workers(campaign.launchpad(), campaign.name, campaign.worker_prefix) else n_running


def count_stages(
    jobs: Sequence[JobState], costs: Mapping[str, StageCost], quarantined: Mapping[str, int]
) -> list[StageStatus]:
    """Jobs by stage and state."""
    counts: dict[str, dict[str, int]] = {}
    for job in jobs:
        field = FIELD_OF_STATE.get(job.state, "n_waiting")
        counts.setdefault(job.stage, {}).setdefault(field, 0)
        counts[job.stage][field] += 1
    known = [stage for stage in STAGE_ORDER if stage in {*counts, *costs}]
    return [
        StageStatus(
            stage=stage,
            n_expected=max(costs[stage].n_jobs if stage in costs else 0, sum(counts.get(stage, {}).values())),
            n_quarantined=quarantined.get(stage, 0),
            **counts.get(stage, {}),
        )
        for stage in known
    ]


def _state(jobs: Sequence[JobState]) -> str:
    states = {job.state for job in jobs}
    for found, name in (
        ({"RUNNING", "RESERVED"}, "running"),
        ({"FIZZLED"}, "failed"),
        ({"DEFUSED", "PAUSED", "ARCHIVED"}, "cancelled"),
        ({"READY", "WAITING"}, "waiting"),
    ):
        if states & found:
            return name
    return "done" if jobs else "empty"


def _ends(campaign: Campaign, jobs: Sequence[JobState]) -> dict[int, tuple[datetime, float]]:
    """Time of ending (UTC) and wall time in s of each job that ended well."""
    if not jobs:
        return {}
    fw_ids = [job.fw_id for job in jobs]
    wanted = {"fw_id": {"$gte": min(fw_ids), "$lte": max(fw_ids)}, "state": "COMPLETED"}
    found = campaign.launchpad().launches.find(wanted, {"fw_id": 1, "time_end": 1, "runtime_secs": 1})
    mine = set(fw_ids)
    return {
        launch["fw_id"]: (_utc(launch["time_end"]), float(launch.get("runtime_secs") or 0.0))
        for launch in found
        if launch["fw_id"] in mine and launch.get("time_end")
    }


def _utc(value: datetime | str) -> datetime:
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _rate(ends: Mapping[int, tuple[datetime, float]]) -> float:
    if not ends:
        return 0.0
    now = datetime.now(UTC)
    began = min(end - timedelta(seconds=runtime_s) for end, runtime_s in ends.values())
    window = max(min(RATE_WINDOW, now - began), timedelta(seconds=1))
    n_recent = sum(now - end <= window for end, _ in ends.values())
    return n_recent / (window.total_seconds() / 3600)


def _mean_runtimes(jobs: Sequence[JobState], ends: Mapping[int, tuple[datetime, float]]) -> dict[str, float]:
    runtimes: dict[str, list[float]] = {}
    for job in jobs:
        if job.fw_id in ends:
            runtimes.setdefault(job.stage, []).append(ends[job.fw_id][1])
    return {stage: sum(values) / len(values) for stage, values in runtimes.items()}


def _seconds_left(
    stages: Sequence[StageStatus], costs: Mapping[str, StageCost], runtimes: Mapping[str, float]
) -> float | None:
    """What is left, at the measured pace: that of the stage where it has one, else the plan's times that of all."""
    planned = {stage: cost.seconds / max(1, cost.n_jobs) for stage, cost in costs.items()}
    known = [stage for stage in stages if stage.stage in runtimes and stage.stage in planned]
    expected_s = sum(planned[stage.stage] * stage.n_done for stage in known)
    pace = sum(runtimes[stage.stage] * stage.n_done for stage in known) / expected_s if expected_s else 1.0
    left = 0.0
    for stage in stages:
        n_left = max(0, stage.n_expected - stage.n_done - stage.n_cancelled)
        if n_left and stage.stage not in planned and stage.stage not in runtimes:
            return None
        # A stage's first, light jobs say little of its heavy ones.
        is_measured = stage.stage in runtimes and (stage.n_done >= 0.5 * stage.n_expected or stage.stage not in planned)
        per_job_s = runtimes[stage.stage] if is_measured else planned.get(stage.stage, 0.0) * pace
        left += per_job_s * n_left
    n_workers = sum(stage.n_running for stage in stages)
    return left / n_workers if n_workers else None if left else 0.0
