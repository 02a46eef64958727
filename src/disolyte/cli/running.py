"""Run a campaign in a folder: submit it or go on with it, start its workers, watch it, report."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rich.console import Console

from disolyte.cli.progress import ProgressDisplay
from disolyte.cli.reporting import print_results, write_results
from disolyte.cli.session import open_campaign, readable_errors
from disolyte.errors import WorkerError
from disolyte.workers.campaign import ANY_ROLE, Campaign
from disolyte.workers.roles import Role

console = Console()


def run_quickstart(folder: Path, *, fireworks: bool, mongodb_uri: str | None, jobflow_config: Path | None) -> None:
    """Run, or go on with, the quickstart in a run folder; print its table and write its report."""
    start = time.monotonic()
    with (
        readable_errors(),
        open_campaign(folder, mongodb_uri=mongodb_uri, jobflow_config=jobflow_config, stem="quickstart") as campaign,
    ):
        _say(f"Run folder {campaign.folder}, database {campaign.database.display}")
        _submit_or_go_on(campaign)
        _run(campaign, [Role.CPU, Role.GPU] if fireworks else [ANY_ROLE] * min(2, _cores()))
        report = write_results(campaign)
        print_results(campaign, console)
        _say(f"Report: {report}")
        _say(f"Took {time.monotonic() - start:.0f} s. The table again: disolyte results --folder {folder}")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _submit_or_go_on(campaign: Campaign) -> None:
    jobs = campaign.jobs()
    if jobs:
        n_done = sum(job.state == "COMPLETED" for job in jobs)
        n_again = len(campaign.recover().rerun)
        again = f", {n_again} that were cut off or failed run again" if n_again else ""
        _say(f"Going on: {n_done} of {len(jobs)} jobs are done{again}.")
        return
    with console.status("Preparing the flow"):
        from disolyte.flows.quickstart import quickstart_flow
        from disolyte.workers.routing import assign_workers

        workers = {Role.CPU: {"_category": Role.CPU.value}, Role.GPU: {"_category": Role.GPU.value}}
        campaign.submit(assign_workers(quickstart_flow(), workers))


def _run(campaign: Campaign, categories: list[str]) -> None:
    """Start workers, if there is anything to do, and watch them to the end."""
    if all(job.state == "COMPLETED" for job in campaign.jobs()):
        return
    from disolyte.flows.quickstart import EXPECTED_COSTS

    names = campaign.start_workers(categories, threads=max(1, _cores() // len(categories)))
    with ProgressDisplay(console, EXPECTED_COSTS) as display:
        for jobs in campaign.watch():
            display.update(jobs)
    campaign.stop_workers(names)
    failures = list(campaign.failures())
    if failures:
        name, trace = failures[0]
        raise WorkerError(
            f"{len(failures)} of {len(campaign.jobs())} jobs failed, first '{name}':\n{trace.strip()}\n"
            f"Finished work is kept; the logs are in {campaign.folder / 'logs'}. Run the command again to retry."
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0))
