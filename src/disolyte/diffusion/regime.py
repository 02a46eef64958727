r"""Straight-line fits by generalised least squares, and the lag from which the motion is diffusive.

A crystal's MSD is steep while an ion rattles, flat while it returns, and a straight line once it has forgotten
where it came from. The fit may use the last part alone, and its precision is set by how early that part begins. So
lines are fitted from several starts, from short to long, and :mod:`disolyte.diffusion.memory` weighs what their slopes
say about the memory that is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from disolyte.diffusion.covariance import MotionModel, WindowOverlaps
from disolyte.diffusion.memory import Turning, weigh_memories

SLOPE_TOLERANCE: Final = 0.25
"""Largest distance from 1 of the local slope in the middle of the window."""

MAX_BEND: Final = 0.5
"""Largest bend of the MSD, in standard errors of the slope, from where on it counts as straight."""

MIN_START_FS: Final = 60.0
"""No window starts earlier: below, atoms fly and turn back. Very short runs start at 1/32 of their length instead."""

MIN_WINDOW_FS: Final = 500.0
"""The window of what is not corrected for memory (tensor, collective motion, blocks) starts no earlier than this or
1/32 of the run: the framework's centre rattles, which counts once per ion in the collective motion."""

VIBRATION_FS: Final = 100.0
"""Longest memory of vibrations, the framework's among them. How much of these an MSD holds is left open."""

MIN_SPAN: Final = 4
"""The window reaches at least from t to this multiple of t."""

N_STARTS: Final = 12
"""Starts that are tried."""

N_ROUNDS: Final = 2
"""The covariance depends on the slope that it helps to find."""


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
    """The slope with its error, and where the MSD is straight.

    Attributes
    ----------
    fit
        Line from the first start on at which what is left of memory is small against the error.
    slope_ang2, slope_std_ang2
        Slope per frame and its standard error, averaged over what memory the data allow.
    is_diffusive
        Whether there is such a start, and the local slope is near 1.
    local_slope
        Slope of ln MSD against ln t in the middle of the window.
    """

    fit: LineFit
    slope_ang2: float
    slope_std_ang2: float
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


def choose_window(
    statistics: MsdStatistics,
    overlaps: WindowOverlaps,
    frame_interval_fs: float,
    jump_length_ang: float,
    turning: Turning,
) -> Window:
    """Fit lines from several starts on, weigh what memory they show, and find where the MSD is straight."""
    lags = statistics.lags
    last = int(np.searchsorted(lags, lags[-1] / MIN_SPAN, side="right")) - 1
    first, earliest = (
        min(int(np.searchsorted(lags, min(time_fs / frame_interval_fs, lags[-1] / 16))), last)
        for time_fs in (MIN_START_FS, MIN_WINDOW_FS)
    )
    starts = np.linspace(first, last, min(N_STARTS, last - first + 1)).round().astype(int)
    starts = np.unique(np.append(starts, earliest))
    floor = float(0.05 * statistics.msd_ang2[-1] / lags[-1])
    rough = (statistics.msd_ang2[-1] - statistics.msd_ang2[last]) / (lags[-1] - lags[last])
    slope, reference = float(rough), (first + last) // 2
    for _ in range(N_ROUNDS):
        fits = [fit_window(statistics, overlaps, int(start), max(slope, floor)) for start in starts]
        motion = describe_motion(statistics, overlaps, reference, max(slope, floor))
        weights = np.stack([fit.weights for fit in fits])
        covariance = weights @ overlaps.covariance_ang4(motion) @ weights.T
        slopes = np.array([fit.slope_ang2 for fit in fits])
        posterior = weigh_memories(
            slopes, covariance, weights, lags, first, jump_length_ang, turning, VIBRATION_FS / frame_interval_fs
        )
        straight = (posterior.bias_ang2 <= MAX_BEND * posterior.std_ang2) & (starts >= earliest)
        chosen = int(np.argmax(straight)) if straight.any() else len(fits) - 1
        slope, reference = posterior.slope_ang2, fits[chosen].start
    middle = _middle_slope(fits[chosen], lags)
    is_diffusive = bool(straight.any()) and abs(middle - 1.0) <= SLOPE_TOLERANCE
    return Window(fits[chosen], posterior.slope_ang2, posterior.std_ang2, is_diffusive, middle)


def local_slope(fit: LineFit, lag: float) -> float:
    """Slope of ln MSD against ln t of a fitted line at ``lag``."""
    value = fit.offset_ang2 + fit.slope_ang2 * lag
    return fit.slope_ang2 * lag / value if value > 0 else float("inf")


def _middle_slope(fit: LineFit, lags: NDArray[np.intp]) -> float:
    return local_slope(fit, float(np.sqrt(lags[fit.start] * lags[-1])))
