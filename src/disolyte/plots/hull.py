"""Formation energies, hulls and maps of the mixing space."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any, Final

import mpltern  # noqa: F401  (registers the projection "ternary")
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from disolyte.errors import InputError
from disolyte.plots.style import (
    COLOURS,
    COLUMN_IN,
    FAINT,
    INK,
    SEQUENTIAL,
    new_figure,
    note_caveats,
    plain_log_ticks,
    pretty_formula,
    set_title,
    styled,
)
from disolyte.thermodynamics.schema import MixingHull, PhaseDiagramDoc, PhaseRow, SelectionDoc

RIMS: Final[dict[bool, dict[str, Any]]] = {
    True: {"linestyles": "solid", "linewidths": 1.3},
    False: {"linestyles": [(0, (2.2, 1.6))], "linewidths": 1.1},
}
"""Rim of stable and of other compositions on a map."""

HATCHED: Final[dict[str, Any]] = {
    "s": 80,
    "facecolors": "white",
    "edgecolors": INK,
    "hatch": "//////",
    "linewidths": 0.5,
    "zorder": 3.5,
    "clip_on": False,
}
"""Filling of a composition whose value is unreliable."""

MAX_NAMED: Final = 7
"""Compositions of a line that can all be named above it; of more, only those on the hull are."""


def plot_hull(doc: SelectionDoc | PhaseDiagramDoc) -> Figure:
    """Hull of a mixing line, or map of a mixing plane.

    Parameters
    ----------
    doc
        Selection or phase diagram with two or three end members.

    Raises
    ------
    InputError
        If there are more end members than can be drawn.
    """
    match len(doc.hull.end_members):
        case 2:
            return plot_formation_energy(doc)
        case 3:
            return plot_ternary_map(doc)
        case n:
            raise InputError(f"a hull of {n} end members cannot be drawn; 2 or 3 can")


@styled
def plot_formation_energy(doc: SelectionDoc | PhaseDiagramDoc) -> Figure:
    """Formation energy and hull along a mixing line.

    Parameters
    ----------
    doc
        Selection or phase diagram with two end members. Of a selection, all structures are shown.

    Raises
    ------
    InputError
        If there are not two end members.
    """
    hull = doc.hull
    if len(hull.end_members) != 2:
        raise InputError(f"a mixing line has 2 end members, not {hull.end_members}; use plot_ternary_map for 3")
    rows = sorted(hull.rows, key=lambda row: row.shares[1])
    figure = new_figure()
    axes = figure.add_subplot()
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    if isinstance(doc, SelectionDoc):
        _scatter_structures(axes, doc)
    for stable, face, label in ((True, COLOURS[0], "on the hull"), (False, "white", "above the hull")):
        chosen = [row for row in rows if row.is_stable == stable]
        if chosen:
            axes.plot(
                [row.shares[1] for row in chosen],
                [1e3 * row.formation_energy_ev_per_atom for row in chosen],
                linestyle="none",
                marker="o",
                color=COLOURS[0],
                markerfacecolor=face,
                label=f"lowest, {label}",
                zorder=4,
            )
    # Through all compositions: straight per formula unit, the hull bends per atom where their number varies.
    axes.plot(
        [row.shares[1] for row in rows],
        [1e3 * (row.formation_energy_ev_per_atom - row.e_hull_ev_per_atom) for row in rows],
        color=COLOURS[0],
        label="hull",
        zorder=3,
    )
    _label_line(axes, rows, hull)
    axes.set_ylabel(r"Formation energy $E_f$ (meV/atom)")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.28 * (high - low))
    axes.legend(loc="upper center", ncols=2)
    set_title(figure, f"Hull of {doc.model_name}")
    note_caveats(figure, doc.caveats)
    return figure


def _scatter_structures(axes: Axes, doc: SelectionDoc) -> None:
    """All selected structures: height above the hull added to the hull."""
    rows = {row.formula: row for row in doc.hull.rows}
    chosen = [rows[entry.point.formula] for entry in doc.entries]
    base = [row.formation_energy_ev_per_atom - row.e_hull_ev_per_atom for row in chosen]
    heights = [entry.e_hull_ev_per_atom for entry in doc.entries]
    axes.scatter(
        [row.shares[1] for row in chosen],
        1e3 * (np.array(base) + np.array(heights)),
        s=9,
        color=FAINT,
        linewidths=0,
        alpha=0.7,
        label="all selected",
        zorder=2,
    )


def _label_line(axes: Axes, rows: list[PhaseRow], hull: MixingHull) -> None:
    first, second = (pretty_formula(formula) for formula in hull.end_members)
    axes.set_xlabel(f"Share of {second} in {first} – {second}")
    axes.set_xlim(-0.04, 1.04)
    upper = axes.secondary_xaxis("top")
    named = rows if len(rows) <= MAX_NAMED else [row for row in rows if row.is_stable]
    upper.set_xticks([row.shares[1] for row in named], [pretty_formula(row.formula) for row in named])
    upper.set_xticks([row.shares[1] for row in rows], minor=True)
    upper.tick_params(labelsize=6.5, labelrotation=55, length=2)
    for text in upper.get_xticklabels():
        text.set_horizontalalignment("left")
        text.set_rotation_mode("anchor")


@styled
def plot_ternary_map(
    doc: SelectionDoc | PhaseDiagramDoc,
    values: Mapping[str, float] | None = None,
    *,
    value_label: str | None = None,
    log_scale: bool = False,
    upper_limits: Collection[str] = (),
    unreliable: Collection[str] = (),
    notes: Sequence[str] = (),
) -> Figure:
    """Map of a mixing plane: stable compositions with a solid rim, metastable ones with a dashed rim.

    Parameters
    ----------
    doc
        Selection or phase diagram with three end members.
    values
        Quantity by formula that colours the compositions, e.g. a conductivity; the energy above the hull by default.
        Compositions without a finite value stay white.
    value_label
        Name and unit of the quantity, needed with ``values``.
    log_scale
        Whether to colour by the logarithm.
    upper_limits
        Formulas whose value is only an upper limit: it is written with "<", and lends no colour.
    unreliable
        Formulas whose value is not to be trusted: hatched, without a colour to compare.
    notes
        What stands below the map beside the caveats of ``doc``.

    Raises
    ------
    InputError
        If there are not three end members, a value has no name, or no value belongs to the map.
    """
    hull = doc.hull
    if len(hull.end_members) != 3:
        raise InputError(f"a ternary map has 3 end members, not {hull.end_members}; use plot_formation_energy for 2")
    title = f"Hull of {doc.model_name}"
    if values is None:
        values = {row.formula: 1e3 * row.e_hull_ev_per_atom for row in hull.rows}
        value_label = r"Energy above the hull $E_\mathrm{hull}$ (meV/atom)"
    else:
        title = f"Rims and lines: {title[0].lower()}{title[1:]}"
    if value_label is None:
        raise InputError("values were given without value_label; name the quantity and its unit")
    figure = new_figure(COLUMN_IN + 0.9, COLUMN_IN)
    axes: Any = figure.add_subplot(projection="ternary")
    places = {row.formula: tuple(row.shares) for row in hull.rows}
    for pair in hull.tie_lines:
        axes.plot(*np.array([places[formula] for formula in pair]).T, color=FAINT, linewidth=0.9, zorder=1)
    colourless = {*upper_limits, *unreliable}
    mappable = _scatter_compositions(
        axes, hull, values, log_scale=log_scale, upper_limits=upper_limits, colourless=colourless
    )
    hatched = [row.shares for row in hull.rows if row.formula in unreliable and row.formula in values]
    if hatched:
        axes.scatter(*np.array(hatched).T, label="unreliable", **HATCHED)
    if mappable is None:
        axes.set_title(f"Numbers: {value_label}", fontsize=8, y=-0.26)
    else:
        bar = figure.colorbar(mappable, ax=axes, label=value_label, shrink=0.75, pad=0.09)
        if log_scale:
            plain_log_ticks(bar.ax.yaxis)
    _label_triangle(axes, hull)
    set_title(figure, title)
    note_caveats(figure, [*notes, *doc.caveats])
    return figure


def _scatter_compositions(
    axes: Any,
    hull: MixingHull,
    values: Mapping[str, float],
    *,
    log_scale: bool,
    upper_limits: Collection[str],
    colourless: Set[str],
) -> ScalarMappable | None:
    """Markers of all compositions, with their values beside them; returns what a colour bar is made of.

    None if there is nothing to compare: all values alike, a single one, or colourless ones alone.
    """
    known = {
        row.formula: float(values[row.formula])
        for row in hull.rows
        if math.isfinite(values.get(row.formula, math.nan)) and (values[row.formula] > 0 or not log_scale)
    }
    if not known:
        raise InputError(
            f"none of the values belongs to a composition of the map: {[row.formula for row in hull.rows]}"
        )
    coloured = [value for formula, value in known.items() if formula not in colourless] or list(known.values())
    low, high = min(coloured), max(coloured)
    if log_scale:
        spread = (low, high) if high > low else (low / 2, low * 2)
    else:
        low = min(low, 0.0)
        spread = (low, high if high > low else low + 1.0)
    mappable = ScalarMappable((LogNorm if log_scale else Normalize)(*spread), SEQUENTIAL)
    largest = max(abs(high), abs(low))
    decimals = 0 if largest == 0 else min(2, max(0, 1 - math.floor(math.log10(largest))))
    for row in hull.rows:
        value = known.get(row.formula)
        place = [[share] for share in row.shares]
        is_limit = row.formula in upper_limits
        colour = (
            "white" if value is None or row.formula in colourless else to_hex(mappable.to_rgba(np.array([value]))[0])
        )
        marker = axes.scatter(*place, s=80, c=colour, linewidths=0, zorder=3, clip_on=False)
        axes.scatter(*place, s=150, facecolors="none", edgecolors=INK, zorder=3, clip_on=False, **RIMS[row.is_stable])
        text = "no value" if value is None else f"{value:.2g}" if log_scale else f"{value:.{decimals}f}"
        text = f"< {text}" if is_limit and value is not None else text
        _write_beside(axes, marker.get_offsets()[0], text, below_pt=9)
    return mappable if max(coloured) > min(coloured) and not colourless >= known.keys() else None


def _write_beside(axes: Any, place: tuple[float, float], text: str, *, below_pt: float, size: float = 7.0) -> None:
    axes.annotate(
        text,
        place,
        (0, -below_pt),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=size,
        zorder=4,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def _label_triangle(axes: Any, hull: MixingHull) -> None:
    """End members at the corners, grid lines at the quarters, and what the rims mean."""
    for formula, corner, below_pt in zip(hull.end_members, np.eye(3), (-21, 18, 18), strict=True):
        place = axes.scatter(*([share] for share in corner), s=0).get_offsets()[0]
        _write_beside(axes, place, pretty_formula(formula), below_pt=below_pt, size=9.0)
    for axis in (axes.taxis, axes.laxis, axes.raxis):
        axis.set_ticks([0.25, 0.5, 0.75], [])
    axes.grid(color=FAINT, linewidth=0.4, linestyle=":", zorder=0)
    axes.tick_params(length=0)
    found = {row.is_stable for row in hull.rows}
    for stable, label in ((True, "stable"), (False, "metastable")):
        if stable not in found:
            continue
        axes.scatter([], [], [], s=110, facecolors="none", edgecolors=INK, label=label, **RIMS[stable])
    axes.legend(loc="upper left", bbox_to_anchor=(-0.1, 1.02), handletextpad=0.2)
