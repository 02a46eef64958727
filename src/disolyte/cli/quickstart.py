"""``disolyte quickstart``: what it takes. Its work is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from disolyte.cli.campaigns import MongoUri, MongoUriFile, uri_was_typed

DEFAULT_FOLDER = Path("disolyte-quickstart")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(quickstart)


def quickstart(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Run folder; run again with the same one to go on.")] = DEFAULT_FOLDER,
    fireworks: Annotated[
        bool, typer.Option("--fireworks", help="One CPU-category and one GPU-category FireWorks worker.")
    ] = False,
    mongodb_uri: MongoUri = None,
    mongodb_uri_file: MongoUriFile = None,
    jobflow_config: Annotated[Path | None, typer.Option(help="Your own jobflow.yaml with a JOB_STORE.")] = None,
) -> None:
    """Run a miniature of Li3In(x)Y(1-x)Br(6y)Cl(6-6y) through every stage, in about ten minutes."""
    from disolyte.cli.running import run_quickstart
    from disolyte.cli.session import readable_errors
    from disolyte.cli.setup import read_uri

    with readable_errors():
        uri = read_uri(mongodb_uri, mongodb_uri_file, was_typed=uri_was_typed(context))
    run_quickstart(folder, fireworks=fireworks, mongodb_uri=uri, jobflow_config=jobflow_config)
