"""Commands of a campaign: ``init``, ``plan``, ``submit``, ``work``, ``status``, ``rerun``, ``cancel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from disolyte.cli.inputs import SupercellCommand
from disolyte.cli.options import (
    CAMPAIGN_FOLDER,
    AsJson,
    Folder,
    JobflowConfig,
    Name,
    database_options,
    takes,
    task_options,
)

if TYPE_CHECKING:
    from disolyte.cli.planning import Task

LONGEST_H: Final = 24.0 * 3650
PerRole = "ROLE=VALUE, or VALUE for all roles; may be repeated."


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (init, plan, submit, work, status, rerun, cancel):
        app.command(cls=SupercellCommand if command in (plan, submit) else None)(command)


@takes(uri=database_options)
def init(
    uri: str | None,
    folder: Annotated[Path, typer.Argument(help="Run folder to make.")] = CAMPAIGN_FOLDER,
    embedded: Annotated[bool, typer.Option("--embedded", help="A database of its own in the run folder.")] = False,
    name: Name = None,
    partition: Annotated[list[str] | None, typer.Option(help=f"SLURM partition: {PerRole}")] = None,
    account: Annotated[list[str] | None, typer.Option(help=f"SLURM account: {PerRole}")] = None,
    walltime: Annotated[list[str] | None, typer.Option(help=f"SLURM time limit: {PerRole}")] = None,
    setup: Annotated[list[str] | None, typer.Option(help=f"Shell command before a worker starts: {PerRole}")] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing.")] = False,
) -> None:
    """Write the FireWorks, SLURM and jobflow files of a run folder; nothing is overwritten."""
    from disolyte.cli.setup import SetupRequest, initialise

    request = SetupRequest(
        None if embedded else uri, embedded, name, partition or [], account or [], walltime or [], setup or []
    )
    initialise(folder, request, may_ask=not no_input)


@takes(task=task_options)
def plan(
    task: Task,
    folder: Annotated[Path | None, typer.Option("--folder", "-f", help="Run folder whose workers to name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would run where, how many jobs and atoms, and about how long; nothing is submitted."""
    from disolyte.cli.running import show_plan

    show_plan(task, folder, as_json=as_json)


@takes(task=task_options, uri=database_options)
def submit(
    task: Task,
    uri: str | None,
    folder: Folder = CAMPAIGN_FOLDER,
    name: Name = None,
    jobflow_config: JobflowConfig = None,
) -> None:
    """Check everything, show the plan, and put the jobs on the LaunchPad of the run folder."""
    from disolyte.cli.running import submit_task

    submit_task(task, folder, name=name, mongodb_uri=uri, jobflow_config=jobflow_config)


def work(
    folder: Folder = CAMPAIGN_FOLDER,
    worker: Annotated[
        list[str] | None,
        typer.Option("--worker", "-w", help="cpu, gpu, dft or any; may be repeated. One for each role if not given."),
    ] = None,
) -> None:
    """Start workers on this machine and watch the campaign to its end; Ctrl-C keeps all that is done."""
    from disolyte.cli.running import work_on

    work_on(folder, worker or [])


def status(folder: Folder = CAMPAIGN_FOLDER, as_json: AsJson = False) -> None:
    """Show how far each stage is, what failed and was set aside, how fast it goes, and the time left."""
    from disolyte.cli.running import show_status

    show_status(folder, as_json=as_json)


def _hours(value: float) -> float:
    if not 0 <= value <= LONGEST_H:
        raise typer.BadParameter(f"{value:g} is no time between 0 and {LONGEST_H:g} h")
    return value


def rerun(
    folder: Folder = CAMPAIGN_FOLDER,
    lost_after: Annotated[
        float,
        typer.Option(callback=_hours, help="Hours of silence after which a job of a worker elsewhere counts as lost."),
    ] = 4.0,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Also what 'disolyte cancel' cancelled.")] = False,
) -> None:
    """Make ready again only what failed or was lost; 'disolyte work' or qlaunch then runs it."""
    from disolyte.cli.running import rerun_campaign

    rerun_campaign(folder, lost_after_h=lost_after, cancelled=cancelled)


def cancel(
    folder: Folder = CAMPAIGN_FOLDER,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let nothing more of the campaign start; finished documents stay."""
    from disolyte.cli.running import cancel_campaign

    cancel_campaign(folder, is_sure=yes)
