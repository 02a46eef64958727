"""Commands that ask what was found: ``results``, ``report``, ``trace``; and ``doctor``, which asks what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from disolyte.cli.options import CAMPAIGN_FOLDER, QUICKSTART_FOLDER, AsJson

TABLES = ("compositions", "temperatures", "models", "selection", "quarantine")
FolderToRead = Annotated[
    Path | None,
    typer.Option("--folder", "-f", help="Run folder; that of the last command's default name if not given."),
]


def _known_table(value: str | None) -> str | None:
    if value is not None and value not in TABLES:
        raise typer.BadParameter(f"{value!r} is none of: {', '.join(TABLES)}")
    return value


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for command in (results, report, trace, doctor):
        app.command()(command)


def results(
    folder: FolderToRead = None,
    table: Annotated[str | None, typer.Option("--table", "-t", callback=_known_table, help=", ".join(TABLES))] = None,
    composition: Annotated[str | None, typer.Option("--composition", "-c", help="Only this composition.")] = None,
    temperature_k: Annotated[float | None, typer.Option("--temperature", "-T", help="Only this one, in K.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show stability, conductivity, activation energy and verdict of each composition, or another table."""
    from disolyte.cli.reporting import TableRequest, show_results, show_table

    if table is None and composition is None and temperature_k is None and csv is None:
        show_results(default_folder(folder), as_json=as_json)
        return
    chosen = table or ("compositions" if temperature_k is None else "temperatures")
    show_table(default_folder(folder), TableRequest(chosen, composition, temperature_k, csv), as_json=as_json)


def report(
    folder: FolderToRead = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
) -> None:
    """Write the campaign's findings as one self-contained HTML page."""
    from disolyte.cli.reporting import write_report

    write_report(default_folder(folder), output)


def trace(
    uuid: Annotated[str, typer.Argument(help="uuid of a document, or its beginning.")],
    folder: FolderToRead = None,
    as_json: AsJson = False,
) -> None:
    """Show what a document was made from: jobs, seeds, models and datasets with their hashes, up to the beginning."""
    from disolyte.cli.tracing import show_trace

    show_trace(default_folder(folder), uuid, as_json=as_json)


def doctor(
    folder: Annotated[Path | None, typer.Option("--folder", "-f", help="Run folder to look at, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is here and what is missing, each with the remedy; the exit code is 1 if the quickstart cannot run."""
    from disolyte.cli.diagnosis import show_diagnosis

    show_diagnosis(folder, as_json=as_json)


def default_folder(folder: Path | None) -> Path:
    """The folder given, or the default one of 'disolyte submit' or 'disolyte quickstart', whichever is here."""
    if folder is not None:
        return folder
    return CAMPAIGN_FOLDER if CAMPAIGN_FOLDER.is_dir() and not QUICKSTART_FOLDER.is_dir() else QUICKSTART_FOLDER
