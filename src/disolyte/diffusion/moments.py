"""One pass over one or several runs of the same cell: everything that the estimators need, in small arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from disolyte.diffusion.displacements import Trajectory
from disolyte.diffusion.memory import Turning
from disolyte.diffusion.msd import block_msd, choose_lags, collective_series, fourth_moment, msd_components
from disolyte.diffusion.regime import MsdStatistics

SITE_AVERAGE_FS = 1000.0
"""Positions are averaged over this time before they are asked which site an ion is on."""

TURNING_AVERAGE_FS = 400.0
"""The same, where it is asked whether ions return: shorter, so that fast returns are seen."""

TINY_ANG2 = 1e-12
"""Least MSD per frame."""

CORRELATION_FS = 2000.0
"""Time over which displacements of two ions are compared."""

FRAMEWORK_FRAMES = 2000
"""Frames of the framework that are looked at."""


@dataclass(frozen=True)
class Moments:
    """Statistics of all runs. Ions of different runs are independent walkers.

    Attributes
    ----------
    lags : (n_lags,)
        Frames.
    components_ang2 : (n_walkers, 6, n_lags)
        MSD tensor of each mobile ion of each run.
    collective_ang2 : (n_runs, 6, n_lags)
        MSD tensor of the sum of all displacements of a run, per ion.
    coarse_lags, fourth_ang4 : (n_coarse,)
        Mean fourth power of the displacement at a few lags.
    n_jumps : (n_walkers,)
        Changes of site.
    turning
        How ions turn from one change of site to the next.
    n_independent
        Walkers that would scatter as much if none moved together.
    framework_lags, framework_ang2
        Lags in frames, and the MSD per element of the framework.
    n_frames, n_runs
        Frames of each run, and runs.
    """

    lags: NDArray[np.intp]
    components_ang2: NDArray[np.float64]
    collective_ang2: NDArray[np.float64]
    coarse_lags: NDArray[np.intp]
    fourth_ang4: NDArray[np.float64]
    n_jumps: NDArray[np.intp]
    turning: Turning
    n_independent: float
    framework_lags: NDArray[np.intp]
    framework_ang2: dict[str, NDArray[np.float64]]
    n_frames: int
    n_runs: int

    @property
    def msd_ang2(self) -> NDArray[np.float64]:
        """Tracer MSD at the lags."""
        return self.components_ang2[:, :3].sum(axis=1).mean(axis=0)

    @property
    def n_ions(self) -> int:
        """Mobile ions of one cell."""
        return len(self.components_ang2) // self.n_runs

    def statistics(self) -> MsdStatistics:
        """The tracer MSD as the fits need it."""
        # Ions that do not move at all get an MSD far below that of any atom, so that nothing divides by zero.
        msd, tensor = np.maximum(self.msd_ang2, TINY_ANG2 * self.lags), self.components_ang2.mean(axis=0)
        squares = (tensor[:3] ** 2).sum(axis=0) + 2 * (tensor[3:] ** 2).sum(axis=0)
        dimension = float(np.clip(np.median(msd**2 / np.maximum(squares, msd**2 / 3)), 1.0, 3.0))
        coarse = msd[np.searchsorted(self.lags, self.coarse_lags)]
        excess = (self.fourth_ang4 - (1 + 2 / dimension) * coarse**2) / coarse
        smooth = np.interp(np.log(self.lags), np.log(self.coarse_lags), excess)
        seen = [smooth[(self.lags >= lag) & (self.lags <= 3 * lag)] for lag in self.lags]
        kurtosis = np.array([max(float(np.median(values)), 0.0) for values in seen])
        return MsdStatistics(self.lags, msd, kurtosis, self.n_independent, dimension)


def collect_moments(runs: Sequence[Trajectory], frame_interval_fs: float, jump_length_ang: float) -> Moments:
    """Read each run once and keep its moments.

    Parameters
    ----------
    runs
        Runs of the same cell; frames beyond the shortest one's are left out.
    frame_interval_fs
        Time between frames.
    jump_length_ang
        Distance between neighbouring sites, a.
    """
    n_frames = min(run.n_frames for run in runs)
    lags = choose_lags(n_frames)
    coarse = lags[::6]
    segment, turn_segment = (
        int(np.clip(round(time_fs / frame_interval_fs), 1, n_frames // 8))
        for time_fs in (SITE_AVERAGE_FS, TURNING_AVERAGE_FS)
    )
    together = int(np.clip(round(CORRELATION_FS / frame_interval_fs), 1, n_frames // 8))
    together = max(together, n_frames // 4000)
    components, collective, fourth, jumps, turns, squares = [], [], [], [], [], 0.0
    for run in runs:
        total, coarse_series = np.zeros((3, n_frames)), []
        for chunk in run.iter_series_ang(run.mobile):
            series = chunk[..., :n_frames]
            components.append(msd_components(series, lags))
            fourth.append(fourth_moment(series, coarse) * len(series))
            jumps.append(site_changes(series, segment, jump_length_ang).n_jumps)
            turns.append(site_changes(series, turn_segment, jump_length_ang))
            # A copy, for a view would keep every chunk in memory.
            coarse_series.append(series[..., ::together].copy())
            total += collective_series([series])
        squares += sum_squared_correlations(np.diff(np.concatenate(coarse_series), axis=-1))
        collective.append(msd_components(total[None], lags)[0] / len(run.mobile))
    walkers = np.concatenate(components)
    framework_lags, framework = framework_msd(runs, n_frames)
    return Moments(
        lags,
        walkers,
        np.stack(collective),
        coarse,
        np.sum(fourth, axis=0) / len(walkers),
        np.concatenate(jumps),
        _pooled(turns),
        len(walkers) ** 2 / squares,
        framework_lags,
        framework,
        n_frames,
        len(runs),
    )


@dataclass(frozen=True)
class SiteChanges:
    """Changes of site of each ion, shape (n_ions,), and how ions turn between them."""

    n_jumps: NDArray[np.intp]
    turning: Turning


def site_changes(series_ang: NDArray[np.float64], segment: int, jump_length_ang: float) -> SiteChanges:
    """Find the changes of site of each ion: its position, averaged over ``segment`` frames, moved by more than a/2.

    An ion that returns changes twice. Where an ion is caught between two sites, its average over the next stretch
    tells which one it went to, unless it is back by then.
    """
    n_ions, _, n_frames = series_ang.shape
    n_segments = n_frames // segment
    means = series_ang[..., : n_segments * segment].reshape(n_ions, 3, n_segments, segment).mean(axis=-1)
    site, before = means[..., 0].copy(), np.zeros((n_ions, 3))
    jumps, cosines = np.zeros(n_ions, dtype=np.intp), []
    for k in range(1, n_segments):
        step = means[..., k] - site
        length = np.linalg.norm(step, axis=1)
        moved = np.flatnonzero(length > jump_length_ang / 2)
        arrived = means[moved, :, min(k + 1, n_segments - 1)] - site[moved]
        is_back = np.linalg.norm(arrived, axis=1) <= jump_length_ang / 2
        arrived[is_back] = step[moved[is_back]]
        unit = arrived / np.linalg.norm(arrived, axis=1, keepdims=True)
        cosines.append((unit * before[moved]).sum(axis=1)[jumps[moved] > 0])
        before[moved] = unit
        jumps[moved] += 1
        site[moved] += arrived
    turns = np.concatenate([np.zeros(0), *cosines])
    mean = float(turns.mean()) if len(turns) else 0.0
    return SiteChanges(jumps, Turning(mean, len(turns), float(jumps.mean()) / n_frames))


def _pooled(changes: Sequence[SiteChanges]) -> Turning:
    n_turns = sum(one.turning.n_turns for one in changes)
    mean = sum(one.turning.mean_cosine * one.turning.n_turns for one in changes) / max(n_turns, 1)
    rate = sum(one.turning.rate_per_frame * len(one.n_jumps) for one in changes) / sum(
        len(one.n_jumps) for one in changes
    )
    return Turning(mean, n_turns, rate)


def sum_squared_correlations(steps_ang: NDArray[np.float64]) -> float:
    """Sum over all pairs of ions, each with itself too, of the squared correlation of their displacements.

    N for N independent ions, N² for ions that move as one. The squares that chance alone makes are taken off, and what
    is left counts if it is beyond chance.

    Parameters
    ----------
    steps_ang : (n_ions, 3, n_steps)
        Displacements over successive stretches of time.
    """
    n_ions = len(steps_ang)
    rows = steps_ang.reshape(n_ions, -1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(norms > 0, norms, 1.0)
    pairs = float(((unit @ unit.T) ** 2).sum() - ((unit**2).sum(axis=1) ** 2).sum())
    chance = n_ions * (n_ions - 1) / rows.shape[1]
    excess = pairs - chance
    noise = 2.0 * np.sqrt(n_ions * (n_ions - 1)) / rows.shape[1]
    return n_ions + (excess if excess > 2.0 * noise else 0.0)


def framework_msd(runs: Sequence[Trajectory], n_frames: int) -> tuple[NDArray[np.intp], dict[str, NDArray[np.float64]]]:
    """MSD of each element of the framework over at most 2000 frames; the larger one of several runs."""
    stride = max(1, n_frames // FRAMEWORK_FRAMES)
    lags = choose_lags(-(-n_frames // stride), 40)
    result: dict[str, NDArray[np.float64]] = {}
    for run in runs:
        symbols = np.array(run.symbols)
        for element in sorted({run.symbols[i] for i in run.framework}):
            atoms = np.flatnonzero(symbols == element)
            chunks = run.iter_series_ang(atoms, stride)
            rows = [msd_components(chunk[..., : -(-n_frames // stride)], lags)[:, :3].sum(axis=1) for chunk in chunks]
            msd = np.concatenate(rows).mean(axis=0)
            if element not in result or msd[-1] > result[element][-1]:
                result[element] = msd
    return lags * stride, result


def collect_blocks(
    runs: Sequence[Trajectory], n_frames: int, n_blocks: int, lags: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Tracer MSD of each ion in each block of its run, shape (n_blocks, n_walkers, n_lags), Å²."""
    pieces = [
        block_msd(chunk[..., :n_frames], n_blocks, lags) for run in runs for chunk in run.iter_series_ang(run.mobile)
    ]
    return np.concatenate(pieces, axis=1)
