"""Errors against the number of training frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from disolyte.errors import InputError
from disolyte.finetuning.learning_curve.schema import LearningCurveDoc, LearningLevel, LearningPoint, SeedSpread
from disolyte.plots.style import (
    COLOURS,
    FAINT,
    MARKERS,
    PAGE_IN,
    new_figure,
    note_caveats,
    plain_log_ticks,
    set_title,
    styled,
)

Read = Callable[[LearningLevel], SeedSpread | None]
ReadPoint = Callable[[LearningPoint], float | None]

PANELS: Final[tuple[tuple[str, float, Read, ReadPoint], ...]] = (
    (
        "Energy RMSE (meV/atom)", 1e3,
        lambda level: level.energy_rmse_ev_per_atom, lambda point: point.errors.energy_rmse_ev_per_atom,
    ),
    (
        "Force RMSE (meV/Å)", 1e3,
        lambda level: level.force_rmse_ev_per_ang, lambda point: point.errors.force_rmse_ev_per_ang,
    ),
    (
        "Stress RMSE (meV/Å$^3$)", 1e3,
        lambda level: level.stress_rmse_ev_per_ang3, lambda point: point.errors.stress_rmse_ev_per_ang3,
    ),
    (
        "Rank correlation with largest", 1.0,
        lambda level: level.kendall_tau, lambda point: point.hull.kendall_tau if point.hull else None,
    ),
    (
        "D (cm$^2$/s)", 1.0,
        lambda level: level.diffusivity_cm2_per_s, lambda point: point.diffusivity_cm2_per_s,
    ),
)  # fmt: skip
"""Axis label, factor from the document's unit, and where to read each quantity."""
N_ERRORS: Final = 3
"""The first panels are errors, on logarithmic axes."""


@styled
def plot_learning_curve(doc: LearningCurveDoc) -> Figure:
    """RMSE of energy, forces and stress on the fixed test set against the number of training frames.

    Lines join the means over seeds, bars are their standard deviations, small points are single trainings. The
    smallest size that is enough by the document's rule is marked. Rank correlation and diffusivity follow where they
    were asked for.

    Parameters
    ----------
    doc
        Learning curve.

    Raises
    ------
    InputError
        If the document holds no trainings.
    """
    if not doc.levels:
        raise InputError("this learning curve holds no trainings; make it with LearningCurveMaker")
    panels = [number for number, panel in enumerate(PANELS) if any(panel[2](level) for level in doc.levels)]
    figure = new_figure(PAGE_IN * max(len(panels), 2) / 3, 3.1)
    for number, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        label, factor, read, read_point = PANELS[number]
        _draw_spread(axes, doc, read, factor, COLOURS[number], MARKERS[number])
        _draw_points(axes, doc, read_point, factor)
        axes.set_ylabel(label)
        if number < N_ERRORS:
            axes.set_yscale("log")
            plain_log_ticks(axes.yaxis)
        _mark_sizes(axes, doc)
    _state_verdict(figure, doc)
    set_title(figure, f"{doc.trainer} on {doc.label_method}: {doc.n_test} test frames")
    note_caveats(figure, doc.caveats)
    return figure


def _draw_spread(axes: Axes, doc: LearningCurveDoc, read: Read, factor: float, colour: str, marker: str) -> None:
    """Means and standard deviations over seeds."""
    found = [(level.n_train, spread) for level in doc.levels if (spread := read(level)) is not None]
    sizes, spreads = zip(*found, strict=True)
    means = factor * np.array([spread.mean for spread in spreads])
    stds = factor * np.array([spread.std or 0.0 for spread in spreads])
    bars = stds if stds.any() else None
    axes.errorbar(sizes, means, yerr=bars, color=colour, marker=marker, capsize=2.5, elinewidth=0.9, zorder=3)


def _draw_points(axes: Axes, doc: LearningCurveDoc, read: ReadPoint, factor: float) -> None:
    """Single trainings, where there are several of a size."""
    if max(level.energy_rmse_ev_per_atom.n_seeds for level in doc.levels) < 2:
        return
    sizes, values = zip(
        *[(p.n_train, factor * value) for p in doc.points if (value := read(p)) is not None], strict=True
    )
    axes.scatter(sizes, values, s=7, color=FAINT, linewidths=0, zorder=2)


def _mark_sizes(axes: Axes, doc: LearningCurveDoc) -> None:
    sizes = [level.n_train for level in doc.levels]
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)
    kept = [size for size, following in zip(sizes, [*sizes[1:], np.inf], strict=True) if following / size > 1.35]
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Training frames")
    if doc.convergence.n_train is not None:
        axes.axvline(doc.convergence.n_train, color=FAINT, linestyle=":", zorder=1)


def _state_verdict(figure: Figure, doc: LearningCurveDoc) -> None:
    """Say in the first panel where the curve has converged."""
    n_train = doc.convergence.n_train
    limit = f"{doc.convergence.rule.largest_gain_per_doubling:.0%} per doubling"
    text = f"not converged ({limit})" if n_train is None else f"converged at {n_train}\n({limit})"
    figure.axes[0].text(0.96, 0.95, text, transform=figure.axes[0].transAxes, ha="right", va="top", fontsize=7.5)
