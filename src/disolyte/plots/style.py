"""One look for all figures: sizes, colours, labels, and the note that says what a figure rests on."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final, ParamSpec

from cycler import cycler
from matplotlib import rc_context
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

P = ParamSpec("P")

INK: Final = "#222222"
"""Text, axes and edges of markers."""
FAINT: Final = "#9a9a9a"
"""Guides and points in the background."""
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#000000")
"""Okabe and Ito's palette, told apart by colour-blind readers, the hardly visible yellow replaced."""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "h")
"""Marker of each series, so that figures can be read in black and white."""
SEQUENTIAL: Final = "viridis"
"""Colour map of quantities."""

COLUMN_IN: Final = 4.4
"""Width of a figure of one panel, in inches."""
PAGE_IN: Final = 9.0
"""Width of a figure of several panels, in inches."""

STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titleweight": "regular",
    "axes.labelsize": 9.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 5.5,
    "mathtext.default": "regular",
    "figure.dpi": 100.0,
    "savefig.dpi": 200.0,
    "svg.fonttype": "none",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with the style of disolyte, and leave the caller's untouched."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


class ShownFigure(Figure):
    """A figure that notebooks show, although pyplot does not know of it."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=1.5 * self.dpi)
        return buffer.getvalue()


def new_figure(width_in: float = COLUMN_IN, height_in: float | None = None) -> Figure:
    """Empty figure that arranges its own panels, apart from pyplot's global state."""
    return ShownFigure(figsize=(width_in, height_in or 0.8 * width_in), layout="constrained")


def plain_log_ticks(axis: Axis) -> None:
    """Ticks of a logarithmic axis over a decade or two: 1, 2, 5 as plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())


def literal(text: str) -> str:
    r"""Text from a document, whose dollars are no mathematics.

    Examples
    --------
    >>> literal("model$1")
    'model\\$1'
    """
    return text.replace("$", r"\$")


def set_title(figure: Figure, text: str, *, has_mathematics: bool = False) -> None:
    """Title above all panels, on as many lines as it needs."""
    text = text if has_mathematics else literal(text)
    figure.suptitle("\n".join(textwrap.wrap(text, width=int(figure.get_figwidth() * 12))), fontsize=9.5)


def note_caveats(figure: Figure, caveats: Sequence[str]) -> None:
    """Say below the figure what a reader must know before using its numbers."""
    if caveats:
        width = int(figure.get_figwidth() * 20)
        lines = textwrap.wrap(literal("Note: " + "; ".join(caveats) + "."), width=width)
        # A super-label, because the constrained layout keeps room for it.
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6.5, color="#8a3b00", style="italic")


def pretty_formula(formula: str) -> str:
    """Formula with subscripts.

    Examples
    --------
    >>> pretty_formula("Li3In0.5Y0.5Br6")
    'Li$_{3}$In$_{0.5}$Y$_{0.5}$Br$_{6}$'
    """
    return re.sub(r"(\d+(?:\.\d+)?)", r"$_{\1}$", literal(formula))
