"""The figures of a report: what the documents at hand allow, each wide and, with several panels, narrow."""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.legend import Legend
from matplotlib.text import Text

from disolyte.diffusion.schema import MechanismDoc, TransportDoc
from disolyte.finetuning.committee.schema import CommitteeDoc
from disolyte.finetuning.learning_curve.schema import LearningCurveDoc
from disolyte.models.schema import ModelDoc
from disolyte.plots import (
    plot_arrhenius,
    plot_committee,
    plot_density,
    plot_hull,
    plot_learning_curve,
    plot_msd,
    plot_parity,
    plot_training,
)
from disolyte.results.maps import caption_map, map_conductivities
from disolyte.results.query import Results
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

FIGURE_DPI: Final = 200
WIDE_IN: Final = 7.5
"""Figures wider than this take the whole width of the page."""
NARROW_IN: Final = 4.2
"""Width of a figure whose text can be read on a phone."""
PANEL_HEIGHT_IN: Final = 3.3

OfOneModel = TypeVar("OfOneModel", TransportDoc, MechanismDoc)


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
        return re.sub(r"[^\w.-]", "_", self.name).lstrip(".") or "figure"

    @property
    def is_wide(self) -> bool:
        """Whether it takes the whole width of the page."""
        return self.figure.get_figwidth() > WIDE_IN

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return _png(self.figure)

    @property
    def data_uri(self) -> str:
        """The figure as it sits inside a page; half of the page is too narrow for a legend beside it."""
        narrow = None if self.is_wide or not self.figure.legends else self.narrow_data_uri
        return _data_uri(self.png) if narrow is None else narrow

    @cached_property
    def narrow_data_uri(self) -> str | None:
        """The figure for a phone; None if it is narrow as it is."""
        narrow = narrow_png(self.figure)
        return None if narrow is None else _data_uri(narrow)


@dataclass(frozen=True)
class Sketch:
    """A figure that is still to be drawn.

    Attributes
    ----------
    name, title, caption
        Those of the :class:`ReportFigure`.
    draw
        Draws it; None if there is nothing to show.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure | None]


def narrow_png(figure: Figure) -> bytes | None:
    """PNG of a figure with panels and legend one below another; the figure itself is left as it was.

    Panels on other grids than one row, and single ones without a legend beside them, stay as they are: the answer is
    None.
    """
    panels = _panels(figure)
    if panels is None or (len(panels) < 2 and not figure.legends):
        return None
    with ExitStack() as changes:
        changes.callback(figure.set_size_inches, figure.get_figwidth(), figure.get_figheight())
        legend_in = 0.22 * sum(len(legend.get_texts()) for legend in figure.legends)
        figure.set_size_inches(NARROW_IN, PANEL_HEIGHT_IN * len(panels) + legend_in)
        grid = GridSpec(len(panels), 1, figure=figure)
        for number, (axes, spec) in enumerate(panels):
            changes.callback(axes.set_subplotspec, spec)
            axes.set_subplotspec(grid[number])
        for text in figure.findobj(Text):
            if text.get_text() and text.get_text() in {figure.get_suptitle(), figure.get_supxlabel()}:
                changes.callback(text.set_text, text.get_text())
                text.set_text(_wrapped(text))
        beside = list(figure.legends)
        changes.callback(figure.legends.__setitem__, slice(None), beside)
        figure.legends.clear()
        for legend in beside:
            _repeat_legend(figure, legend, "outside upper left")
        return _png(figure)


def _panels(figure: Figure) -> list[tuple[Axes, SubplotSpec]] | None:
    """Panels of a figure that stand in one row, and their places; None if some stand elsewhere.

    A colour bar is no panel: it follows those it belongs to.
    """
    pairs = [(axes, axes.get_subplotspec()) for axes in figure.axes if not hasattr(axes, "_colorbar")]
    found = [(axes, spec) for axes, spec in pairs if spec is not None and spec.get_gridspec().nrows == 1]
    return found if len(found) == len(pairs) else None


def _wrapped(text: Text) -> str:
    """A figure's title or note, on as many lines as the narrow width needs."""
    points_per_letter = 0.56 * float(text.get_fontsize())
    words = " ".join(text.get_text().split())
    return "\n".join(textwrap.wrap(words, width=int(72 * NARROW_IN / points_per_letter)))


def _repeat_legend(figure: Figure, legend: Legend, place: Any) -> None:
    handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
    size = legend.get_texts()[0].get_fontsize()
    figure.legend(
        handles=[handle for handle in handles if handle is not None],
        labels=labels,
        loc=place,
        fontsize=size,
        frameon=legend.get_frame_on(),
        handlelength=legend.handlelength,
    )


def draw_figures(results: Results) -> Iterator[ReportFigure]:
    """Draw what the documents allow, in the order of a report.

    A figure that cannot be drawn costs neither the others nor the report: its caption says why it is missing.
    """
    for sketches in (_sketch_findings, _sketch_models, _sketch_motion):
        for sketch in sketches(results):
            drawn = _draw(sketch)
            if drawn is not None:
                yield drawn


def _draw(sketch: Sketch) -> ReportFigure | None:
    try:
        figure = sketch.draw()
        if figure is None:
            return None
        drawn = ReportFigure(sketch.name, sketch.title, sketch.caption, figure)
        # Matplotlib meets most of what it cannot draw, with errors of all kinds, only now.
        drawn.data_uri, drawn.narrow_data_uri  # noqa: B018
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        caption = f"Not drawn ({type(error).__name__}: {reason}). It was to show: {sketch.caption}"
        return ReportFigure(sketch.name, sketch.title, caption, _blank())
    return drawn


def _blank() -> Figure:
    figure = Figure(figsize=(NARROW_IN, 0.5))
    figure.text(0.5, 0.5, "not drawn", ha="center", va="center")
    return figure


def _sketch_findings(results: Results) -> Iterator[Sketch]:
    """Stability, conductivities, Arrhenius lines."""
    diagrams = results.documents(PhaseDiagramDoc)[-1:]
    transports = results.transport()
    for selection in () if diagrams else results.documents(SelectionDoc)[-1:]:
        caption = (
            "Energy above the hull of each composition with the foundation; that of the fine-tuned model is to come."
        )
        yield Sketch("stability", "Stability", caption, partial(_hull, selection))
    for diagram in diagrams:
        caption = "Energy above the hull of each composition with the fine-tuned model."
        yield Sketch("stability", "Stability", caption, partial(_hull, diagram))
        caption = caption_map(transports)
        yield Sketch("conductivity", "Conductivity", caption, partial(map_conductivities, diagram, transports))
    if transports:
        caption = "Conductivity of each composition. Lines of verdicts other than converged are dashed."
        yield Sketch("arrhenius", "Arrhenius lines", caption, partial(plot_arrhenius, transports))


def _sketch_models(results: Results) -> Iterator[Sketch]:
    """Learning curve, committee, parity, training."""
    for curve in results.documents(LearningCurveDoc)[-1:]:
        caption = "Errors on frames never trained on against the number of training frames."
        yield Sketch("learning-curve", "Learning curve", caption, partial(plot_learning_curve, curve))
    for committee in results.documents(CommitteeDoc, load=True)[-1:]:
        caption = "Expected errors of a committee of models against true ones, on frames never trained on."
        yield Sketch("committee", "Committee", caption, partial(plot_committee, committee))
    for model in results.documents(ModelDoc, load=True)[-1:]:
        if model.parity is not None:
            caption = "Fine-tuned model against labels of frames never trained on."
            yield Sketch("parity", "Parity", caption, partial(plot_parity, model))
        if model.training is not None:
            caption = "Validation errors of both heads during fine-tuning."
            yield Sketch("training", "Training", caption, partial(plot_training, model))


def _sketch_motion(results: Results) -> Iterator[Sketch]:
    """Displacements of each composition, and where its mobile ions are."""
    for label, transport in _by_label(results.transport(load=True)).items():
        caption = f"Mean squared displacements in {label}."
        yield Sketch(f"msd-{label}", "Displacements", caption, partial(plot_msd, transport))
    for label, mechanism in _by_label(results.documents(MechanismDoc, load=True)).items():
        for coldest in mechanism.temperatures[:1]:
            caption = f"Where {mechanism.mobile.element} is in {label} at the lowest temperature simulated."
            draw = partial(plot_density, mechanism, coldest.temperature_k)
            yield Sketch(f"density-{label}", "Density", caption, draw)


def _by_label(docs: Sequence[OfOneModel]) -> dict[str, OfOneModel]:
    """The newest of each phase and model, by a name that says the model where there are several."""
    newest = {(doc.label, doc.model.sha256): doc for doc in docs}
    counts = Counter(label for label, _ in newest)
    return {
        label if counts[label] == 1 else f"{label} with {doc.model.name} {sha256[:6]}": doc
        for (label, sha256), doc in newest.items()
    }


def _hull(doc: SelectionDoc | PhaseDiagramDoc) -> Figure | None:
    """Hull of the compositions; None of a system of one composition, which has none."""
    return None if len(doc.hull.end_members) == 1 else plot_hull(doc)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=FIGURE_DPI)
    return buffer.getvalue()


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
