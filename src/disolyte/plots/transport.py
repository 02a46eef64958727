"""Arrhenius lines and mean squared displacements."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from disolyte import units
from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.references import ReferenceLine
from disolyte.diffusion.schema import DiffusionDoc, TransportDoc
from disolyte.errors import InputError
from disolyte.plots.references import draw_references
from disolyte.plots.style import (
    COLOURS,
    COLUMN_IN,
    INK,
    MARKERS,
    PAGE_IN,
    new_figure,
    note_caveats,
    plain_log_ticks,
    pretty_formula,
    styled,
)
from disolyte.provenance import merge_caveats


class TransportQuantity(StrEnum):
    """What an Arrhenius figure shows."""

    DIFFUSIVITY = "diffusivity"
    """Tracer diffusivity."""
    CONDUCTIVITY = "conductivity"
    """Nernst-Einstein conductivity."""


Y_LABELS: Final = {
    TransportQuantity.DIFFUSIVITY: r"Diffusivity $D$ (cm$^2$/s)",
    TransportQuantity.CONDUCTIVITY: r"Conductivity $\sigma$ (S/cm)",
}


@styled
def plot_arrhenius(
    docs: Sequence[TransportDoc],
    quantity: TransportQuantity = TransportQuantity.CONDUCTIVITY,
    references: Sequence[ReferenceLine] = (),
) -> Figure:
    """Arrhenius lines of one or several compositions, with their 95 % bands.

    Points are filled where they converged, open where they did not, arrows where they are upper limits, and crosses
    where a line must leave them out; the note below the axes says why. The legend explains those that occur.

    Parameters
    ----------
    docs
        Transport of each composition.
    quantity
        Conductivity or diffusivity.
    references
        Lines of experiments, ab initio MD or other models, for conductivities only. One that has a slope but no level
        goes through the middle of the line of its composition.

    Raises
    ------
    InputError
        If there is nothing to draw, or references are to be drawn beside diffusivities.
    """
    if not docs:
        raise InputError("there are no transport documents to draw")
    if references and quantity is not TransportQuantity.CONDUCTIVITY:
        raise InputError("reference lines are conductivities; draw quantity 'conductivity'")
    figure = new_figure(PAGE_IN * 0.78, COLUMN_IN * 0.9)
    axes = figure.add_subplot()
    handles = []
    several = len({doc.model.sha256 for doc in docs}) > 1
    for number, doc in enumerate(docs):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
        _draw_points(axes, doc.runs, quantity, colour=colour, marker=marker)
        name = pretty_formula(doc.label) + (f", {doc.model.name}" if several else "")
        handles.append(_series_handle(doc, name, colour, marker))
    # The bands of poor fits reach over many decades: the points decide what is shown.
    _set_limits(axes, [run for doc in docs for run in doc.runs], quantity)
    for number, doc in enumerate(docs):
        _draw_line(axes, doc, quantity, COLOURS[number % len(COLOURS)])
    handles += draw_references(axes, docs, references)
    _label_arrhenius(axes, np.array([run.temperature_k for doc in docs for run in doc.runs]), quantity)
    handles += _verdict_handles(docs)
    figure.legend(handles=handles, loc="outside right upper", handlelength=2.8)
    note_caveats(figure, [*merge_caveats(docs), *_left_out(docs)])
    return figure


@styled
def plot_msd(doc: TransportDoc) -> Figure:
    """Mean squared displacement of the mobile ion and the framework against lag time, one curve for each temperature.

    Parameters
    ----------
    doc
        Transport of one composition, its curves loaded.
    """
    figure = new_figure(PAGE_IN * 2 / 3, 3.1)
    mobile, framework = figure.subplots(1, 2)
    for number, run in enumerate(sorted(doc.runs, key=lambda run: run.temperature_k)):
        curves = run.curves.to_curves()
        colour = COLOURS[number % len(COLOURS)]
        style = "-" if run.verdict is Verdict.CONVERGED else "--"
        label = f"{run.temperature_k:.0f} K" + _shortcoming(run)
        mobile.plot(curves.lag_fs / 1e3, curves.tracer_ang2, style, color=colour, label=label)
        start, end = (limit / 1e3 for limit in run.window_fs)
        mobile.plot([start, end], np.interp([start, end], curves.lag_fs / 1e3, curves.tracer_ang2), "|", color=colour)
        if curves.framework_ang2:
            largest = np.max(list(curves.framework_ang2.values()), axis=0)
            framework.plot(curves.framework_lag_fs / 1e3, largest, style, color=colour, label=label)
    for axes, title in (
        (mobile, f"{doc.mobile.element}, bars: range of the fit"),
        (framework, "framework, fastest element"),
    ):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("Lag time (ps)")
        axes.set_ylabel("MSD (Å$^2$)")
        axes.set_title(title)
    mobile.legend()
    figure.suptitle(pretty_formula(doc.label), fontsize=9.5)
    note_caveats(figure, [*doc.caveats, *_left_out([doc])])
    return figure


def _shortcoming(run: DiffusionDoc) -> str:
    """What to say of a temperature in a legend; nothing if it converged."""
    if run.exclusion is not None:
        return ", left out" if any(one.verdict.completed for one in run.md_runs) else ", broke off"
    return {Verdict.CONVERGED: "", Verdict.UPPER_LIMIT: ", upper limit"}.get(run.verdict, ", not converged")


def _series_handle(doc: TransportDoc, name: str, colour: str, marker: str) -> Line2D:
    """Entry of a composition: drawn as its line is, if it has one, and filled if one of its points is."""
    style = "none" if doc.arrhenius is None else "-" if doc.verdict is Verdict.CONVERGED else "--"
    face = colour if any(run.verdict is Verdict.CONVERGED for run in doc.runs) else "white"
    label = _series_label(doc, name)
    return Line2D([], [], color=colour, linestyle=style, marker=marker, markerfacecolor=face, label=label)


def _series_label(doc: TransportDoc, name: str) -> str:
    """Name and activation energy."""
    if doc.arrhenius is None:
        return f"{name}: no line"
    line = doc.arrhenius
    energy = f"{line.activation_energy_ev:.2f} ± {line.activation_energy_std_ev:.2f} eV"
    open_end = "" if doc.verdict is Verdict.CONVERGED else f" ({doc.verdict.value.replace('_', ' ')})"
    return f"{name}: $E_a$ = {energy}{open_end}"


def _set_limits(axes: Axes, runs: Sequence[DiffusionDoc], quantity: TransportQuantity) -> None:
    """Room for all points and the better part of their errors."""
    values = np.array([_value(run, quantity)[0] for run in runs])
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        raise InputError(f"no run has a positive {quantity.value} to draw on a logarithmic axis")
    lows, highs = np.array([_value(run, quantity)[1] for run in runs]).T
    low, high = values.min(), values.max()
    lows, highs = lows[lows > low / 10], highs[(highs < high * 10)]
    axes.set_ylim(0.5 * np.min([low, *lows]), 2.0 * np.max([high, *highs]))


def _draw_points(
    axes: Axes, runs: Sequence[DiffusionDoc], quantity: TransportQuantity, *, colour: str, marker: str
) -> None:
    """One marker for each temperature: filled if converged, open if not, an arrow if only a limit is known."""
    for run in runs:
        value, (low, high) = _value(run, quantity)
        is_limit = run.verdict is Verdict.UPPER_LIMIT
        error = [[0.4 * value], [0.0]] if is_limit else [[max(value - low, 0.0)], [max(high - value, 0.0)]]
        axes.errorbar(
            [1000.0 / run.temperature_k],
            [value],
            yerr=error,
            uplims=is_limit,
            color=colour,
            marker="x" if run.exclusion else marker,
            markerfacecolor=colour if run.verdict is Verdict.CONVERGED else "white",
            capsize=2.0,
            elinewidth=0.9,
            zorder=4,
        )


def _draw_line(axes: Axes, doc: TransportDoc, quantity: TransportQuantity, colour: str) -> None:
    """Fitted line with its 95 % band, thin and dotted outside the temperatures of the fit."""
    if doc.arrhenius is None:
        return
    fit = doc.arrhenius.to_fit()
    temperatures = [run.temperature_k for run in doc.runs]
    inverse = np.linspace(1 / max(temperatures), 1 / min(temperatures), 60)
    scale = np.array([_scale(doc.runs[0], quantity, 1 / x) for x in inverse])
    predictions = [fit.extrapolate(1 / x) for x in inverse]
    values = scale * np.array([prediction.diffusivity_cm2_per_s for prediction in predictions])
    band = scale[:, None] * np.array([prediction.ci95_cm2_per_s for prediction in predictions])
    inside = np.array([fit.reach_beyond(1 / x) <= 1e-9 for x in inverse])
    style = "-" if doc.verdict is Verdict.CONVERGED else "--"
    axes.plot(1e3 * inverse, np.where(inside, values, np.nan), style, color=colour, zorder=3)
    axes.plot(1e3 * inverse, np.where(inside, np.nan, values), ":", color=colour, linewidth=0.9, zorder=3)
    limits = axes.get_ylim()
    low, high = np.clip(np.nan_to_num(band.T, posinf=limits[1]), limits[0] / 10, limits[1] * 10)
    axes.fill_between(1e3 * inverse, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
    axes.set_ylim(limits)


def _value(run: DiffusionDoc, quantity: TransportQuantity) -> tuple[float, tuple[float, float]]:
    """Value and its 95 % interval."""
    if quantity is TransportQuantity.DIFFUSIVITY:
        return run.diffusivity_cm2_per_s, run.diffusivity_ci95_cm2_per_s
    return run.conductivity_s_per_cm, run.conductivity_ci95_s_per_cm


def _scale(run: DiffusionDoc, quantity: TransportQuantity, temperature_k: float) -> float:
    """What turns a diffusivity on the line into the quantity."""
    if quantity is TransportQuantity.DIFFUSIVITY:
        return 1.0
    return units.nernst_einstein_s_per_cm(
        1.0,
        n_ions=run.n_mobile,
        charge=run.charge,
        volume_ang3=run.volume_ang3,
        temperature_k=temperature_k,
    )


def _label_arrhenius(axes: Axes, temperatures_k: NDArray[np.float64], quantity: TransportQuantity) -> None:
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 300 * low:
        plain_log_ticks(axes.yaxis)
    axes.set_xlabel("1000 / T (1/K)")
    axes.set_ylabel(Y_LABELS[quantity])
    upper = axes.secondary_xaxis("top", functions=(_invert, _invert))
    shown = np.unique(np.round(temperatures_k))
    step = max(1, int(np.ceil(len(shown) / 6)))
    upper.set_xticks(shown[::step], [f"{temperature:.0f}" for temperature in shown[::step]])
    upper.minorticks_off()
    # Otherwise it has a 0, which has no inverse, until it is drawn; the layout asks earlier.
    upper.set_xlim(*_invert(axes.get_xlim()))
    upper.set_xlabel("T (K)")


def _invert(x: ArrayLike) -> NDArray[np.float64]:
    """1000/x, for the axis of temperatures beside that of 1000/T."""
    values = np.asarray(x, dtype=float)
    return 1000.0 / np.where(values == 0, np.nan, values)


def _verdict_handles(docs: Sequence[TransportDoc]) -> list[Line2D]:
    """What filled, open and crossed markers mean, as far as they occur."""
    runs = [run for doc in docs for run in doc.runs]
    style: dict[str, Any] = {"linestyle": "none", "color": INK}
    handles = []
    if any(run.verdict is Verdict.CONVERGED and not run.exclusion for run in runs):
        handles.append(Line2D([], [], marker="o", label="converged", **style))
    if any(run.verdict is Verdict.UNRELIABLE and not run.exclusion for run in runs):
        handles.append(Line2D([], [], marker="o", markerfacecolor="white", label="not converged", **style))
    if any(run.verdict is Verdict.UPPER_LIMIT and not run.exclusion for run in runs):
        handles.append(Line2D([], [], marker=r"$\downarrow$", label="95 % upper limit", **style))
    if any(run.exclusion for run in runs):
        handles.append(Line2D([], [], marker="x", label="left out: see the note", **style))
    return handles


def _left_out(docs: Sequence[TransportDoc]) -> list[str]:
    """Why points are crossed out."""
    return [
        f"{doc.label} at {run.temperature_k:.0f} K is left out: {run.exclusion}"
        for doc in docs
        for run in doc.runs
        if run.exclusion
    ]
