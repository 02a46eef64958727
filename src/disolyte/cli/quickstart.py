"""``disolyte quickstart``: the whole pipeline, in miniature, on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from disolyte.cli.progress import ProgressDisplay
from disolyte.cli.results import print_results, write_results
from disolyte.cli.session import DEFAULT_FOLDER, URI_VARIABLE, open_campaign, readable_errors
from disolyte.errors import WorkerError
from disolyte.workers.campaign import ANY_ROLE, Campaign
from disolyte.workers.roles import Role

CAMPAIGN = "quickstart"
console = Console()


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(quickstart)


def quickstart(
    folder: Annotated[Path, typer.Option(help="Run folder; run again with the same one to go on.")] = DEFAULT_FOLDER,
    fireworks: Annotated[
        bool, typer.Option("--fireworks", help="One CPU-category and one GPU-category FireWorks worker.")
    ] = False,
    mongodb_uri: Annotated[
        str | None, typer.Option(help="Your own MongoDB instead of the embedded one.", envvar=URI_VARIABLE)
    ] = None,
    jobflow_config: Annotated[Path | None, typer.Option(help="Your own jobflow.yaml with a JOB_STORE.")] = None,
) -> None:
    """Run a miniature of Li3In(x)Y(1-x)Br(6y)Cl(6-6y) through every stage, in about ten minutes."""
    start = time.monotonic()
    with (
        readable_errors(),
        open_campaign(CAMPAIGN, folder, mongodb_uri=mongodb_uri, jobflow_config=jobflow_config) as campaign,
    ):
        _say(f"Run folder {campaign.folder}, database {campaign.database.display}")
        _submit_or_go_on(campaign)
        _run(campaign, [Role.CPU, Role.GPU] if fireworks else [ANY_ROLE])
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
        n_again = campaign.recover()
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

    cores = len(os.sched_getaffinity(0))
    campaign.start_workers(categories, threads=min(cores, 4))
    with ProgressDisplay(console, EXPECTED_COSTS) as display:
        for jobs in campaign.watch():
            display.update(jobs)
    for name in categories:
        campaign.registry.stop(f"worker-{name}")
    failures = list(campaign.failures())
    if failures:
        name, trace = failures[0]
        raise WorkerError(
            f"{len(failures)} of {len(campaign.jobs())} jobs failed, first '{name}':\n{trace.strip()}\n"
            f"Finished work is kept; the logs are in {campaign.folder / 'logs'}. Run the command again to retry."
        )
