"""``disolyte quickstart``: what it takes. Its work is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from disolyte.cli.options import QUICKSTART_FOLDER, JobflowConfig, database_options, takes


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(quickstart)


@takes(uri=database_options)
def quickstart(
    uri: str | None,
    folder: Annotated[Path, typer.Option(help="Run folder; run again with the same one to go on.")] = QUICKSTART_FOLDER,
    fireworks: Annotated[
        bool, typer.Option("--fireworks", help="One CPU-category and one GPU-category FireWorks worker.")
    ] = False,
    jobflow_config: JobflowConfig = None,
) -> None:
    """Run a miniature of Li3In(x)Y(1-x)Br(6y)Cl(6-6y) through every stage, in four to ten minutes."""
    from disolyte.cli.running import run_quickstart

    run_quickstart(folder, fireworks=fireworks, mongodb_uri=uri, jobflow_config=jobflow_config)
