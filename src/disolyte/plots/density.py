"""Where the mobile ions are: projections of their density, and its isosurface."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LightSource, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import NDArray

from disolyte.diffusion.density import ISOSURFACE_PER_ANG3
from disolyte.diffusion.schema import MechanismDoc, TemperatureMechanism
from disolyte.diffusion.sites import INTERSTITIAL
from disolyte.errors import InputError
from disolyte.plots.style import (
    COLOURS,
    FAINT,
    INK,
    PAGE_IN,
    SEQUENTIAL,
    literal,
    new_figure,
    note_caveats,
    pretty_formula,
    styled,
)

_VIEWS: Final = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""Axis that is looked along, axis to the right, axis upwards."""
_AXIS_NAMES: Final = ((0.5, -0.1, -0.06), (1.1, 0.5, -0.06), (-0.06, -0.06, 0.5))
"""Where the names of the axes stand beside the isosurface, fractional: at edges of the outline."""


@styled
def plot_density(doc: MechanismDoc, temperature_k: float) -> Figure:
    """Density of the mobile ions, averaged along each cell vector, with the sites.

    Parameters
    ----------
    doc
        Mechanism, its densities loaded.
    temperature_k
        One of its temperatures.

    Raises
    ------
    InputError
        If the document does not hold the temperature.
    """
    one = at_temperature(doc, temperature_k)
    density = one.density.to_array().astype(float)
    lattice = np.array(one.lattice_ang)
    figure = new_figure(PAGE_IN, 3.4)
    panels = figure.subplots(1, 3)
    largest = max(density.mean(axis=axis).max() for axis, _, _ in _VIEWS)
    norm = LogNorm(vmin=max(largest * 1e-3, ISOSURFACE_PER_ANG3 / 10), vmax=largest)
    for axes, (along, right, up) in zip(panels, _VIEWS, strict=True):
        shade = _draw_projection(axes, density.mean(axis=along), lattice, (right, up), norm)
        _draw_sites(axes, one, lattice, (right, up))
        axes.set_title(f"along ${'abc'[along]}$")
    bar = figure.colorbar(shade, ax=list(panels), shrink=0.85)
    bar.set_label("Mean density (Å$^{-3}$)")
    figure.legend(handles=_site_handles(one), loc="outside right upper")
    figure.suptitle(f"{doc.mobile.element} in {pretty_formula(doc.label)}, {temperature_k:.0f} K", fontsize=9.5)
    note_caveats(figure, doc.caveats)
    return figure


@styled
def plot_isosurface(doc: MechanismDoc, temperature_k: float, level_per_ang3: float = ISOSURFACE_PER_ANG3) -> Figure:
    """Isosurface of the density in the cell, with the sites.

    The surface is laid through the corners of the grid, each the mean of the eight voxels that meet there.

    Parameters
    ----------
    doc
        Mechanism, its densities loaded.
    temperature_k
        One of its temperatures.
    level_per_ang3
        Density on the surface; the published level if not given.

    Raises
    ------
    InputError
        If the document does not hold the temperature.
    """
    one = at_temperature(doc, temperature_k)
    density = one.density.to_array().astype(float)
    lattice = np.array(one.lattice_ang)
    figure = new_figure(PAGE_IN * 0.6, 4.4)
    axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    for corner_a, corner_b in _edges():
        axes.plot(*np.array([corner_a @ lattice, corner_b @ lattice]).T, color=FAINT, linewidth=0.7)
    triangles = _surface(density, level_per_ang3) @ lattice
    if len(triangles):
        light = LightSource(azdeg=250, altdeg=40)
        axes.add_collection3d(
            Poly3DCollection(triangles, facecolors="#56b4e9", linewidths=0, alpha=0.45, shade=True, lightsource=light)
        )
    for name, place in zip("abc", _AXIS_NAMES, strict=True):
        axes.text(*(np.array(place) @ lattice), f"${name}$", zorder=10, ha="center", va="center")
    for site in one.sites:
        axes.scatter(
            *(np.array(site.fractional) @ lattice), color=label_colour(one, site.label), s=42, edgecolors=INK, zorder=9
        )
    axes.set_box_aspect(np.ptp(np.array([corner @ lattice for edge in _edges() for corner in edge]), axis=0))
    axes.set_axis_off()
    axes.view_init(elev=12, azim=-70)
    share = f"{(density >= level_per_ang3).mean():.0%} of the volume"
    figure.suptitle(
        f"{doc.mobile.element} in {pretty_formula(doc.label)}, {temperature_k:.0f} K: "
        f"{level_per_ang3:.0e} Å$^{{-3}}$, {share}",
        fontsize=9.5,
    )
    axes.legend(handles=_site_handles(one), loc="upper left")
    note_caveats(figure, doc.caveats)
    return figure


def _surface(density: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """Triangles of the isosurface in fractional coordinates, shape (n_triangles, 3, 3); none if it lies nowhere."""
    from skimage.measure import marching_cubes

    corners = np.mean([np.roll(density, shift, axis=(0, 1, 2)) for shift in np.ndindex(2, 2, 2)], axis=0)
    corners = np.pad(corners, [(0, 1)] * 3, mode="wrap")
    if not corners.min() < level < corners.max():
        return np.empty((0, 3, 3))
    vertices, faces, *_ = marching_cubes(corners, level)
    triangles: NDArray[np.float64] = (vertices / density.shape)[faces]
    return triangles


def at_temperature(doc: MechanismDoc, temperature_k: float) -> TemperatureMechanism:
    """Mechanism at one temperature; InputError if the document does not hold it."""
    one = doc.at(temperature_k)
    if one is None:
        known = ", ".join(f"{one.temperature_k:g}" for one in doc.temperatures)
        raise InputError(f"there is no mechanism at {temperature_k:g} K; the document holds {known} K")
    return one


def _draw_projection(
    axes: Axes, mean: NDArray[np.float64], lattice: NDArray[np.float64], plane: tuple[int, int], norm: LogNorm
) -> Any:
    """Density on the parallelogram of two cell vectors, in Å."""
    right, up = _flat(lattice, plane)
    n, m = mean.shape
    s, t = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1), indexing="ij")
    x, y = s * right[0] + t * up[0], s * right[1] + t * up[1]
    shown = np.ma.masked_less_equal(mean, float(norm.vmin or 0.0))
    shade = axes.pcolormesh(x, y, shown, norm=norm, cmap=SEQUENTIAL, rasterized=True)
    axes.set_aspect("equal")
    axes.set_xlabel(f"${'abc'[plane[0]]}$ (Å)")
    axes.set_ylabel(f"towards ${'abc'[plane[1]]}$ (Å)")
    return shade


def _flat(lattice: NDArray[np.float64], plane: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two cell vectors in their own plane, the first to the right."""
    first, second = lattice[plane[0]], lattice[plane[1]]
    length = float(np.linalg.norm(first))
    along = float(second @ first) / length
    return np.array([length, 0.0]), np.array([along, np.sqrt(max(float(second @ second) - along**2, 0.0))])


def _draw_sites(axes: Axes, one: TemperatureMechanism, lattice: NDArray[np.float64], plane: tuple[int, int]) -> None:
    right, up = _flat(lattice, plane)
    for site in one.sites:
        s, t = site.fractional[plane[0]], site.fractional[plane[1]]
        style: dict[str, Any] = {"markerfacecolor": label_colour(one, site.label), "markeredgecolor": "white"}
        axes.plot(*(s * right + t * up), "o", markersize=4.5, markeredgewidth=0.7, **style)


def site_labels(one: TemperatureMechanism) -> list[str]:
    """Kinds of sites, interstitials last."""
    return sorted({site.label for site in one.sites}, key=lambda name: (name == INTERSTITIAL, name))


def label_colour(one: TemperatureMechanism, label: str) -> str:
    """Colour of a kind of site."""
    return FAINT if label == INTERSTITIAL else COLOURS[1 + site_labels(one).index(label) % (len(COLOURS) - 1)]


def _site_handles(one: TemperatureMechanism) -> list[Line2D]:
    counts = {name: sum(site.label == name for site in one.sites) for name in site_labels(one)}
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgecolor": INK, "markeredgewidth": 0.5}
    return [
        Line2D([], [], color=label_colour(one, name), label=f"{n} × {literal(name)}", **style)
        for name, n in counts.items()
    ]


def _edges() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    corners = [np.array(corner, dtype=float) for corner in np.ndindex(2, 2, 2)]
    return [(a, b) for k, a in enumerate(corners) for b in corners[k:] if np.abs(a - b).sum() == 1]
