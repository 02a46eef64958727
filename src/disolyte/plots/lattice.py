"""Lattice constants against composition."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from disolyte.errors import InputError
from disolyte.plots.style import (
    COLOURS,
    COLUMN_IN,
    MARKERS,
    new_figure,
    note_caveats,
    set_title,
    styled,
)
from disolyte.thermodynamics.schema import GroundState, LatticeConstants, PhaseDiagramDoc

Reading = Callable[[LatticeConstants], float]

LENGTHS: Final[dict[str, Reading]] = {
    "a": lambda lattice: lattice.a_ang,
    "b": lambda lattice: lattice.b_ang,
    "c": lambda lattice: lattice.c_ang,
}
ANGLES: Final[dict[str, Reading]] = {
    "α": lambda lattice: lattice.alpha_deg,
    "β": lambda lattice: lattice.beta_deg,
    "γ": lambda lattice: lattice.gamma_deg,
}


@styled
def plot_lattice_constants(doc: PhaseDiagramDoc, axis: str | None = None) -> Figure:
    """Lattice constants and volume of the ground states against composition.

    Lengths and angles that are equal by symmetry share a panel; angles that stay at 90° or 120° are left out.

    Parameters
    ----------
    doc
        Phase diagram, as a rule after relaxation of the cell.
    axis
        Composition axis along which to draw; the first that varies if not given. Compositions that differ in other
        axes are other lines.

    Raises
    ------
    InputError
        If the document holds no lattice constants, or there is no such axis.
    """
    states = [state for state in doc.ground_states if state.lattice is not None]
    if not states:
        raise InputError("this phase diagram holds no lattice constants; make it anew with PhaseDiagramMaker")
    axis = _choose_axis(states, axis)
    panels = _panels(states)
    n_columns = min(2, len(panels))
    n_rows = math.ceil(len(panels) / n_columns)
    figure = new_figure(1.3 * COLUMN_IN if n_columns == 2 else COLUMN_IN, 1.75 * n_rows + 0.7)
    series = _series(states, axis)
    for number, (label, read) in enumerate(panels, start=1):
        axes = figure.add_subplot(n_rows, n_columns, number)
        _draw_panel(axes, series, axis, read)
        axes.set_ylabel(label)
        axes.set_xlabel(f"${axis}$" if len(axis) == 1 else axis)
    if len(series) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        if len(panels) < n_rows * n_columns:  # there is an empty panel
            empty = figure.add_subplot(n_rows, n_columns, n_rows * n_columns)
            empty.axis("off")
            empty.legend(handles, labels, loc="center", ncols=2)
        else:
            figure.legend(handles, labels, loc="outside lower center", ncols=min(5, len(labels)))
    cells = f"relaxed with {doc.cell_model}" if doc.cell_model else "as built, not relaxed"
    set_title(figure, f"Ground states of {doc.model_name}, cells {cells}")
    note_caveats(figure, doc.caveats)
    return figure


def _choose_axis(states: Sequence[GroundState], axis: str | None) -> str:
    axes = list(states[0].point.coordinates)
    varying = [name for name in axes if len({state.point.coordinates[name] for state in states}) > 1]
    if axis is None and varying:
        return varying[0]
    if axis is None or axis not in axes:
        raise InputError(f"the compositions vary along {varying or 'no axis'}, not along {axis!r}")
    return axis


def _series(states: Sequence[GroundState], axis: str) -> dict[str, list[GroundState]]:
    """States that differ along the axis alone, by the values of the other axes."""
    series: dict[str, list[GroundState]] = {}
    for state in sorted(states, key=lambda state: state.point.coordinates[axis]):
        others = [f"${name}$ = {value:g}" for name, value in state.point.coordinates.items() if name != axis]
        series.setdefault(", ".join(others), []).append(state)
    return dict(sorted(series.items()))


def _panels(states: Sequence[GroundState]) -> list[tuple[str, Reading]]:
    lattices = [state.lattice for state in states if state.lattice is not None]
    panels = [(f"${name}$ (Å)", read) for name, read in _distinct(LENGTHS, lattices).items()]
    for name, read in _distinct(ANGLES, lattices).items():
        values = np.array([read(lattice) for lattice in lattices])
        if min(np.abs(values - 90).max(), np.abs(values - 120).max()) > 0.02:
            panels.append((f"{name} (°)", read))
    return [*panels, ("Volume (Å$^3$ / f.u.)", lambda lattice: lattice.volume_ang3_per_fu)]


def _distinct(readings: dict[str, Reading], lattices: Sequence[LatticeConstants]) -> dict[str, Reading]:
    """Readings with those that are equal everywhere joined, e.g. 'a = b'."""
    joined: dict[str, Reading] = {}
    for name, read in readings.items():
        values = [read(lattice) for lattice in lattices]
        for known, other in joined.items():
            if np.allclose(values, [other(lattice) for lattice in lattices], rtol=1e-5):
                joined = {(f"{key} = {name}" if key == known else key): value for key, value in joined.items()}
                break
        else:
            joined[name] = read
    return joined


def _draw_panel(axes: Axes, series: dict[str, list[GroundState]], axis: str, read: Reading) -> None:
    for number, (label, states) in enumerate(series.items()):
        points = [(state.point.coordinates[axis], read(state.lattice)) for state in states if state.lattice is not None]
        axes.plot(
            *zip(*points, strict=True),
            marker=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            markersize=4.5,
            linewidth=1.0,
            label=label,
        )
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.margins(y=0.12)
