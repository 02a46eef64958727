"""One self-contained HTML page of a campaign: what was found, what it rests on, and where each number comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from disolyte.labelling.schema import DatasetDoc
from disolyte.models.schema import ModelDoc
from disolyte.provenance import StageDoc, installed_versions, merge_caveats
from disolyte.results.figures import ReportFigure, draw_figures
from disolyte.results.quarantine import quarantined_pieces
from disolyte.results.query import Results
from disolyte.results.summary import mark_models, summarise
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

__all__ = ["ReportFigure", "draw_figures", "render_report"]

SHOWN_PIECES: Final = 50
"""Pieces of the quarantine that are listed one by one."""


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
    pieces = quarantined_pieces(results)
    environment = Environment(
        loader=PackageLoader("disolyte.results"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["formula"] = _formula_markup
    rows = summarise(results)
    return environment.get_template("report.html").render(
        campaign=results.campaign or "all campaigns",
        rows=rows,
        models=mark_models(rows),
        figures=figures,
        model=next(iter(results.documents(ModelDoc)[-1:]), None),
        dataset=next(iter(results.documents(DatasetDoc)[-1:]), None),
        caveats=merge_caveats(documents),
        pieces=pieces[:SHOWN_PIECES],
        piece_counts=Counter((piece.stage, piece.kind) for piece in pieces),
        n_pieces=len(pieces),
        documents=documents,
        versions=installed_versions(),
    )


def _documents(results: Results) -> list[StageDoc]:
    kinds = (SelectionDoc, DatasetDoc, ModelDoc, PhaseDiagramDoc)
    return [*(doc for kind in kinds for doc in results.documents(kind)[-1:]), *results.transport()]


def _formula_markup(text: str) -> Markup:
    """Text with the numbers of the formulas in it as subscripts.

    Examples
    --------
    >>> str(_formula_markup("Li3InCl6 at 600 K"))
    'Li<sub>3</sub>InCl<sub>6</sub> at 600 K'
    """
    return Markup(re.sub(r"(?<=[A-Za-z)])(\d+(?:\.\d+)?)", r"<sub>\1</sub>", str(escape(text))))  # noqa: S704  escaped just here
