"""Commands of a campaign: ``init``, ``plan``, ``submit``, ``work``, ``status``, ``rerun``, ``cancel``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from disolyte.cli.planning import Task

DEFAULT_FOLDER = Path("disolyte-campaign")
PRESETS = ("paper", "quickstart")


def _known_preset(value: str) -> str:
    if value not in PRESETS:
        raise typer.BadParameter(f"{value!r} is none of: {', '.join(PRESETS)}")
    return value


Folder = Annotated[Path, typer.Option("--folder", "-f", help="Run folder.")]
System = Annotated[str, typer.Argument(help="Key of a system (liybc, …), a YAML description, or a disordered CIF.")]
PresetName = Annotated[str, typer.Option("--preset", callback=_known_preset, help="Settings: paper or quickstart.")]
MakerFile = Annotated[Path | None, typer.Option("--maker", help="JSON of your own DisorderedElectrolyteFlowMaker.")]
Compositions = Annotated[
    list[str] | None, typer.Option("--composition", "-c", help="Composition to keep; may be repeated.")
]
Device = Annotated[
    str | None, typer.Option(help="torch device of all makers: cpu or cuda. The paper's preset takes cuda.")
]
MobileIon = Annotated[str, typer.Option(help="Mobile ion, where SYSTEM is a structure file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
MongoUri = Annotated[
    str | None,
    typer.Option(help="MongoDB; one with a password only by the variable.", envvar="DISOLYTE_MONGODB_URI"),
]
MongoUriFile = Annotated[Path | None, typer.Option(help="File with the URI that nobody else can read (chmod 600).")]
Name = Annotated[str | None, typer.Option(help="Name of the campaign; made up if not given.")]
PerRole = "ROLE=VALUE, or VALUE for all roles; may be repeated."


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (init, plan, submit, work, status, rerun, cancel):
        app.command()(command)


def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Run folder to make.")] = DEFAULT_FOLDER,
    embedded: Annotated[bool, typer.Option("--embedded", help="A database of its own in the run folder.")] = False,
    mongodb_uri: MongoUri = None,
    mongodb_uri_file: MongoUriFile = None,
    name: Name = None,
    partition: Annotated[list[str] | None, typer.Option(help=f"SLURM partition: {PerRole}")] = None,
    account: Annotated[list[str] | None, typer.Option(help=f"SLURM account: {PerRole}")] = None,
    walltime: Annotated[list[str] | None, typer.Option(help=f"SLURM time limit: {PerRole}")] = None,
    setup: Annotated[list[str] | None, typer.Option(help=f"Shell command before a worker starts: {PerRole}")] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing.")] = False,
) -> None:
    """Write the FireWorks, SLURM and jobflow files of a run folder; nothing is overwritten."""
    from disolyte.cli.session import readable_errors
    from disolyte.cli.setup import SetupRequest, initialise, read_uri

    with readable_errors():
        uri = None if embedded else read_uri(mongodb_uri, mongodb_uri_file, was_typed=uri_was_typed(context))
    request = SetupRequest(uri, embedded, name, partition or [], account or [], walltime or [], setup or [])
    initialise(folder, request, may_ask=not no_input)


def plan(
    system: System,
    preset: PresetName = "paper",
    maker: MakerFile = None,
    composition: Compositions = None,
    device: Device = None,
    mobile_ion: MobileIon = "Li",
    folder: Annotated[Path | None, typer.Option("--folder", "-f", help="Run folder whose workers to name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would run where, how many jobs and atoms, and about how long; nothing is submitted."""
    from disolyte.cli.running import show_plan

    show_plan(_task(system, preset, maker, composition, device, mobile_ion), folder, as_json=as_json)


def submit(
    context: typer.Context,
    system: System,
    preset: PresetName = "paper",
    maker: MakerFile = None,
    composition: Compositions = None,
    device: Device = None,
    mobile_ion: MobileIon = "Li",
    folder: Folder = DEFAULT_FOLDER,
    name: Name = None,
    mongodb_uri: MongoUri = None,
    mongodb_uri_file: MongoUriFile = None,
    jobflow_config: Annotated[Path | None, typer.Option(help="Your own jobflow.yaml with a JOB_STORE.")] = None,
) -> None:
    """Check everything, show the plan, and put the jobs on the LaunchPad of the run folder."""
    from disolyte.cli.running import submit_task
    from disolyte.cli.session import readable_errors
    from disolyte.cli.setup import read_uri

    with readable_errors():
        uri = read_uri(mongodb_uri, mongodb_uri_file, was_typed=uri_was_typed(context))
    task = _task(system, preset, maker, composition, device, mobile_ion)
    submit_task(task, folder, name=name, mongodb_uri=uri, jobflow_config=jobflow_config)


def work(
    folder: Folder = DEFAULT_FOLDER,
    worker: Annotated[
        list[str] | None,
        typer.Option("--worker", "-w", help="cpu, gpu, dft or any; may be repeated. One for each role if not given."),
    ] = None,
) -> None:
    """Start workers on this machine and watch the campaign to its end; Ctrl-C keeps all that is done."""
    from disolyte.cli.running import work_on

    work_on(folder, worker or [])


def status(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Show how far each stage is, what failed and was set aside, how fast it goes, and the time left."""
    from disolyte.cli.running import show_status

    show_status(folder, as_json=as_json)


def rerun(
    folder: Folder = DEFAULT_FOLDER,
    lost_after: Annotated[
        float, typer.Option(help="Hours of silence after which a job of a worker elsewhere counts as lost.")
    ] = 4.0,
) -> None:
    """Make ready again only what failed or was lost; 'disolyte work' or qlaunch then runs it."""
    from disolyte.cli.running import rerun_campaign

    rerun_campaign(folder, lost_after_h=lost_after)


def cancel(
    folder: Folder = DEFAULT_FOLDER,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let nothing more of the campaign start; finished documents stay."""
    from disolyte.cli.running import cancel_campaign

    cancel_campaign(folder, is_sure=yes)


def _task(
    system: str, preset: str, maker: Path | None, compositions: list[str] | None, device: str | None, mobile_ion: str
) -> Task:
    from disolyte.cli.planning import Preset, Task

    return Task(system, Preset(preset), maker, tuple(compositions or ()), device, mobile_ion)


def uri_was_typed(context: typer.Context) -> bool:
    """Whether the URI stands on the command line, where others can read it."""
    source = context.get_parameter_source("mongodb_uri")
    return source is not None and source.name == "COMMANDLINE"
