"""How the ions move at one temperature: density, sites, jumps and percolating paths, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from disolyte.diffusion.density import ProbabilityDensity, probability_density
from disolyte.diffusion.displacements import check_trajectory
from disolyte.diffusion.hopping import Concert, JumpRate, Passage, Residence, concert, jump_rates, passages, residences
from disolyte.diffusion.jumps import Jumps, find_jumps
from disolyte.diffusion.percolation import PercolatingPath, percolating_paths
from disolyte.diffusion.sites import INTERSTITIAL, SMOOTHING_ANG, HostSites, Sites, find_sites
from disolyte.errors import TransportError


@dataclass(frozen=True, eq=False)
class Mechanism:
    """Everything about the motion of the ions at one temperature.

    Attributes
    ----------
    density, sites, jumps
        Density on the host's cell, the sites in it, and the jumps between them.
    rates, residences
        Jump matrix between labels, and stays.
    concert
        Jumps close in time and space.
    hub, passages
        Kind of site that ways are counted from and to, and the ways; none if there is no such site.
    paths
        Percolating path along each axis that has one.
    """

    density: ProbabilityDensity
    sites: Sites
    jumps: Jumps
    rates: list[JumpRate]
    residences: list[Residence]
    concert: Concert
    hub: str | None
    passages: list[Passage]
    paths: list[PercolatingPath]


def analyse_mechanism(
    positions_ang: ArrayLike | Sequence[NDArray[Any]],
    species: Sequence[object],
    lattice_ang: ArrayLike,
    host: HostSites,
    *,
    mobile: str,
    frame_interval_fs: float,
    temperature_k: float,
    hub: str | None = None,
    seed: int = 0,
) -> Mechanism:
    """Sites, jumps and paths of the mobile ion.

    Parameters
    ----------
    positions_ang : (n_frames, n_atoms, 3)
        Unwrapped positions, equilibration cut off. A list stands for several runs of the same cell.
    species : (n_atoms,)
        Element of each atom.
    lattice_ang : (3, 3)
        Rows are the vectors of the simulated cell.
    host
        Positions of the mobile ion in the host, how often the simulated cell repeats it, and where it rests.
    mobile
        Element of the mobile ion.
    frame_interval_fs, temperature_k
        Time between frames, and temperature.
    hub
        Kind of site between whose visits ways are counted; the host's label with the most jumps to its own kind if not
        given.
    seed
        Seed of resampling.

    Raises
    ------
    TransportError
        As :func:`~disolyte.diffusion.analyse_displacements`; if the host has no site called ``hub``.
    """
    if hub is not None and hub not in host.labels:
        raise TransportError(f"hub {hub!r} is no position of the host, which has {', '.join(sorted(set(host.labels)))}")
    arrays = list(positions_ang) if isinstance(positions_ang, list | tuple) else [np.asarray(positions_ang)]
    density = probability_density(
        arrays,
        species,
        lattice_ang,
        mobile=mobile,
        fold=host.repeats,
        framework_centre_ang=host.framework_centre_ang,
    )
    sites = find_sites(density, host)
    runs = [check_trajectory(array, species, lattice_ang, mobile) for array in arrays]
    jumps = find_jumps(runs, sites, density, frame_interval_fs, host.framework_centre_ang)
    hub = hub or _busiest(jumps)
    return Mechanism(
        density,
        sites,
        jumps,
        jump_rates(jumps),
        residences(jumps, sites.occupancy),
        concert(jumps, jumps.ends_ang(sites, density.lattice_ang), np.asarray(lattice_ang, dtype=np.float64), seed),
        hub,
        passages(jumps, hub, seed) if hub else [],
        percolating_paths(sites.landscape, _without_blocks(density), _visits(density), temperature_k),
    )


def _busiest(jumps: Jumps) -> str | None:
    """Host label with the most jumps to its own kind."""
    host = jumps.without_interstitials()
    own = [host.labels[a] for a, b in zip(host.start, host.end, strict=True) if host.labels[a] == host.labels[b]]
    names = sorted({label for label in jumps.labels if label != INTERSTITIAL})
    return max(names, key=own.count) if names else None


def _without_blocks(density: ProbabilityDensity) -> NDArray[np.float64]:
    """Smoothed density without each block of time, shape (n_blocks, n_voxels)."""
    n = len(density.counts)
    return np.stack([density.smoothed_per_ang3(SMOOTHING_ANG, np.arange(n) != b).ravel() for b in range(n)])


def _visits(density: ProbabilityDensity) -> NDArray[np.float64]:
    """Visits within the smoothing's width of each voxel, shape (n_voxels,)."""
    steps = np.linalg.norm(density.lattice_ang, axis=1) / density.dims
    size = np.maximum(1, np.round(2 * SMOOTHING_ANG / steps).astype(int))
    total = density.counts.sum(axis=0).astype(np.float64)
    return ndimage.uniform_filter(total, size, mode="wrap").ravel() * float(np.prod(size))
