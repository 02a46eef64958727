"""Submit a campaign to a run folder, work on it, watch it, and put it right."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from disolyte.cli.inputs import SystemRequest
from disolyte.cli.interim import InterimReport
from disolyte.cli.messages import readable_errors
from disolyte.cli.planning import Preset, Task, print_plan, route, span
from disolyte.cli.progress import STAGE_TITLES, ProgressDisplay
from disolyte.cli.reporting import print_results, write_results
from disolyte.cli.session import open_campaign, read_campaign
from disolyte.errors import RunFolderInUseError, WorkerError
from disolyte.flows.costs import Plan, plan_flow
from disolyte.results.quarantine import count_quarantined
from disolyte.results.query import Results
from disolyte.workers.campaign import ANY_ROLE, Campaign
from disolyte.workers.folder import RunFolder
from disolyte.workers.jobs import SET_ASIDE
from disolyte.workers.recovery import Recovery
from disolyte.workers.roles import Role
from disolyte.workers.status import CampaignStatus, StageStatus, campaign_status

console = Console()
SHOWN_FAILURES: Final = 3
UNLIMITED: Final = 10_000
"""Width at which no table is cut."""
QUICKSTART = Task(SystemRequest("liybc"), Preset.QUICKSTART)


def show_plan(task: Task, folder: Path | None, *, as_json: bool) -> None:
    """Print what a task would run."""
    with readable_errors():
        flow, system = task.make_flow()
        plan = plan_flow(flow)
        workers = route(flow, None if folder is None else RunFolder(folder))
        if as_json:
            typer.echo(plan.model_dump_json(indent=2))
        else:
            print_plan(plan, workers, f"{system.title}, {task.label}", console)


def submit_task(
    task: Task, folder: Path, *, name: str | None, mongodb_uri: str | None, jobflow_config: Path | None
) -> None:
    """Check a task, show its plan, and submit it to a run folder."""
    with readable_errors():
        files = RunFolder(folder)
        files.check()
        flow, system = task.make_flow()
        plan = plan_flow(flow)
        workers = route(flow, files)
        with open_campaign(
            folder, mongodb_uri=mongodb_uri, jobflow_config=jobflow_config, stem=system.key, name=name
        ) as campaign:
            print_plan(plan, workers, f"{system.title}, {task.label}", console)
            n_jobs = campaign.submit(flow)
            _keep_record(campaign, task, system.key, n_jobs, plan)
            _say(f"{n_jobs} jobs of the campaign '{campaign.name}' are on the LaunchPad {campaign.database.display}.")
            _say(f"Next: disolyte work --folder {folder}")


def run_quickstart(folder: Path, *, fireworks: bool, mongodb_uri: str | None, jobflow_config: Path | None) -> None:
    """Run, or go on with, the quickstart in a run folder; print its table and write its report."""
    start = time.monotonic()
    with (
        readable_errors(),
        open_campaign(folder, mongodb_uri=mongodb_uri, jobflow_config=jobflow_config, stem="quickstart") as campaign,
    ):
        _say(f"Run folder {campaign.folder}, database {campaign.database.display}")
        if not campaign.jobs():
            with console.status("Preparing the flow"):
                flow, system = QUICKSTART.make_flow()
                plan = plan_flow(flow)
                route(flow, campaign.files)
                _keep_record(campaign, QUICKSTART, system.key, campaign.submit(flow), plan)
        else:
            _go_on(campaign, failed=True)
        _work(campaign, [Role.CPU, Role.GPU] if fireworks else [ANY_ROLE] * min(2, _cores()))
        report = write_results(campaign)
        print_results(campaign, console)
        _say(f"Report: {report}")
        _say(f"Took {time.monotonic() - start:.0f} s. The table again: disolyte results --folder {folder}")


def work_on(folder: Path, workers: Sequence[str]) -> None:
    """Work on what is ready in a run folder, to the end."""
    with readable_errors():
        RunFolder(folder).require()
        with open_campaign(folder) as campaign:
            if not campaign.jobs():
                raise WorkerError(f"there is nothing to do in {campaign.folder}; run 'disolyte submit SYSTEM' first")
            _go_on(campaign, failed=False)
            _work(campaign, list(workers) or campaign.files.record().roles or [ANY_ROLE])
            _say(f"Report: {write_results(campaign)}")
            print_results(campaign, console)


def show_status(folder: Path, *, as_json: bool) -> None:
    """Print how far a campaign is."""
    with readable_errors(), read_campaign(folder) as campaign:
        quarantined = count_quarantined(Results(campaign.job_store(), campaign.name))
        status = campaign_status(campaign, quarantined)
        if as_json:
            typer.echo(status.model_dump_json(indent=2))
        else:
            print_status(status, console)


def rerun_campaign(folder: Path, *, lost_after_h: float, cancelled: bool) -> None:
    """Make ready again what failed or was lost, and, if asked, what was cancelled."""
    with readable_errors(), _change_campaign(folder) as campaign:
        n_reignited = campaign.reignite() if cancelled else 0
        # While its owner works, only what failed and what is long silent can be told from what runs.
        recovery = campaign.recover() if campaign.is_owner else Recovery([], [])
        again = recovery.rerun + campaign.rerun_failed(3600.0 * lost_after_h)
        if n_reignited:
            _say(f"{n_reignited} jobs are no longer cancelled.")
        if recovery.applied:
            _say(f"{len(recovery.applied)} jobs had ended well when their worker was killed; their results now count.")
        if again:
            _say(f"{len(again)} jobs are ready to run again.")
        elif not (n_reignited or recovery.applied):
            _say("Nothing has failed or was lost.")
        _say_what_is_cancelled(campaign)


def cancel_campaign(folder: Path, *, is_sure: bool) -> None:
    """Cancel what is not finished."""
    with readable_errors(), _change_campaign(folder) as campaign:
        left = [job for job in campaign.jobs() if job.state not in {"COMPLETED", SET_ASIDE, "DEFUSED", "ARCHIVED"}]
        n_running = sum(job.state == "RUNNING" for job in left)
        running = f"; {n_running} run now and are stopped, their work so far is lost" if n_running else ""
        question = f"Cancel {len(left)} unfinished jobs of '{campaign.name}'{running}?"
        if left and not is_sure and not typer.confirm(question):
            _say("Nothing was cancelled.")
            return
        _say(f"{campaign.cancel()} jobs were cancelled; what is finished stays.")
        _say(f"To take it back: disolyte rerun --cancelled --folder {folder}")


def print_status(status: CampaignStatus, out: Console) -> None:
    """Print the stages: a table, or where that does not fit, a line each."""
    table = _stage_table(status)
    if Measurement.get(out, out.options.update(width=UNLIMITED), table).minimum <= out.width:
        out.print(table)
    else:
        out.print(f"{status.campaign}: {status.state}", highlight=False, markup=False)
        for stage in status.stages:
            counts = [f"{n} {heading}" for heading, n in _counts(stage).items() if n not in {"0", "0/0"}]
            title = STAGE_TITLES.get(stage.stage, stage.stage)
            out.print(f"{title}: {', '.join(counts)}", highlight=False, markup=False)
    for line in _notes(status):
        out.print(line, highlight=False, markup=False)


def _counts(stage: StageStatus) -> dict[str, str]:
    return {
        "done": f"{stage.n_done}/{stage.n_expected}",
        "running": str(stage.n_running),
        "waiting": str(stage.n_waiting),
        "failed": str(stage.n_failed),
        "cancelled": str(stage.n_cancelled),
        "quarantine": str(stage.n_quarantined),
    }


def _stage_table(status: CampaignStatus) -> Table:
    title = escape(f"{status.campaign}: {status.state}")
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("stage", min_width=12)
    headings = [heading for heading in _counts(StageStatus(stage="")) if heading != "cancelled"]
    if any(stage.n_cancelled for stage in status.stages):
        headings.insert(headings.index("failed") + 1, "cancelled")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for stage in status.stages:
        styles = {"failed": "bold red" if stage.n_failed else "dim"}
        counts = _counts(stage)
        cells = [Text(counts[heading], style=styles.get(heading, "")) for heading in headings]
        table.add_row(STAGE_TITLES.get(stage.stage, escape(stage.stage)), *cells)
    return table


def _notes(status: CampaignStatus) -> Iterator[str]:
    """What the counts do not say: the pace, and what to do."""
    pace = f"{status.rate_per_hour:.0f} jobs per hour"
    n_running = sum(stage.n_running for stage in status.stages)
    if status.seconds_left:
        pace += f", time left about {span(status.seconds_left)}"
    elif status.n_lost == n_running and any(stage.n_waiting or stage.n_running for stage in status.stages):
        pace += ", time left unknown: no worker runs"
    yield pace
    if status.n_lost:
        yield f"{status.n_lost} of those running were cut off, their worker is gone: disolyte work runs them again"
    for failure in status.failures[:SHOWN_FAILURES]:
        yield f"Failed: {failure.job}: {failure.error}"
        yield f"        in {failure.folder}"
    n_more = sum(stage.n_failed for stage in status.stages) - len(status.failures[:SHOWN_FAILURES])
    if status.failures and n_more:
        yield f"        and {n_more} more"
    if any(stage.n_failed for stage in status.stages):
        yield "To try the failed ones again: disolyte rerun, then disolyte work"
    if any(stage.n_cancelled for stage in status.stages):
        yield "To take back that jobs were cancelled: disolyte rerun --cancelled, then disolyte work"


@contextmanager
def _change_campaign(folder: Path) -> Iterator[Campaign]:
    """Open a run folder to change the states of its jobs, also while another process works in it.

    Unlike for reading, a copy of a folder that cannot be written to will not do: it is refused.
    """
    RunFolder(folder).require()
    with ExitStack() as stack:
        try:
            campaign = stack.enter_context(open_campaign(folder))
        except RunFolderInUseError:
            campaign = stack.enter_context(read_campaign(folder))
        yield campaign


def _go_on(campaign: Campaign, *, failed: bool) -> None:
    jobs = campaign.jobs()
    n_done = sum(job.state == "COMPLETED" for job in jobs)
    n_again = len(campaign.recover(failed=failed).rerun)
    again = f", {n_again} that were cut off{' or failed' if failed else ''} run again" if n_again else ""
    _say(f"Going on: {n_done} of {len(jobs)} jobs are done{again}.")
    _say_what_is_cancelled(campaign)


def _say_what_is_cancelled(campaign: Campaign) -> None:
    n_cancelled = sum(job.state == "DEFUSED" for job in campaign.jobs())
    if n_cancelled:
        again = f"disolyte rerun --cancelled --folder {campaign.folder}"
        _say(f"{n_cancelled} jobs are cancelled and do not run; to take it back: {again}")


def _work(campaign: Campaign, workers: Sequence[str]) -> None:
    """Start workers, if there is anything to do, and watch them to the end."""
    if not any(job.state in {"READY", "WAITING", "RESERVED", "RUNNING"} for job in campaign.jobs()):
        _report_failures(campaign)
        return
    names = campaign.start_workers(workers, threads=max(1, _cores() // len(workers)))
    _say(f"Figures and report.html appear in {campaign.folder} as soon as they can be drawn.")
    _say(f"Meanwhile, in another terminal: disolyte status, results or report, with --folder {campaign.folder}")
    interim = InterimReport(campaign)
    with ProgressDisplay(console, campaign.files.record().costs, len(workers)) as display:
        for jobs in campaign.watch():
            display.update(jobs)
            for figure in interim.update(jobs):
                _say(f"New figure: {figure}")
    campaign.stop_workers(names)
    _report_failures(campaign)


def _report_failures(campaign: Campaign) -> None:
    failures = list(campaign.failures())
    if failures:
        first = failures[0]
        raise WorkerError(
            f"{len(failures)} of {len(campaign.jobs())} jobs failed, first '{first.name}': {first.error}\n"
            f"Finished work is kept. It ran in {first.folder}; all tracebacks are in {campaign.folder / 'logs'}. "
            f"Mend the cause, then: disolyte rerun --folder {campaign.folder}, and run the command again."
        )


def _keep_record(campaign: Campaign, task: Task, system_key: str, n_jobs: int, plan: Plan) -> None:
    record = campaign.files.record()
    changes = {
        "system": system_key,
        "maker": task.label,
        "n_jobs_at_submission": n_jobs,
        "roles": plan.roles,
        "costs": plan.stage_costs(),
    }
    campaign.files.write_record(record.model_copy(update=changes))


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0))
