"""The diffusivity within planes as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.schema import DiffusionDoc, TransportDoc
from disolyte.errors import InputError
from disolyte.plots.style import PAGE_IN, new_figure, note_caveats, pretty_formula, styled


@styled
def plot_planar_table(doc: TransportDoc, planes: Sequence[tuple[int, int, int]] = ((0, 0, 1), (0, 1, 0))) -> Figure:
    """Table of the diffusivity within planes, and of the principal directions, at each temperature.

    Parameters
    ----------
    doc
        Transport of one composition.
    planes
        Miller indices of the planes in the simulated cell; ab and ac, as published, if not given.

    Raises
    ------
    InputError
        If no planes are given.
    """
    if not planes:
        raise InputError("there are no planes to tabulate; give Miller indices such as (0, 0, 1)")
    names = {(0, 0, 1): "$ab$", (0, 1, 0): "$ac$", (1, 0, 0): "$bc$"}
    header = ["T (K)", "D", *(names.get(hkl, "({} {} {})".format(*hkl)) for hkl in planes),
              "largest, along", "smallest, along", "verdict"]  # fmt: skip
    rows = []
    for run in sorted(doc.runs, key=lambda run: run.temperature_k):
        scale = 1e6
        values = [run.plane(hkl) for hkl in planes]
        axes = run.principal_axes
        rows.append(
            [
                f"{run.temperature_k:.0f}",
                _diffusivity(run, scale),
                *(_with_error(scale * value, scale * std) for value, std in values),
                *(
                    f"{_with_error(scale * axes.values_cm2_per_s[k], scale * axes.stds_cm2_per_s[k])}\n"
                    f"{_direction(axes.directions[k])} ± {axes.angle_stds_deg[k]:.0f}°"
                    for k in (0, 2)
                ),
                run.verdict.value.replace("_", " "),
            ]
        )
    figure = new_figure(PAGE_IN, 0.9 + 0.42 * len(rows))
    panel = figure.add_subplot()
    panel.set_axis_off()
    table = panel.table(rows, colLabels=header, loc="center", cellLoc="center", edges="horizontal")
    table.auto_set_font_size(value=False)
    table.set_fontsize(8)
    table.scale(1.0, 2.1)
    table.auto_set_column_width(list(range(len(header))))
    for row, run in enumerate(sorted(doc.runs, key=lambda run: run.temperature_k), start=1):
        if run.verdict is not Verdict.CONVERGED:
            for column in range(len(header)):
                table[row, column].get_text().set_fontstyle("italic")
    figure.suptitle(
        f"{pretty_formula(doc.label)}: diffusivity in $10^{{-6}}$ cm$^2$/s with standard errors; directions are "
        "Cartesian",
        fontsize=9.5,
    )
    note_caveats(figure, doc.caveats)
    return figure


def _diffusivity(run: DiffusionDoc, scale: float) -> str:
    """D with its error, or the limit it lies below."""
    if run.verdict is Verdict.UPPER_LIMIT:
        return f"< {scale * run.diffusivity_cm2_per_s:.2g}"
    error = run.diffusivity_relative_error * run.slope_diffusivity_cm2_per_s
    return _with_error(scale * run.slope_diffusivity_cm2_per_s, scale * error)


def _with_error(value: float, std: float) -> str:
    digits = max(0, 1 - int(np.floor(np.log10(std)))) if std > 0 else 2
    return f"{value:.{min(digits, 4)}f} ± {std:.{min(digits, 4)}f}"


def _direction(vector: np.ndarray) -> str:
    return "[" + " ".join(f"{component:.2f}" for component in vector) + "]"
