"""The command ``disolyte``. Consumes everything; nothing imports it."""

from __future__ import annotations

import typer

from disolyte.cli import campaigns, dataset, enumeration, findings, quickstart, systems

app = typer.Typer(
    name="disolyte",
    help="From a disordered solid electrolyte to its ionic conductivity.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
quickstart.register(app)
campaigns.register(app)
findings.register(app)
enumeration.register(app)
systems.register(app)
dataset.register(app)
