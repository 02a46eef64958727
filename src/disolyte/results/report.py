"""One self-contained HTML page of a campaign: what was found, what it rests on, and where each number comes from."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from disolyte.models.schema import ModelDoc
from disolyte.plots import plot_arrhenius, plot_hull, plot_parity, plot_training
from disolyte.provenance import StageDoc, installed_versions, merge_caveats
from disolyte.results.query import Results
from disolyte.results.summary import summarise
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_DPI: Final = 200
WIDE_IN: Final = 7.5
"""Figures wider than this take the whole width of the page."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure, encoded to sit inside the page."""

    title: str
    caption: str
    image: str
    is_wide: bool


def render_report(results: Results) -> str:
    """HTML page that opens from disk without a network.

    Parameters
    ----------
    results
        Documents of the campaign. Sections without a document are left out.

    Returns
    -------
    str
        The page. All text from documents is escaped.
    """
    documents = _documents(results)
    environment = Environment(
        loader=PackageLoader("disolyte.results"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["formula"] = _formula_markup
    return environment.get_template("report.html").render(
        campaign=results.campaign or "all campaigns",
        rows=summarise(results),
        figures=list(_figures(results)),
        model=next(iter(results.documents(ModelDoc)[-1:]), None),
        caveats=merge_caveats(documents),
        documents=documents,
        versions=installed_versions(),
    )


def _documents(results: Results) -> list[StageDoc]:
    kinds = (SelectionDoc, ModelDoc, PhaseDiagramDoc)
    return [*(doc for kind in kinds for doc in results.documents(kind)[-1:]), *results.transport()]


def _figures(results: Results) -> Iterator[ReportFigure]:
    for diagram in results.documents(PhaseDiagramDoc)[-1:]:
        yield _encode(
            "Stability",
            "Energy above the hull of each composition with the fine-tuned model.",
            plot_hull(diagram),
        )
    for model in results.documents(ModelDoc, load=True)[-1:]:
        if model.parity is not None:
            yield _encode(
                "Parity", "Fine-tuned model against the labels, on frames never trained on.", plot_parity(model)
            )
        if model.training is not None:
            yield _encode("Training", "Validation errors of both heads during fine-tuning.", plot_training(model))
    transports = results.transport(load=True)
    if transports:
        yield _encode(
            "Arrhenius lines",
            "Conductivity of each composition; filled points converged, open ones did not.",
            plot_arrhenius(transports),
        )


def _encode(title: str, caption: str, figure: Figure) -> ReportFigure:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=FIGURE_DPI)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return ReportFigure(title, caption, f"data:image/png;base64,{encoded}", is_wide=figure.get_figwidth() > WIDE_IN)


def _formula_markup(formula: str) -> Markup:
    """Formula with its numbers as subscripts.

    Examples
    --------
    >>> str(_formula_markup("Li3InCl6"))
    'Li<sub>3</sub>InCl<sub>6</sub>'
    """
    return Markup(re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", str(escape(formula))))  # noqa: S704  escaped just here
