r"""Straight-line fits by generalised least squares, and the lag from which the motion is diffusive.

A crystal's MSD is steep while an ion rattles, flat while it returns, and a straight line once it has forgotten
where it came from. The fit may use the last part alone, and its precision is set by how early that part begins. So all
starts are tried, from short to long, and the first is taken from which on (1) the local slope of ln MSD against ln t is
near 1, and (2) the diffusivity no longer changes by more than its error when the start is put later (the rule of
Lepskii, Theory Probab. Appl. 35, 454 (1991), with the analytic covariance).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from disolyte.diffusion.covariance import MotionModel, WindowOverlaps

MIN_START_SLOPE: Final = 0.5
"""Least local slope where a window may start: the offset is at most half of the MSD. It is fitted along."""

SLOPE_TOLERANCE: Final = 0.25
"""Largest distance from 1 of the local slope in the middle of the window."""

STEADINESS: Final = 3.0
"""Largest change of the diffusivity with the window, in standard errors of the change."""

MEMORIES: Final = 4.0
"""Least start of a window, in decay times of the local motion: what is left of it then is below 2 %."""

SAFETY: Final = 2.0
"""Where there is local motion, the window starts this many times later than the tests of it ask."""

MIN_START_FS: Final = 500.0
"""No window starts earlier: atoms rattle, the framework's centre among them, for some tenths of a picosecond, and a
small bias from that cannot be told from noise. Very short runs start at 1/32 of their length instead."""

MIN_SPAN: Final = 4
"""The window reaches at least from t to this multiple of t."""

MAX_STARTS: Final = 40
"""Most starts that are tried."""


@dataclass(frozen=True)
class MsdStatistics:
    r"""What the fits need of an MSD averaged over walkers.

    Attributes
    ----------
    lags : (n_lags,)
        Lags, frames.
    msd_ang2 : (n_lags,)
        Mean squared displacement.
    kurtosis_length_ang2 : (n_lags,)
        :math:`a_\kappa^2` of :mod:`disolyte.diffusion.covariance`, seen from each lag on.
    n_walkers
        Number of independent walkers behind the mean.
    dimension
        Effective number of directions, (tr C)² / tr C².
    """

    lags: NDArray[np.intp]
    msd_ang2: NDArray[np.float64]
    kurtosis_length_ang2: NDArray[np.float64]
    n_walkers: float
    dimension: float


@dataclass(frozen=True)
class LineFit:
    """MSD = offset + slope · lag over one window.

    Attributes
    ----------
    start
        Index of the first lag of the window.
    slope_ang2, offset_ang2
        Per frame, and at lag 0.
    weights : (n_lags,)
        The slope is the weights' product with the MSD.
    slope_std_ang2
        Standard error of the slope by the analytic covariance.
    """

    start: int
    slope_ang2: float
    offset_ang2: float
    weights: NDArray[np.float64]
    slope_std_ang2: float


@dataclass(frozen=True)
class Window:
    """The chosen fit, and whether it starts in the diffusive regime."""

    fit: LineFit
    is_diffusive: bool
    local_slope: float


def gls_weights(lags: NDArray[np.intp], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear functionals of an MSD that give offset and slope, shape (2, n_lags)."""
    scale = np.sqrt(np.diag(covariance))
    design = np.stack([np.ones(len(lags)), lags.astype(np.float64)], axis=1)
    correlation = covariance / np.outer(scale, scale) + 1e-9 * np.eye(len(lags))
    solved = cho_solve(cho_factor(correlation), design / scale[:, None])
    return np.linalg.solve((design / scale[:, None]).T @ solved, solved.T) / scale


def describe_motion(statistics: MsdStatistics, overlaps: WindowOverlaps, start: int, slope_ang2: float) -> MotionModel:
    """Motion seen from lag ``start`` on, if the MSD has ``slope_ang2`` per frame there.

    What exceeds the line below ``start`` is local motion; how fast it saturates gives its memory.
    """
    lags, msd = statistics.lags[: start + 1], statistics.msd_ang2[: start + 1]
    excess = msd - slope_ang2 * lags
    motion = MotionModel(
        slope_ang2,
        float(statistics.kurtosis_length_ang2[start]),
        0.0,
        0.0,
        statistics.n_walkers,
        statistics.dimension,
    )
    offset = float(excess[-1])
    if offset <= 2.0 * np.sqrt(overlaps.variance_ang4(motion, start)):
        return motion
    memory = 0.0
    if start > 0:
        unsaturated = np.clip(1.0 - excess / offset, 0.0, 1.0)
        memory = float(np.trapezoid(unsaturated, lags)) + 0.5 * float(unsaturated[0])
    return replace(motion, offset_ang2=offset, memory_frames=memory)


def fit_window(statistics: MsdStatistics, overlaps: WindowOverlaps, start: int, slope_ang2: float) -> LineFit:
    """Generalised least-squares line from lag ``start`` on.

    Parameters
    ----------
    statistics
        The MSD.
    overlaps
        For the same lags.
    start
        Index of the first lag.
    slope_ang2
        Slope per frame that the covariance is evaluated with.
    """
    covariance = overlaps.covariance_ang4(describe_motion(statistics, overlaps, start, slope_ang2))
    inside = slice(start, None)
    parts = gls_weights(statistics.lags[inside], covariance[inside, inside])
    weights = np.zeros(len(statistics.lags))
    weights[inside] = parts[1]
    offset, slope = parts @ statistics.msd_ang2[inside]
    return LineFit(start, float(slope), float(offset), weights, float(np.sqrt(weights @ covariance @ weights)))


def choose_window(statistics: MsdStatistics, overlaps: WindowOverlaps, frame_interval_fs: float) -> Window:
    """First window that starts in the diffusive regime; the latest one if there is none."""
    lags, msd = statistics.lags, statistics.msd_ang2
    last = int(np.searchsorted(lags, lags[-1] / MIN_SPAN, side="right")) - 1
    earliest = min(MIN_START_FS / frame_interval_fs, lags[-1] / 16)
    first = min(int(np.searchsorted(lags, earliest)), last)
    starts = np.unique(np.linspace(first, last, min(MAX_STARTS, last - first + 1)).round().astype(int))
    floor = float(0.05 * msd[-1] / lags[-1])
    rough = max((msd[-1] - msd[last]) / (lags[-1] - lags[last]), floor)
    fits = [fit_window(statistics, overlaps, int(start), rough) for start in starts]
    fits = [fit_window(statistics, overlaps, fit.start, max(fit.slope_ang2, floor)) for fit in fits]
    for k, fit in enumerate(fits):
        motion = describe_motion(statistics, overlaps, fit.start, max(fit.slope_ang2, floor))
        covariance = overlaps.covariance_ang4(motion)
        if not (_has_started(fit, motion, lags) and all(_agree(fit, later, covariance) for later in fits[k + 1 :])):
            continue
        if motion.offset_ang2 > 0:
            later = int(np.searchsorted(lags, SAFETY * lags[fit.start]))
            chosen = fit_window(statistics, overlaps, min(later, last), max(fit.slope_ang2, floor))
        else:
            chosen = fit
        middle = _middle_slope(chosen, lags)
        return Window(chosen, abs(middle - 1.0) <= SLOPE_TOLERANCE, middle)
    return Window(fits[-1], is_diffusive=False, local_slope=_middle_slope(fits[-1], lags))


def local_slope(fit: LineFit, lag: float) -> float:
    """Slope of ln MSD against ln t of a fitted line at ``lag``."""
    value = fit.offset_ang2 + fit.slope_ang2 * lag
    return fit.slope_ang2 * lag / value if value > 0 else float("inf")


def _middle_slope(fit: LineFit, lags: NDArray[np.intp]) -> float:
    return local_slope(fit, float(np.sqrt(lags[fit.start] * lags[-1])))


def _has_started(fit: LineFit, motion: MotionModel, lags: NDArray[np.intp]) -> bool:
    start = float(lags[fit.start])
    slope_is_fair = MIN_START_SLOPE <= local_slope(fit, start) <= 2.0 - MIN_START_SLOPE
    return slope_is_fair and start >= MEMORIES * motion.memory_frames


def _agree(first: LineFit, second: LineFit, covariance: NDArray[np.float64]) -> bool:
    difference = first.weights - second.weights
    variance = float(difference @ covariance @ difference)
    return bool(abs(first.slope_ang2 - second.slope_ang2) <= STEADINESS * np.sqrt(max(variance, 0.0)))
