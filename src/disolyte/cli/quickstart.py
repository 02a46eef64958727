"""``disolyte quickstart`` and ``disolyte results``: what they take. Their work is imported when they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_FOLDER = Path("disolyte-quickstart")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(quickstart)
    app.command()(results)


def quickstart(
    folder: Annotated[Path, typer.Option(help="Run folder; run again with the same one to go on.")] = DEFAULT_FOLDER,
    fireworks: Annotated[
        bool, typer.Option("--fireworks", help="One CPU-category and one GPU-category FireWorks worker.")
    ] = False,
    mongodb_uri: Annotated[
        str | None, typer.Option(help="Your own MongoDB instead of the embedded one.", envvar="DISOLYTE_MONGODB_URI")
    ] = None,
    jobflow_config: Annotated[Path | None, typer.Option(help="Your own jobflow.yaml with a JOB_STORE.")] = None,
) -> None:
    """Run a miniature of Li3In(x)Y(1-x)Br(6y)Cl(6-6y) through every stage, in about ten minutes."""
    from disolyte.cli.running import run_quickstart

    run_quickstart(folder, fireworks=fireworks, mongodb_uri=mongodb_uri, jobflow_config=jobflow_config)


def results(
    folder: Annotated[Path, typer.Option(help="Run folder.")] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show stability, conductivity, activation energy and verdict of each composition."""
    from disolyte.cli.reporting import show_results

    show_results(folder, as_json=as_json)
