"""How well a fine-tuned model meets its labels, and how it got there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from ase.data import chemical_symbols
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from disolyte.errors import InputError
from disolyte.models.schema import HeadErrors, ModelDoc, ParityData, QuantityErrors
from disolyte.plots.style import (
    COLOURS,
    FAINT,
    INK,
    PAGE_IN,
    new_figure,
    note_caveats,
    plain_log_ticks,
    set_title,
    styled,
)

MAX_POINTS = 20_000
"""Points drawn in one panel; of more, a regular subset is drawn."""

TRAINING_PANELS: Final = (
    ("Energy RMSE (meV/atom)", "energy_rmse_ev_per_atom"),
    ("Force RMSE (meV/Å)", "force_rmse_ev_per_ang"),
    ("Stress RMSE (meV/Å$^3$)", "stress_rmse_ev_per_ang3"),
)
"""Axis label, and field of the record of an epoch."""


@styled
def plot_parity(doc: ModelDoc) -> Figure:
    """Energies, forces and stresses of the model against their labels, on test frames.

    Root mean square errors are given for this model and, where known, for the foundation it was fine-tuned from.

    Parameters
    ----------
    doc
        Fine-tuned model with its parity data.

    Raises
    ------
    InputError
        If the document holds no parity data.
    """
    if doc.parity is None:
        raise InputError(f"model {doc.name!r} holds no parity data; it was not trained by FinetuneMaker")
    after, before = _test_errors(doc.errors, doc.head), _test_errors(doc.foundation_errors)
    panels = 2 if doc.parity.stresses_ev_per_ang3 is None else 3
    figure = new_figure(PAGE_IN * panels / 3, 3.4)
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    _draw_energies(axes[0], doc.parity)
    _draw_forces(axes[1], doc.parity)
    _write_errors(axes[0], "energy_rmse_ev_per_atom", "meV/atom", before, after)
    _write_errors(axes[1], "force_rmse_ev_per_ang", "meV/Å", before, after)
    if doc.parity.stresses_ev_per_ang3 is not None:
        _draw_stresses(axes[2], doc.parity.stresses_ev_per_ang3.to_array())
        _write_errors(axes[2], "stress_rmse_ev_per_ang3", "meV/Å³", before, after)
    set_title(figure, f"{doc.name}: test frames")
    note_caveats(figure, doc.caveats)
    return figure


@styled
def plot_training(doc: ModelDoc) -> Figure:
    """Validation errors of each head against the epoch, counted from 1.

    Parameters
    ----------
    doc
        Fine-tuned model with its training record.

    Raises
    ------
    InputError
        If the document holds no training record.
    """
    if doc.training is None or not doc.training.epochs:
        raise InputError(f"model {doc.name!r} holds no training record")
    epochs = [entry for entry in doc.training.epochs if entry.epoch >= 0] or doc.training.epochs
    has_stress = any(entry.stress_rmse_ev_per_ang3 for entry in epochs)
    panels = TRAINING_PANELS if has_stress else TRAINING_PANELS[:2]
    figure = new_figure(PAGE_IN * len(panels) / 3, 2.9)
    axes = list(figure.subplots(1, len(panels)))
    # The document counts epochs from 0, as mace does; the log that users see, and this figure, from 1.
    numbers = [entry.epoch + 1 for entry in epochs]
    for panel, (label, field) in zip(axes, panels, strict=True):
        for head, colour in zip(epochs[-1].energy_rmse_ev_per_atom, COLOURS, strict=False):
            values = [1e3 * getattr(entry, field).get(head, np.nan) for entry in epochs]
            panel.plot(numbers, values, color=colour, marker="o", markersize=3, label=f"head {head}")
        panel.axvline(doc.training.best_epoch + 1, color=FAINT, linestyle=":", label="kept")
        panel.set_yscale("log")
        plain_log_ticks(panel.yaxis)
        panel.set_xlabel("Epoch")
        panel.set_ylabel(label)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].legend()
    set_title(figure, f"{doc.name}: validation frames")
    note_caveats(figure, doc.caveats)
    return figure


def _draw_energies(axes: Axes, parity: ParityData) -> None:
    reference, predicted = parity.energies_ev_per_atom.to_array()
    # Only differences between structures are physics: the offset of the labels differs between methods.
    _draw_cloud(axes, reference, predicted, COLOURS[0], size=14)
    _frame(axes, reference, predicted, "energy (eV/atom)")


def _draw_forces(axes: Axes, parity: ParityData) -> None:
    reference, predicted = parity.forces_ev_per_ang.to_array()
    numbers = parity.numbers.to_array()
    for number, colour in zip(np.unique(numbers), COLOURS * 4, strict=False):
        chosen = numbers == number
        symbol = chemical_symbols[int(number)]
        _draw_cloud(axes, reference[chosen], predicted[chosen], colour, label=symbol)
    _frame(axes, reference, predicted, "force component (eV/Å)")
    axes.legend(loc="lower right", markerscale=2.5, handletextpad=0.1, borderaxespad=0.3)


def _draw_stresses(axes: Axes, stresses: NDArray[np.float64]) -> None:
    rows, columns = np.triu_indices(3)
    reference, predicted = 1e3 * stresses[:, :, rows, columns]
    diagonal = rows == columns
    for chosen, colour, label in ((diagonal, COLOURS[0], "diagonal"), (~diagonal, COLOURS[1], "shear")):
        _draw_cloud(axes, reference[:, chosen], predicted[:, chosen], colour, label=label, size=9)
    _frame(axes, reference, predicted, "stress component (meV/Å³)")
    axes.legend(loc="lower right", markerscale=1.8, handletextpad=0.1, borderaxespad=0.3)


def _draw_cloud(
    axes: Axes,
    reference: NDArray[np.float64],
    predicted: NDArray[np.float64],
    colour: str,
    *,
    label: str | None = None,
    size: float = 5.0,
) -> None:
    step = max(1, reference.size // MAX_POINTS)
    axes.scatter(
        reference.ravel()[::step],
        predicted.ravel()[::step],
        s=size,
        color=colour,
        alpha=0.55,
        linewidths=0,
        label=label,
        rasterized=True,
        zorder=2,
    )


def _frame(axes: Axes, reference: NDArray[np.float64], predicted: NDArray[np.float64], quantity: str) -> None:
    """Equal axes, the diagonal, and labels."""
    values = np.concatenate([reference.ravel(), predicted.ravel()])
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.05
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=0.7, zorder=1)
    axes.set_xlim(limits)
    axes.set_ylim(limits)
    axes.set_aspect("equal")
    axes.set_xlabel(f"Label: {quantity}")
    axes.set_ylabel(f"Model: {quantity}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def _test_errors(errors: Sequence[HeadErrors], head: str | None = None) -> QuantityErrors | None:
    """Errors on the test frames, of the head if there are several."""
    found = [entry for entry in errors if entry.split == "test"]
    named = [entry for entry in found if entry.head == head] or found
    return named[0].overall if named else None


def _write_errors(
    axes: Axes, field: str, unit: str, before: QuantityErrors | None, after: QuantityErrors | None
) -> None:
    """Root mean square errors in the upper left corner."""
    lines = []
    for name, errors in (("foundation", before), ("this model", after)):
        value = getattr(errors, field, None)
        if value is not None:
            decimals = max(0, min(2, 2 - math.floor(math.log10(max(1e3 * value, 1e-9)))))
            lines.append(f"{name}: {1e3 * value:.{decimals}f}")
    if lines:
        text = "\n".join([f"RMSE ({unit})", *lines])
        axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=7.5, zorder=4)
