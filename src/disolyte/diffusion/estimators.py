"""Diffusivities in frame units with their errors: analytic, by bootstrap of ions and blocks, and by the plain line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from disolyte.diffusion.covariance import WindowOverlaps
from disolyte.diffusion.displacements import Trajectory
from disolyte.diffusion.moments import Moments, collect_blocks
from disolyte.diffusion.msd import choose_lags
from disolyte.diffusion.regime import LineFit, MsdStatistics, Window, describe_motion, fit_window

N_RESAMPLES: Final = 400
MAX_BLOCKS: Final = 10
MIN_BLOCKS: Final = 5
"""Fewest blocks whose scatter is used as an error."""


@dataclass(frozen=True)
class BootstrapEstimate:
    """Slope from blocks of the run, and its error by resampling ions and resampling blocks.

    Attributes
    ----------
    slope_ang2
        MSD per frame, mean over blocks and ions.
    std_ang2
        The larger of the two standard errors.
    n_units
        Ions or blocks behind that error.
    n_blocks
        Pieces that the run was cut into.
    """

    slope_ang2: float
    std_ang2: float
    n_units: int
    n_blocks: int


@dataclass(frozen=True)
class PlainLine:
    """The published recipe: an unweighted line through the MSD, error from the scatter about it."""

    slope_ang2: float
    std_ang2: float


def bootstrap(
    runs: Sequence[Trajectory], moments: Moments, statistics: MsdStatistics, fit: LineFit, seed: int
) -> BootstrapEstimate:
    """Estimate the slope a second time, from separate blocks of the run, with an error that assumes no model.

    Ions are resampled to see their scatter. Blocks of time are resampled, if there are at least five, to see ions that
    move together, which resampling ions cannot show.
    """
    start_lag = int(moments.lags[fit.start])
    n_blocks = int(np.clip(moments.n_frames // (8 * start_lag), 1, MAX_BLOCKS))
    length = moments.n_frames // n_blocks
    n_blocks = n_blocks if length >= 16 else 1
    if n_blocks == 1:
        slopes = (moments.components_ang2[:, :3].sum(axis=1) @ fit.weights)[None]
    else:
        lags = choose_lags(length, 60)
        lags = np.unique(np.concatenate([[start_lag], lags[lags > start_lag]]))
        msd = collect_blocks(runs, moments.n_frames, n_blocks, lags)
        kurtosis = np.full(len(lags), statistics.kurtosis_length_ang2[fit.start])
        local = MsdStatistics(lags, msd.mean(axis=(0, 1)), kurtosis, msd.shape[1], statistics.dimension)
        slope = max(fit.slope_ang2, 1e-3 * float(local.msd_ang2[0]) / start_lag)
        slopes = msd @ fit_window(local, WindowOverlaps.of(lags, length), 0, slope).weights
    rng = np.random.default_rng(seed)
    by_ion = _resampled_std(slopes.mean(axis=0), rng)
    by_block = _resampled_std(slopes.mean(axis=1), rng) if n_blocks >= MIN_BLOCKS else 0.0
    n_units = slopes.shape[1] if by_ion >= by_block else n_blocks
    return BootstrapEstimate(float(slopes.mean()), max(by_ion, by_block), n_units, n_blocks)


def _resampled_std(values: NDArray[np.float64], rng: np.random.Generator) -> float:
    n = len(values)
    if n < 2:
        return 0.0
    draws = rng.integers(0, n, size=(N_RESAMPLES, n))
    # A bootstrap of n values is too narrow by the factor (n-1)/n in variance.
    return float(values[draws].mean(axis=1).std() * np.sqrt(n / (n - 1)))


def choose_error(analytic_std: float, second: BootstrapEstimate) -> tuple[float, bool]:
    """Take the analytic error unless the bootstrap's is larger beyond chance (99 %); say whether they agree.

    Returns
    -------
    float
        Standard error.
    bool
        False if the bootstrap's error is beyond chance and more than twice the analytic one.
    """
    dof = second.n_units - 1
    if dof < 3 or second.std_ang2 <= analytic_std:
        return analytic_std, True
    limit = float(np.sqrt(stats.chi2.ppf(0.99, dof) / dof))
    if second.std_ang2 <= limit * analytic_std:
        return analytic_std, True
    return second.std_ang2, second.std_ang2 <= max(2.0, limit) * analytic_std


def interval(value: float, std: float) -> tuple[float, float]:
    """95 % interval of a mean square: that of a scaled χ² variable with the same relative error.

    A mean of squares cannot be negative, and is the less certain the larger it truly is, so that the interval reaches
    further up than down. For small errors it is the normal one.

    Examples
    --------
    >>> low, high = interval(1.0, 0.3)
    >>> round(low, 2), round(high, 2)
    (0.6, 2.0)
    """
    if value <= 0 or std > value:
        return max(0.0, value - 1.96 * std), max(0.0, value + 1.96 * std)
    dof = 2.0 * (value / std) ** 2 if std > 0 else np.inf
    if dof > 1e7:
        return value - 1.96 * std, value + 1.96 * std
    low, high = stats.chi2.ppf([0.975, 0.025], dof)
    return float(dof * value / low), float(dof * value / high)


def ratio_interval(ratio: float, first_relative: float, second_relative: float) -> tuple[float, float]:
    """95 % interval of the ratio of two mean squares, by the F distribution.

    Relative errors above √2 count as √2, a single degree of freedom: the interval then spans five decades as it is.
    """
    first, second = (2.0 / float(np.clip(r, 1e-4, np.sqrt(2.0))) ** 2 for r in (first_relative, second_relative))
    high, low = stats.f.ppf([0.975, 0.025], first, second)
    return float(ratio / high), float(ratio / low)


def collective_slope(
    moments: Moments, statistics: MsdStatistics, overlaps: WindowOverlaps, window: Window
) -> tuple[float, float]:
    """Slope per frame of the collective MSD per ion, and its standard error, over the window of the tracer MSD.

    One cell is one walker, which is why this error is so much larger than the tracer's. A slope below 1 % of the
    tracer's is noise and set to that.
    """
    fit = window.fit
    msd = moments.collective_ang2[:, :3].sum(axis=1).mean(axis=0)
    slope = max(float(fit.weights @ msd), 0.01 * abs(fit.slope_ang2))
    one = MsdStatistics(
        statistics.lags,
        msd,
        statistics.kurtosis_length_ang2 / moments.n_ions,
        moments.n_runs,
        statistics.dimension,
    )
    covariance = overlaps.covariance_ang4(describe_motion(one, overlaps, fit.start, slope))
    return slope, float(np.sqrt(fit.weights @ covariance @ fit.weights))


def plain_line(lags: NDArray[np.intp], msd_ang2: NDArray[np.float64]) -> PlainLine:
    """Unweighted line through the MSD at evenly spaced lags up to half of the run."""
    grid = np.linspace(lags[0], lags[-1], min(int(lags[-1]), 1000))
    fit = stats.linregress(grid, np.interp(grid, lags, msd_ang2))
    return PlainLine(float(fit.slope), float(fit.stderr))
