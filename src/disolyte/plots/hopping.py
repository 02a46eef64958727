"""How the mobile ions jump: the network of rates, and who is near whom."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy.typing import NDArray

from disolyte.diffusion.schema import MechanismDoc, TemperatureMechanism
from disolyte.diffusion.sites import INTERSTITIAL
from disolyte.plots.density import at_temperature, label_colour, site_labels
from disolyte.plots.style import COLOURS, FAINT, INK, PAGE_IN, literal, new_figure, note_caveats, pretty_formula, styled


@styled
def plot_jump_network(doc: MechanismDoc, temperature_k: float) -> Figure:
    """Rates between kinds of sites as a network, and the shares of the ways between visits of the hub.

    Parameters
    ----------
    doc
        Mechanism.
    temperature_k
        One of its temperatures.

    Raises
    ------
    InputError
        If the document does not hold the temperature.
    """
    one = at_temperature(doc, temperature_k)
    figure = new_figure(PAGE_IN * 0.85, 3.6)
    network, ways = figure.subplots(1, 2, width_ratios=[1.2, 1])
    _draw_network(network, one)
    _draw_passages(ways, one)
    title = f"{doc.mobile.element} in {pretty_formula(doc.label)}, {temperature_k:.0f} K, {one.concert.n_jumps} jumps"
    figure.suptitle(title, fontsize=9.5)
    note_caveats(figure, doc.caveats)
    return figure


@styled
def plot_rdf(doc: MechanismDoc) -> Figure:
    """Radial distribution functions between the mobile ion and each element, one curve for each temperature.

    Parameters
    ----------
    doc
        Mechanism, its arrays loaded.
    """
    elements = doc.temperatures[0].rdf_elements
    figure = new_figure(PAGE_IN * min(1.0, 0.34 * len(elements)), 2.9)
    panels = np.atleast_1d(figure.subplots(1, len(elements)))
    for number, one in enumerate(sorted(doc.temperatures, key=lambda one: one.temperature_k)):
        distance, *curves = one.rdf.to_array()
        for axes, element, curve in zip(panels, one.rdf_elements, curves, strict=True):
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(distance, curve, color=colour, label=f"{one.temperature_k:.0f} K")
            axes.set_title(f"{doc.mobile.element}–{element}")
    for axes in panels:
        axes.axhline(1.0, color=FAINT, linewidth=0.7)
        axes.set_xlabel("Distance (Å)")
        axes.set_ylim(bottom=0)
    panels[0].set_ylabel("g(r)")
    panels[-1].legend()
    figure.suptitle(pretty_formula(doc.label), fontsize=9.5)
    note_caveats(figure, doc.caveats)
    return figure


def _draw_network(axes: Axes, one: TemperatureMechanism) -> None:
    """Kinds of sites on a circle; arrows as wide as their rates."""
    names = site_labels(one)
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(names)) / max(len(names), 1)
    places = {name: np.array([np.cos(t), np.sin(t)]) for name, t in zip(names, angles, strict=True)}
    seen = [rate for rate in one.rates if rate.n_jumps and rate.start != rate.end]
    own = {rate.start: rate.rate_per_ps for rate in one.rates if rate.start == rate.end}
    largest = max((rate.rate_per_ps for rate in seen), default=1.0)
    for rate in seen:
        width = 0.6 + 3.4 * rate.rate_per_ps / largest
        _draw_arrow(axes, places, rate.start, rate.end, width, f"{rate.rate_per_ps:.2g}")
    stays = {stay.label: stay for stay in one.residences}
    for name, (x, y) in places.items():
        stay = stays[name]
        axes.plot(x, y, "o", markersize=34, color=label_colour(one, name), markeredgecolor="white", zorder=3)
        title = literal(name) if name != INTERSTITIAL else "inter-\nstitial"
        axes.annotate(title, (x, y), ha="center", va="center", fontsize=7.5, color="white", zorder=4)
        time = "no jump" if stay.time_ps is None else f"stay {stay.time_ps:.2g} ps"
        text = f"{stay.ions_per_site:.2f} per site\n{time}\nto its own kind {own.get(name, 0.0):.2g}"
        axes.annotate(text, (2.0 * x, 1.75 * y), ha="center", va="center", fontsize=7)
    axes.set_xlim(-2.6, 2.6)
    axes.set_ylim(-1.4, 2.2)
    axes.set_axis_off()
    axes.set_title("rates per ion on the site (1/ps)")


def _draw_arrow(
    axes: Axes, places: dict[str, NDArray[np.float64]], start: str, end: str, width: float, text: str
) -> None:
    first, last = places[start], places[end]
    across = np.array([(last - first)[1], -(last - first)[0]])
    label = (first + last) / 2 + 0.13 * across
    arrow = FancyArrowPatch(
        tuple(first), tuple(last), connectionstyle="arc3,rad=0.16", arrowstyle="-|>", mutation_scale=7 + 2 * width,
        linewidth=width, color=INK, shrinkA=17, shrinkB=17, zorder=2,
    )  # fmt: skip
    axes.add_patch(arrow)
    axes.annotate(
        text,
        tuple(label),
        ha="center",
        va="center",
        fontsize=7,
        zorder=5,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )


def _draw_passages(axes: Axes, one: TemperatureMechanism) -> None:
    """Shares of the ways with their intervals."""
    ways = [way for way in one.passages if way.n_passages][:6]
    if not ways:
        axes.text(0.5, 0.5, "no way between\ntwo sites was seen", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    for row, way in enumerate(ways):
        low, high = way.share_ci95
        colour = COLOURS[0] if way.name == "intraplane" else COLOURS[1]
        axes.barh(row, way.share, color=colour, alpha=0.85, height=0.55)
        axes.errorbar(
            way.share, row, xerr=[[max(way.share - low, 0)], [max(high - way.share, 0)]], color=INK, capsize=2
        )
        axes.text(1.02, row, f"{way.n_passages}", va="center", fontsize=7.5, transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(ways)), [literal(f"{way.path}\n{way.name}") for way in ways])
    axes.set_ylim(max(len(ways), 3) - 0.5, -0.5)  # from above; a single bar stays a bar
    axes.set_xlim(0, 1)
    axes.set_xlabel("Share of the ways, 95 % interval")
    axes.set_title("ways between two sites; number seen")
