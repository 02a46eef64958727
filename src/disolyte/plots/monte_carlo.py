"""Energies along Monte Carlo chains."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from disolyte.plots.style import (
    COLOURS,
    FAINT,
    INK,
    new_figure,
    note_caveats,
    pretty_formula,
    set_title,
    styled,
)
from disolyte.thermodynamics.montecarlo.schema import MonteCarloDoc

MAX_POINTS = 2000
"""Sweeps drawn of each chain; of more, a regular subset is drawn."""


@styled
def plot_monte_carlo(doc: MonteCarloDoc) -> Figure:
    """Energy of each chain after each sweep; where it equilibrated; the mean of all.

    Energies are told relative to the mean after equilibration. The part of each chain that was thrown away is faint.

    Parameters
    ----------
    doc
        Monte Carlo of one composition.
    """
    energies = 1e3 * (doc.energies_ev_per_fu.to_array() - doc.energy_ev_per_fu)
    figure = new_figure()
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=[4, 1])
    step = max(1, energies.shape[1] // MAX_POINTS)
    sweeps = np.arange(energies.shape[1]) + 1
    for number, (values, chain) in enumerate(zip(energies, doc.chains, strict=True)):
        colour, start = COLOURS[number % len(COLOURS)], chain.equilibration_sweeps
        axes.plot(sweeps[: start + 1 : step], values[: start + 1 : step], color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(sweeps[start::step], values[start::step], color=colour, linewidth=0.6, label=f"chain {number + 1}")
        side.hist(
            values[start:],
            bins=30,
            density=True,
            orientation="horizontal",
            histtype="step",
            color=colour,
            linewidth=0.9,
        )
    axes.axhline(0, color=INK, linewidth=0.8)
    side.axhline(0, color=INK, linewidth=0.8)
    axes.set_xlabel(f"Sweep ({doc.trials_per_sweep} swaps tried)")
    axes.set_ylabel(r"$E - \langle E \rangle$ (meV / f.u.)")
    side.set_xlabel("Share")
    side.set_xticks([])
    equilibrated = np.concatenate(
        [values[chain.equilibration_sweeps :] for values, chain in zip(energies, doc.chains, strict=True)]
    )
    reach = 1.25 * max(np.abs(equilibrated).max(), 1e-6)
    low, high = -reach, min(max(energies.max(), reach), 5 * reach)
    axes.set_ylim(low, high + 0.16 * (high - low))
    if len(doc.chains) <= 8:
        axes.legend(loc="upper right", ncols=min(4, len(doc.chains)), handlelength=1.0, columnspacing=0.8)
    if high < energies.max():
        axes.annotate("starts above", (0.02, 0.96), xycoords="axes fraction", va="top", fontsize=7, color=FAINT)
    size = "×".join(str(n) for n in doc.supercell)
    verdict = "converged" if doc.is_converged else "not converged: " + "; ".join(doc.reasons)
    title = (
        f"{pretty_formula(doc.point.formula)}, {size} supercell, {doc.temperature_k:g} K, {doc.energy} energies; "
        f"R-hat {doc.r_hat:.2f}, {verdict}"
    )
    set_title(figure, title, has_mathematics=True)
    note_caveats(figure, doc.caveats)
    return figure
