"""What molecular dynamics with several models shows of their stability."""

from __future__ import annotations

from textwrap import fill
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from disolyte.errors import InputError
from disolyte.finetuning.stability.schema import ModelStability, StabilityDoc
from disolyte.plots.style import COLOURS, FAINT, INK, MARKERS, PAGE_IN, new_figure, note_caveats, set_title, styled

LINEAR_MEV: Final = 10.0
"""Energies are linear up to this, logarithmic beyond: a run that blows up leaves the others visible."""
LABEL_WIDTH: Final = 75
"""Letters on a line of the legend."""
_TICKS_MEV: Final = (5.0, 10.0, 20.0, 50.0, *(10.0**n for n in range(2, 9)))


@styled
def plot_stability(doc: StabilityDoc) -> Figure:
    """Total energy against time, and the shortest distance of each pair of elements, with each model.

    Each line is one run; a cross is where the watchdog gave it up. On the right, the shortest distance in any run with
    a model is divided by the floor of the pair: below 1 atoms came closer than they should.

    Parameters
    ----------
    doc
        Stability test.

    Raises
    ------
    InputError
        If the document holds no runs.
    """
    if not doc.models or not doc.models[0].runs:
        raise InputError("this document holds no runs; make it with StabilityMaker")
    figure = new_figure(PAGE_IN * 0.85, 3.2 + 0.2 * len(doc.models))
    energies, distances = figure.subplots(1, 2, width_ratios=(3, 2))
    for model, colour, marker in zip(doc.models, COLOURS * 4, MARKERS * 4, strict=False):
        _draw_energies(energies, model, colour)
        _draw_distances(distances, doc, model, colour, marker)
    energies.set_yscale("symlog", linthresh=LINEAR_MEV, linscale=1.0)
    energies.yaxis.set_major_locator(FixedLocator(_ticks_mev(energies.get_ylim())))
    energies.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    energies.yaxis.set_minor_locator(NullLocator())
    energies.axhline(0.0, color=FAINT, linewidth=0.7, zorder=1)
    energies.set_xlabel("Time (ps)")
    energies.set_ylabel("Change of the total energy (meV/atom)")
    distances.axhline(1.0, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    distances.set_xticks(range(len(doc.floors)), ["–".join(floor.elements) for floor in doc.floors], rotation=90)
    distances.set_ylabel("Shortest distance / floor")
    distances.set_ylim(bottom=0.0)
    protocol = doc.protocol
    set_title(figure, f"MD at {protocol.temperature_k:g} K ({protocol.thermostat}), same structures and velocities")
    # Names of trained models are long: below the panel, on as many lines as they need.
    energies.legend(loc="upper left", bbox_to_anchor=(0.0, -0.2), borderaxespad=0.0)
    note_caveats(figure, doc.caveats)
    return figure


def _ticks_mev(limits: tuple[float, float]) -> list[float]:
    """Ticks on both sides of zero; the outermost are left out unless they lie inside."""
    signed = {0.0} | {sign * tick for tick in _TICKS_MEV for sign in (-1.0, 1.0)}
    return sorted(tick for tick in signed if limits[0] <= tick <= limits[1])


def _draw_energies(axes: Axes, model: ModelStability, colour: str) -> None:
    label = fill(f"{model.model.name}: {model.n_failed} of {len(model.runs)} runs failed", LABEL_WIDTH)
    for run in model.runs:
        times_ps, changes_ev_per_atom = run.energies_ev_per_atom.to_array()
        axes.plot(times_ps, 1e3 * changes_ev_per_atom, color=colour, linewidth=0.9, alpha=0.8, label=label)
        label = "_nolegend_"
        if not run.verdict.completed and len(times_ps):
            axes.plot(times_ps[-1], 1e3 * changes_ev_per_atom[-1], color=colour, marker="x", markersize=7, zorder=4)


def _draw_distances(axes: Axes, doc: StabilityDoc, model: ModelStability, colour: str, marker: str) -> None:
    for place, floor in enumerate(doc.floors):
        pairs = [pair for run in model.runs for pair in run.pairs if pair.floor.elements == floor.elements]
        if pairs:
            shortest = np.min([pair.shortest_ang for pair in pairs]) / floor.floor_ang
            axes.plot(place, shortest, color=colour, marker=marker, markersize=5, linestyle="none", zorder=3)
