"""One self-contained HTML page of a campaign: what was found, what it rests on, and where each number comes from."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from disolyte.models.schema import ModelDoc
from disolyte.plots import plot_arrhenius, plot_hull, plot_msd, plot_parity, plot_training
from disolyte.provenance import StageDoc, installed_versions, merge_caveats
from disolyte.results.query import Results
from disolyte.results.summary import summarise
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

FIGURE_DPI: Final = 200
WIDE_IN: Final = 7.5
"""Figures wider than this take the whole width of the page."""


@dataclass(frozen=True)
class ReportFigure:
    """A figure of the report.

    Attributes
    ----------
    name
        Name for a file.
    title, caption
        What it shows.
    figure
        The figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure

    @property
    def file_name(self) -> str:
        """The name, fit for a file: what comes from documents must not lead out of a folder."""
        return re.sub(r"[^A-Za-z0-9.-]", "_", self.name).lstrip(".") or "figure"

    @property
    def is_wide(self) -> bool:
        """Whether it takes the whole width of the page."""
        return self.figure.get_figwidth() > WIDE_IN

    @property
    def png(self) -> bytes:
        """The figure as PNG."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=FIGURE_DPI)
        return buffer.getvalue()

    @property
    def data_uri(self) -> str:
        """The figure as it sits inside a page."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def render_report(results: Results, figures: Sequence[ReportFigure]) -> str:
    """HTML page that opens from disk without a network.

    Parameters
    ----------
    results
        Documents of the campaign. Sections without a document are left out.
    figures
        What :func:`draw_figures` made of them.

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
        figures=figures,
        model=next(iter(results.documents(ModelDoc)[-1:]), None),
        caveats=merge_caveats(documents),
        documents=documents,
        versions=installed_versions(),
    )


def _documents(results: Results) -> list[StageDoc]:
    kinds = (SelectionDoc, ModelDoc, PhaseDiagramDoc)
    return [*(doc for kind in kinds for doc in results.documents(kind)[-1:]), *results.transport()]


def draw_figures(results: Results) -> Iterator[ReportFigure]:
    """Draw what the documents at hand allow: stability, parity, training, Arrhenius lines, displacements."""
    for diagram in results.documents(PhaseDiagramDoc)[-1:]:
        caption = "Energy above the hull of each composition with the fine-tuned model."
        yield ReportFigure("stability", "Stability", caption, plot_hull(diagram))
    transports = results.transport(load=True)
    if transports:
        caption = "Conductivity of each composition; filled points converged, open ones did not."
        yield ReportFigure("arrhenius", "Arrhenius lines", caption, plot_arrhenius(transports))
    for model in results.documents(ModelDoc, load=True)[-1:]:
        if model.parity is not None:
            caption = "Fine-tuned model against labels of frames never trained on."
            yield ReportFigure("parity", "Parity", caption, plot_parity(model))
        if model.training is not None:
            caption = "Validation errors of both heads during fine-tuning."
            yield ReportFigure("training", "Training", caption, plot_training(model))
    for transport in transports:
        caption = f"Mean squared displacements in {transport.formula}."
        yield ReportFigure(f"msd-{transport.formula}", "Displacements", caption, plot_msd(transport))


def _formula_markup(formula: str) -> Markup:
    """Formula with its numbers as subscripts.

    Examples
    --------
    >>> str(_formula_markup("Li3InCl6"))
    'Li<sub>3</sub>InCl<sub>6</sub>'
    """
    return Markup(re.sub(r"(\d+(?:\.\d+)?)", r"<sub>\1</sub>", str(escape(formula))))  # noqa: S704  escaped just here
