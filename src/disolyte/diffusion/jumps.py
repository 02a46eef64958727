"""Jumps of the mobile ions between sites: who went where, when, and what follows from it.

An ion is on the site whose core it visited last; crossing a border and turning back is no jump. Sites are told apart
cell by cell, so that a jump from a site to its own image counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.diffusion.density import ProbabilityDensity
from disolyte.diffusion.displacements import Trajectory
from disolyte.diffusion.sites import INTERSTITIAL, Sites

_CELLS: Final = 1 << 12
"""Cells along each axis that the code of a state can tell apart."""


@dataclass(frozen=True, eq=False)
class Jumps:
    """Jumps of all ions in all runs, by ion and time.

    Attributes
    ----------
    ion : (n_jumps,)
        Number of the ion; those of different runs differ.
    frame : (n_jumps,)
        Frame in which it arrived.
    start, end : (n_jumps,)
        Sites.
    cell : (n_jumps, 3)
        Cell of the old site.
    shift : (n_jumps, 3)
        Cell of the new site relative to that of the old one.
    frames_on_site : (n_ions, n_sites)
        Frames that each ion spent on each site, in whatever cell.
    n_frames
        Frames of each run.
    labels
        Label of each site.
    frame_interval_fs
        Time between frames.
    """

    ion: NDArray[np.intp]
    frame: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    cell: NDArray[np.intp]
    shift: NDArray[np.intp]
    frames_on_site: NDArray[np.int64]
    n_frames: int
    labels: tuple[str, ...]
    frame_interval_fs: float

    @property
    def n_ions(self) -> int:
        """Ions of all runs."""
        return len(self.frames_on_site)

    @property
    def time_ps(self) -> float:
        """Length of a run."""
        return self.n_frames * self.frame_interval_fs / 1000

    @classmethod
    def from_table(
        cls,
        table: NDArray[np.intp],
        frames_on_site: NDArray[np.int64],
        n_frames: int,
        labels: tuple[str, ...],
        frame_interval_fs: float,
    ) -> Jumps:
        """Jumps from rows of ion, frame, start, end, cell (3) and shift (3), sorted by ion and frame."""
        rows = table[np.lexsort((table[:, 1], table[:, 0]))]
        columns = (rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4:7], rows[:, 7:])
        return cls(*columns, frames_on_site, n_frames, labels, frame_interval_fs)

    def ends_ang(self, sites: Sites, lattice_ang: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where each jump starts and ends, shape (n_jumps, 2, 3)."""
        start = sites.fractional[self.start] + self.cell
        end = sites.fractional[self.end] + self.cell + self.shift
        return np.stack([start, end], axis=1) @ lattice_ang

    def without_interstitials(self) -> Jumps:
        """Jumps between the host's positions alone: what lies between two of them is passed through."""
        is_host = np.array([label != INTERSTITIAL for label in self.labels], dtype=bool)
        rows = [np.zeros((0, 10), dtype=np.intp)]
        for ion in np.unique(self.ion):
            mine = np.flatnonzero(self.ion == ion)
            visited = np.concatenate([self.start[mine[:1]], self.end[mine]])
            cells = np.concatenate([self.cell[mine[:1]], self.cell[mine] + self.shift[mine]])
            frames = np.concatenate([[0], self.frame[mine]])
            at = np.flatnonzero(is_host[visited])
            start, end = at[:-1], at[1:]
            shift = cells[end] - cells[start]
            moved = (visited[start] != visited[end]) | shift.any(axis=1)
            who = np.full(len(start), ion)
            row = np.column_stack([who, frames[end], visited[start], visited[end], cells[start], shift])
            rows.append(row[moved])
        table = np.concatenate(rows)
        return Jumps.from_table(table, self.frames_on_site, self.n_frames, self.labels, self.frame_interval_fs)


def find_jumps(
    runs: Sequence[Trajectory],
    sites: Sites,
    density: ProbabilityDensity,
    frame_interval_fs: float,
    framework_centre_ang: NDArray[np.float64] | None = None,
) -> Jumps:
    """Follow every ion from core to core, in one pass over each run.

    Parameters
    ----------
    runs
        Runs of the same cell; frames beyond the shortest one's are left out.
    sites, density
        Sites, and the density they were found in.
    frame_interval_fs
        Time between frames.
    framework_centre_ang : (3,)
        As for the density.
    """
    inverse = np.linalg.inv(density.lattice_ang)
    n_frames = min(run.n_frames for run in runs)
    tables, on_site, first_ion = [], [], 0
    for run in runs:
        n_ions = len(run.mobile)
        last, seen = np.full(n_ions, -1, dtype=np.int64), np.zeros((n_ions, len(sites.labels)), dtype=np.int64)
        for start, rows in run.iter_mobile_ang(framework_centre_ang):
            states = _arrivals(rows[: max(n_frames - start, 0)] @ inverse, sites, density)
            if not len(states):
                continue
            _carry(states, last)
            before = np.concatenate([last[None], states[:-1]])
            frame, ion = np.nonzero((states != before) & (before >= 0))
            tables.append(_decoded(ion + first_ion, frame + start, before[frame, ion], states[frame, ion], sites))
            known = states >= 0
            who = np.broadcast_to(np.arange(n_ions), states.shape)[known]
            np.add.at(seen, (who, states[known] % len(sites.labels)), 1)
            last = states[-1].copy()
        on_site.append(seen)
        first_ion += n_ions
    table = np.concatenate([np.zeros((0, 10), dtype=np.intp), *tables])
    return Jumps.from_table(table, np.concatenate(on_site), n_frames, sites.labels, frame_interval_fs)


def _arrivals(fractional: NDArray[np.float64], sites: Sites, density: ProbabilityDensity) -> NDArray[np.int64]:
    """Code of the site and cell in whose core each ion is; -1 on the way. Shape (n_rows, n_ions)."""
    voxel = density.voxel_of(fractional)
    cell = np.floor(np.floor(fractional * density.dims) / density.dims).astype(np.int64) + sites.landscape.image[voxel]
    cell += _CELLS // 2
    code = ((cell[..., 0] * _CELLS + cell[..., 1]) * _CELLS + cell[..., 2]) * len(sites.labels)
    return np.where(sites.core[voxel], code + sites.landscape.basin[voxel], -1)


def _carry(states: NDArray[np.int64], last: NDArray[np.int64]) -> None:
    """Fill what lies between two arrivals with the site that was left, in place."""
    states[0] = np.where(states[0] < 0, last, states[0])
    known = np.where(states >= 0, np.arange(len(states))[:, None], 0)
    states[:] = np.take_along_axis(states, np.maximum.accumulate(known, axis=0), axis=0)


def _decoded(
    ion: NDArray[np.intp], frame: NDArray[np.intp], before: NDArray[np.int64], after: NDArray[np.int64], sites: Sites
) -> NDArray[np.intp]:
    n = len(sites.labels)

    def cell(code: NDArray[np.int64]) -> NDArray[np.int64]:
        flat = code // n
        return np.stack([flat // _CELLS**2, flat // _CELLS % _CELLS, flat % _CELLS], axis=1) - _CELLS // 2

    left = cell(before)
    return np.column_stack([ion, frame, before % n, after % n, left, cell(after) - left]).astype(np.intp)
