"""Print and write what a campaign has found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from disolyte.cli.messages import readable_errors
from disolyte.cli.session import read_campaign
from disolyte.results.query import Results
from disolyte.results.summary import CompositionSummary, mark_models, summarise
from disolyte.workers.campaign import Campaign


def show_results(folder: Path, *, as_json: bool) -> None:
    """Print what a run folder has found, as a table or as JSON."""
    with readable_errors(), read_campaign(folder) as opened:
        if as_json:
            rows = summarise(Results(opened.job_store(), opened.name))
            typer.echo(json.dumps([row.model_dump(mode="json") for row in rows], indent=2, allow_nan=False))
        else:
            print_results(opened, Console())


@dataclass(frozen=True)
class TableRequest:
    """Which table, and which part of it."""

    name: str
    formula: str | None = None
    temperature_k: float | None = None
    csv: Path | None = None


def show_table(folder: Path, request: TableRequest, *, as_json: bool) -> None:
    """Print one of the tables of :mod:`disolyte.results.tables`, or write it as CSV."""
    from disolyte.results.tables import make_table

    with readable_errors(), read_campaign(folder) as opened:
        found = Results(opened.job_store(), opened.name)
        table = make_table(found, request.name, formula=request.formula, temperature_k=request.temperature_k)
        if request.csv is not None:
            table.to_csv(request.csv, index=False)
            typer.echo(f"{len(table)} rows: {request.csv}")
        elif as_json:
            typer.echo(table.to_json(orient="records", indent=2))
        else:
            typer.echo("no rows" if table.empty else table.to_string(index=False))


def write_report(folder: Path, output: Path | None) -> None:
    """Write the report of a run folder into it, or to a file."""
    from disolyte.results.report import draw_figures, render_report

    with readable_errors(), read_campaign(folder) as opened:
        found = Results(opened.job_store(), opened.name)
        file = folder / "report.html" if output is None else output
        file.write_text(render_report(found, list(draw_figures(found))), encoding="utf-8")
        typer.echo(str(file))


def write_results(campaign: Campaign) -> Path:
    """Write ``results.json``, ``figures/`` and ``report.html`` into the run folder; return the report's path."""
    from disolyte.results.report import draw_figures, render_report

    found = Results(campaign.job_store(), campaign.name)
    rows = [row.model_dump(mode="json") for row in summarise(found)]
    (campaign.folder / "results.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    drawn = list(draw_figures(found))
    figures = campaign.folder / "figures"
    figures.mkdir(exist_ok=True)
    for entry in drawn:
        (figures / f"{entry.file_name}.png").write_bytes(entry.png)
    report = campaign.folder / "report.html"
    report.write_text(render_report(found, drawn), encoding="utf-8")
    return report


def print_results(campaign: Campaign, console: Console) -> None:
    """Print the closing table, and the caveats it rests on."""
    rows = summarise(Results(campaign.job_store(), campaign.name))
    if not rows:
        text = f"No composition has results yet. How far it is: disolyte status --folder {campaign.folder}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        return
    table = Table(title="Stability and transport", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    for title, justify in (
        ("composition", "left"),
        ("E_hull\n(meV/atom)", "right"),
        ("σ at 800 K\n(S/cm)", "right"),
        ("E_a\n(eV)", "right"),
        ("verdict", "left"),
    ):
        table.add_column(title, justify=justify, no_wrap=justify == "left")  # type: ignore[arg-type]
    models = mark_models(rows)
    for row in rows:
        name = f"{row.label} {row.model_mark}" if models else row.label
        cells = (name, _hull(row), _conductivity(row), _barrier(row), row.verdict)
        table.add_row(*map(escape, cells))
    console.print(table)
    if any(row.is_read_off for row in rows):
        console.print("* no converged run at 800 K: read off the Arrhenius line", highlight=False)
    if any(row.reasons for row in rows):
        console.print("Why a verdict is what it is: results.json and report.html in the run folder", highlight=False)
    for mark, name in models.items():
        console.print(f"{mark}: {name}", highlight=False, markup=False)
    for caveat in dict.fromkeys(caveat for row in rows for caveat in row.caveats):
        console.print(Text.assemble(("! ", "yellow"), caveat))


def _hull(row: CompositionSummary) -> str:
    return "–" if row.e_hull_ev_per_atom is None else f"{1000 * row.e_hull_ev_per_atom:.1f}"


def _conductivity(row: CompositionSummary) -> str:
    if row.conductivity_s_per_cm is None:
        return "–"
    if row.conductivity_is_upper_limit:
        return f"< {row.conductivity_s_per_cm:.2g}"
    text = f"{row.conductivity_s_per_cm:.2g}{'*' if row.is_read_off else ''}"
    if row.conductivity_ci95_s_per_cm is None:
        return text
    low, high = row.conductivity_ci95_s_per_cm
    return f"{text} ({low:.2g}–{high:.2g})"


def _barrier(row: CompositionSummary) -> str:
    if row.activation_energy_ev is None:
        return "–"
    return f"{row.activation_energy_ev:.2f} ± {row.activation_energy_std_ev or 0:.2f}"
