"""Options that several commands share: single ones as types, groups of them as functions that make one value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from disolyte.cli.inputs import Round, SystemRequest, system_options

if TYPE_CHECKING:
    from disolyte.cli.planning import Task

Command = TypeVar("Command", bound=Callable[..., Any])

CAMPAIGN_FOLDER = Path("disolyte-campaign")
QUICKSTART_FOLDER = Path("disolyte-quickstart")
PRESETS = ("paper", "quickstart")

Folder = Annotated[Path, typer.Option("--folder", "-f", help="Run folder.")]
Name = Annotated[str | None, typer.Option(help="Name of the campaign; made up if not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JobflowConfig = Annotated[Path | None, typer.Option(help="Your own jobflow.yaml with a JOB_STORE.")]


def takes(**groups: Callable[..., Any]) -> Callable[[Command], Command]:
    """Let a command take groups of options: each argument named here is made by a function from its own parameters.

    The parameters of the function stand in the place of the argument on the command line.
    """

    def decorate(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        members: dict[str, list[str]] = {}
        for name, parameter in _parameters(command, without=groups).items():
            group = _parameters(groups[name]) if name in groups else {name: parameter}
            members[name] = list(group)
            parameters += group.values()

        @functools.wraps(command)
        def run(**given: Any) -> Any:
            made = {name: make(**{key: given[key] for key in members[name]}) for name, make in groups.items()}
            own = {name: given[name] for name in members if name not in groups}
            return command(**own, **made)

        ordered = sorted(parameters, key=lambda parameter: parameter.default is not inspect.Parameter.empty)
        run.__signature__ = inspect.Signature(ordered)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in ordered}
        return run  # type: ignore[return-value]

    return decorate


def _parameters(function: Callable[..., Any], without: Any = ()) -> dict[str, inspect.Parameter]:
    """Parameters with their annotations evaluated, but for those left out."""
    written = {name: value for name, value in function.__annotations__.items() if name not in {*without, "return"}}
    hints = get_type_hints(
        SimpleNamespace(__annotations__=written), globalns=inspect.unwrap(function).__globals__, include_extras=True
    )
    found = inspect.signature(function).parameters
    return {name: parameter.replace(annotation=hints.get(name, Any)) for name, parameter in found.items()}


def _known_preset(value: str) -> str:
    if value not in PRESETS:
        raise typer.BadParameter(f"{value!r} is none of: {', '.join(PRESETS)}")
    return value


@takes(system=system_options)
def task_options(
    system: SystemRequest,
    preset: Annotated[
        str, typer.Option("--preset", callback=_known_preset, help="Settings: paper or quickstart.")
    ] = "paper",
    maker: Annotated[
        Path | None, typer.Option("--maker", help="JSON of your own DisorderedElectrolyteFlowMaker.")
    ] = None,
    composition: Annotated[
        list[str] | None, typer.Option("--composition", "-c", help="Composition to keep; may be repeated.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help="Foundation model of all makers: disolyte-small, disolyte-broad, small, medium, large, … or a file.",
        ),
    ] = None,
    model_sha256: Annotated[str | None, typer.Option(metavar="HASH", help="SHA-256 that --model must have.")] = None,
    device: Annotated[
        str | None, typer.Option(help="torch device of all makers: cpu or cuda. The paper's preset takes cuda.")
    ] = None,
    round_: Round = False,
) -> Task:
    """What to run."""
    from disolyte.cli.planning import Foundation, Preset, Task

    foundation = None if model is None else Foundation(model, model_sha256)
    return Task(system, Preset(preset), maker, tuple(composition or ()), foundation, device, round_)


def database_options(
    context: typer.Context,
    mongodb_uri: Annotated[
        str | None,
        typer.Option(help="MongoDB; one with a password only by the variable.", envvar="DISOLYTE_MONGODB_URI"),
    ] = None,
    mongodb_uri_file: Annotated[
        Path | None, typer.Option(help="File with the URI that nobody else can read (chmod 600).")
    ] = None,
) -> str | None:
    """The user's own database, from a file, the environment or, without a password, a flag."""
    from disolyte.cli.messages import readable_errors
    from disolyte.cli.session import read_uri

    source = context.get_parameter_source("mongodb_uri")
    with readable_errors():
        was_typed = source is not None and source.name == "COMMANDLINE"
        return read_uri(mongodb_uri, mongodb_uri_file, was_typed=was_typed)
