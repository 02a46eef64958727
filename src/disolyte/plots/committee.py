"""What the spread of a committee is worth."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator, PercentFormatter
from numpy.typing import NDArray

from disolyte.finetuning.committee.schema import Calibration, CommitteeDoc
from disolyte.plots.style import COLOURS, FAINT, INK, MARKERS, PAGE_IN, new_figure, note_caveats, set_title, styled

_LEAST_ERROR: Final = 1e-6
"""Errors below are drawn here: a logarithmic axis has no zero."""
_FEW_DECADES: Final = 300.0
"""Axes that span a larger ratio have a tick for each decade alone."""


@styled
def plot_committee(doc: CommitteeDoc) -> Figure:
    """Expected against true errors of forces and energies on the test frames, and the coverage of intervals.

    Each point of the first two panels is a frame; triangles at the lower edge are frames with smaller errors. On the
    line the expected error, which is the spread times the scale fitted on validation frames, is the true one.

    Parameters
    ----------
    doc
        An assessed committee.
    """
    figure = new_figure(PAGE_IN, 3.4)
    axes = list(figure.subplots(1, 3))
    frames = doc.frames
    spreads, errors = frames.force_spreads_ev_per_ang.to_array(), frames.force_errors_ev_per_ang.to_array()
    _draw_errors(axes[0], doc.forces, spreads, errors, 0)
    spreads, errors = frames.energy_spreads_ev_per_atom.to_array(), frames.energy_errors_ev_per_atom.to_array()
    _draw_errors(axes[1], doc.energies, spreads, errors, 1)
    _draw_coverage(axes[2], [doc.forces, doc.energies])
    set_title(figure, f"Committee of {len(doc.members)} models: test frames")
    note_caveats(figure, doc.caveats)
    return figure


def _draw_errors(
    axes: Axes, calibration: Calibration, spreads: NDArray[np.float64], errors: NDArray[np.float64], series: int
) -> None:
    expected = 1e3 * calibration.scale * spreads
    true = np.maximum(1e3 * np.abs(errors), _LEAST_ERROR)
    values = np.concatenate([expected, true[true > _LEAST_ERROR]])
    # Frames that are right by chance are not to stretch the axes over many decades.
    low, high = max(float(values.min()), float(expected.min()) / 30) / 1.4, 1.4 * float(values.max())
    inside = true >= low
    style: dict[str, Any] = {"color": COLOURS[series], "alpha": 0.7, "linewidths": 0, "rasterized": True}
    axes.scatter(expected, np.where(inside, true, np.nan), s=16, marker=MARKERS[series], **style)
    # Those below the axis are triangles at its edge.
    axes.scatter(expected[~inside], np.full(int((~inside).sum()), 1.15 * low), s=22, marker="v", **style)
    axes.plot((low, high), (low, high), color=INK, linewidth=0.7, zorder=1)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        wide = high / low > _FEW_DECADES
        axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())
    axes.set_aspect("equal")
    unit = calibration.unit.replace("eV", "meV")
    axes.set_xlabel(f"Expected error of {calibration.quantity} ({unit})")
    axes.set_ylabel(f"True error ({unit})")
    notes = [f"scale {calibration.scale:.2f}"]
    if calibration.spearman is not None:
        notes.insert(0, f"rank correlation {calibration.spearman:.2f}")
    axes.set_title(", ".join(notes), fontsize=8)


def _draw_coverage(axes: Axes, calibrations: list[Calibration]) -> None:
    axes.plot((0, 1), (0, 1), color=INK, linewidth=0.7, zorder=1)
    for series, calibration in enumerate(calibrations):
        nominal = [point.nominal for point in calibration.coverage]
        observed = [point.observed for point in calibration.coverage]
        unscaled = [point.observed_unscaled for point in calibration.coverage]
        colour = COLOURS[series]
        axes.plot(nominal, observed, color=colour, marker=MARKERS[series], markersize=4, label=calibration.quantity)
        axes.plot(nominal, unscaled, color=colour, linestyle=":", linewidth=1.1)
    axes.plot([], [], color=FAINT, linestyle=":", label="without the scale")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Share that ought to lie within")
    axes.set_ylabel("Share of the true errors that does")
    axes.legend(loc="upper left")
