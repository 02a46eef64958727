"""Sites of the mobile ion: basins of its density, named after the host's Wyckoff positions where they lie on one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.diffusion.density import ProbabilityDensity
from disolyte.diffusion.landscape import Landscape, find_basins, merge_basins
from disolyte.errors import StructureError

INTERSTITIAL: Final = "interstitial"
"""Label of sites that lie on none of the host's positions."""

HOST_RADIUS_ANG: Final = 1.2
"""Largest distance of a maximum from the host's position that it is named after; at most a third of the distance
between two such positions."""

MAX_STRAIN: Final = 0.15
"""Largest strain between the host's cell and the simulated one."""

MAX_MISFIT_ANG: Final = 1.0
"""Largest median distance between the atoms of the two frameworks."""

SMOOTHING_ANG: Final = 0.3
"""Width of the Gaussian that the density is smoothed with before it is climbed."""

CORE_SHARE: Final = 0.3
"""An ion has arrived on a site where the density is at least this share of the site's maximum."""


@dataclass(frozen=True, eq=False)
class HostSites:
    """Positions of the mobile ion in the host.

    Attributes
    ----------
    fractional : (n_sites, 3)
        Fractional coordinates.
    labels
        Wyckoff position of each, such as "4g"; "4g(2)" for a second kind with the same letter.
    lattice_ang : (3, 3)
        Rows are the host's cell vectors.
    repeats
        How often the simulated cell repeats that of the host.
    framework_centre_ang : (3,)
        Mass-weighted centre of the framework in the simulated cell while it rests; where it is in the first frame if
        not given.
    """

    fractional: NDArray[np.float64]
    labels: tuple[str, ...]
    lattice_ang: NDArray[np.float64]
    repeats: tuple[int, int, int] = (1, 1, 1)
    framework_centre_ang: NDArray[np.float64] | None = None

    def nearest(
        self, fractional: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Nearest position of each point: its index, the cell it lies in, and the distance in Å."""
        cells = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        home = np.floor(fractional)
        all_sites = (np.mod(self.fractional, 1.0)[:, None] + cells).reshape(-1, 3)
        vectors = (all_sites[None] - (fractional - home)[:, None]) @ self.lattice_ang
        distance = np.linalg.norm(vectors, axis=-1)
        best = distance.argmin(axis=1)
        image = cells[best % len(cells)] + home.astype(np.intp)
        return best // len(cells), image, distance[np.arange(len(fractional)), best]

    @property
    def radius_ang(self) -> float:
        """How far a maximum may lie from a position that it is named after."""
        if len(self.fractional) < 2:
            return HOST_RADIUS_ANG
        difference = self.fractional[:, None] - self.fractional
        difference -= np.round(difference)
        distance = np.linalg.norm(difference @ self.lattice_ang, axis=-1)
        return min(HOST_RADIUS_ANG, float(distance[distance > 0.1].min(initial=10.0)) / 3)


def host_sites(host: Structure, mobile: str, symprec: float = 0.05) -> HostSites:
    """Wyckoff positions of the mobile ion in its host.

    Parameters
    ----------
    host
        Structure with all positions of the mobile ion, partly filled or not. Sites of the same species, or of the same
        site property ``sublattice``, count as alike.
    mobile
        Element of the mobile ion.
    symprec
        Tolerance for the symmetry, Å.

    Raises
    ------
    StructureError
        If the host has no such ion.
    """
    import spglib

    holds = np.array([any(one.symbol == mobile for one in site.species) for site in host])
    if not holds.any():
        raise StructureError(f"the host {host.composition.formula} has no site with {mobile}")
    names = host.site_properties.get("sublattice") or [site.species_string for site in host]
    kinds = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    cell = (host.lattice.matrix.tolist(), host.frac_coords.tolist(), [kinds[name] for name in names])
    dataset = spglib.get_symmetry_dataset(cell, symprec=symprec)
    if dataset is None:
        labels = [mobile] * int(holds.sum())
    else:
        labels = _wyckoff_labels(dataset, np.flatnonzero(holds), len(host))
    return HostSites(host.frac_coords[holds], tuple(labels), host.lattice.matrix)


def _wyckoff_labels(dataset: object, chosen: NDArray[np.intp], n_atoms: int) -> list[str]:
    """Multiplicity in the standard cell and Wyckoff letter of each chosen site."""
    orbits = np.asarray(dataset.crystallographic_orbits)  # type: ignore[attr-defined]
    letters = list(dataset.wyckoffs)  # type: ignore[attr-defined]
    scale = len(dataset.std_types) / n_atoms  # type: ignore[attr-defined]
    named: dict[int, str] = {}
    for orbit in dict.fromkeys(orbits[chosen].tolist()):
        name = f"{round(int((orbits == orbit).sum()) * scale)}{letters[orbit]}"
        taken = sum(other.split("(")[0] == name for other in named.values())
        named[orbit] = f"{name}({taken + 1})" if taken else name
    return [named[orbits[i]] for i in chosen.tolist()]


def place_host(host: Structure, simulated: Structure, mobile: str) -> HostSites:
    """Sites of the host in a simulated cell that repeats it, in the frame in which the simulated framework rests.

    The simulated cell may be strained against the host, and shifted as a whole.

    Raises
    ------
    StructureError
        If the simulated cell is no repetition of the host's along its axes, or the frameworks do not match.
    """
    ratio = simulated.lattice.matrix @ np.linalg.inv(host.lattice.matrix)
    repeats = np.round(np.diag(ratio)).astype(int)
    if (repeats < 1).any() or np.abs(ratio - np.diag(repeats)).max() > MAX_STRAIN * repeats.max():
        raise StructureError(
            f"the simulated cell {np.round(simulated.lattice.abc, 2).tolist()} Å does not repeat the host's "
            f"{np.round(host.lattice.abc, 2).tolist()} Å along its axes; give the host in the setting of the simulation"
        )
    cell = simulated.lattice.matrix / repeats[:, None]
    still = np.array([site.specie.symbol != mobile for site in simulated])
    masses = np.array([float(site.specie.atomic_mass) for site in simulated]) * still
    frame = np.array([not any(one.symbol == mobile for one in site.species) for site in host])
    centre, sites = None, host_sites(host, mobile)
    if still.any() and frame.any():
        fractional = simulated.cart_coords[still] @ np.linalg.inv(cell)
        anchors = HostSites(host.frac_coords[frame], ("",) * int(frame.sum()), cell)
        index, image, distance = anchors.nearest(fractional)
        if np.median(distance) > MAX_MISFIT_ANG:
            raise StructureError(
                f"the framework lies {np.median(distance):.2f} Å from the host's, more than {MAX_MISFIT_ANG} Å: "
                "give the host with the simulation's origin"
            )
        shift = np.median(fractional - np.mod(anchors.fractional[index], 1.0) - image, axis=0) @ cell
        centre = masses @ simulated.cart_coords / masses.sum() - shift
    folds = (int(repeats[0]), int(repeats[1]), int(repeats[2]))
    return HostSites(sites.fractional, sites.labels, cell, folds, centre)


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites that the ions use.

    Attributes
    ----------
    labels
        Wyckoff position of the host, or "interstitial".
    fractional : (n_sites, 3)
        Maximum of the density.
    occupancy : (n_sites,)
        Ions in the basin, in the mean.
    landscape
        Basins and saddles behind them.
    core : (n_voxels,)
        Whether an ion there has arrived on the voxel's site.
    unvisited
        Labels of host positions that no maximum lies on, one for each.
    """

    labels: tuple[str, ...]
    fractional: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    landscape: Landscape
    core: NDArray[np.bool_]
    unvisited: tuple[str, ...]


def find_sites(density: ProbabilityDensity, host: HostSites, smoothing_ang: float = SMOOTHING_ANG) -> Sites:
    """Divide a density into sites and name them.

    Parameters
    ----------
    density
        Density on the host's cell.
    host
        Positions of the mobile ion in the host, in the same cell and setting.
    smoothing_ang
        Width of the Gaussian that the density is smoothed with.
    """
    smooth = density.smoothed_per_ang3(smoothing_ang)
    rough = find_basins(smooth)
    index, image, distance = host.nearest(rough.peak_fractional)
    groups = np.column_stack([np.where(distance <= host.radius_ang, index, -1), image])
    landscape = merge_basins(rough, groups, _occupancy(rough, density))
    index, _, distance = host.nearest(landscape.peak_fractional)
    on_host = distance <= host.radius_ang
    labels = tuple(host.labels[i] if on else INTERSTITIAL for i, on in zip(index, on_host, strict=True))
    limit = CORE_SHARE * landscape.peak_density
    core = (landscape.basin >= 0) & (landscape.density >= np.append(limit, np.inf)[landscape.basin])
    missed = sorted(set(range(len(host.labels))) - set(index[on_host].tolist()))
    return Sites(
        labels,
        landscape.peak_fractional,
        _occupancy(landscape, density),
        landscape,
        core,
        tuple(host.labels[i] for i in missed),
    )


def _occupancy(landscape: Landscape, density: ProbabilityDensity) -> NDArray[np.float64]:
    known = landscape.basin >= 0
    amount = landscape.density[known] * density.voxel_ang3
    return np.bincount(landscape.basin[known], weights=amount, minlength=landscape.n_basins).astype(np.float64)
