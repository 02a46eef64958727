r"""Whether a committee's spread says how wrong its mean is.

Suppose that on each frame the members scatter around some value with a standard deviation :math:`\sigma`, and that the
mean's error is drawn with :math:`c\,\sigma`, the same :math:`c` everywhere. Then, whatever the distribution of
:math:`\sigma` over the frames and however few the members,

.. math:: c^2 = \langle \epsilon^2 \rangle / \langle s^2 \rangle

with the errors :math:`\epsilon` and the spreads :math:`s`, since
:math:`\langle s^2 \rangle = \langle \sigma^2 \rangle`. That is the scale fitted here, on validation frames. The ratio
:math:`\epsilon / (c s)` has Student's distribution with as many degrees of freedom as the variance :math:`s^2` was
estimated from, N - 1 for the energies of N members: the intervals take their width from it, since those of a Gaussian
are too narrow for few members (compare the correction for small committees in Imbalzano et al., J. Chem. Phys. 154,
074102 (2021), doi:10.1063/5.0036522). Coverage on test frames shows how far the supposition holds.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import InputError
from disolyte.finetuning.committee.schema import Calibration, CoveragePoint, ErrorBin

NOMINAL: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6827, 0.8, 0.9, 0.95)
"""Nominal shares of the errors within an interval at which coverage is looked at."""
_MOST_BINS: Final = 10
_LEAST_PER_BIN: Final = 5


@dataclass(frozen=True)
class Scatter:
    """Spreads and signed errors of one quantity, element by element.

    Parameters
    ----------
    spreads
        Standard deviations over the members, shape (n,).
    errors
        Errors of the mean; shape (n, m) where m components share a spread.
    """

    spreads: NDArray[np.float64]
    errors: NDArray[np.float64]

    def check(self, name: str) -> None:
        """Refuse what no calibration can be made of.

        Raises
        ------
        InputError
            If there is nothing, something that is not finite, or no spread at all.
        """
        if not self.spreads.size:
            raise InputError(f"there are no {name} to calibrate on")
        if not (np.isfinite(self.spreads).all() and np.isfinite(self.errors).all()):
            raise InputError(f"the {name} hold values that are not finite; look at the labels and the members")
        if not (self.spreads > 0).any():
            raise InputError(f"all members agree to the last digit on the {name}: are they the same model?")


def fit_scale(scatter: Scatter) -> float:
    """Factor on the spread that makes it the expected error: root mean square error over root mean square spread."""
    return float(np.sqrt(np.mean(scatter.errors**2) / np.mean(scatter.spreads**2)))


def coverage(scatter: Scatter, nominal: float, *, scale: float, degrees_of_freedom: int) -> float:
    """Share of the errors within the central interval that ought to hold a share ``nominal`` of them."""
    from scipy.special import stdtrit

    half_width = stdtrit(degrees_of_freedom, 0.5 * (1.0 + nominal)) * scale * scatter.spreads
    return float(np.mean(np.abs(scatter.errors.T) <= half_width))


def rank_correlation(spreads: NDArray[np.float64], errors: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation of spreads and absolute errors, both (n,); None for fewer than three."""
    from scipy import stats

    if len(spreads) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        value = float(stats.spearmanr(spreads, np.abs(errors)).statistic)
    return None if np.isnan(value) else value


def expected_error_curve(scatter: Scatter, *, scale: float) -> list[ErrorBin]:
    """Expected against true root mean square error, in bins of like spread and of equal size."""
    n_bins = min(_MOST_BINS, max(1, len(scatter.spreads) // _LEAST_PER_BIN))
    return [
        ErrorBin(
            n=len(rows),
            expected=scale * float(np.sqrt(np.mean(scatter.spreads[rows] ** 2))),
            observed=float(np.sqrt(np.mean(scatter.errors[rows] ** 2))),
        )
        for rows in np.array_split(np.argsort(scatter.spreads, kind="stable"), n_bins)
    ]


def calibrate(
    fitted: Scatter, tested: Scatter, *, name: str, unit: str, degrees_of_freedom: int, frames: Scatter
) -> Calibration:
    """Fit the scale on one set of frames and judge it on another.

    Parameters
    ----------
    fitted
        Spreads and errors that the scale is fitted to, of validation frames.
    tested
        Those that it is judged by, of test frames.
    name, unit
        The quantity, for the document.
    degrees_of_freedom
        Of each variance behind a spread.
    frames
        Spread and error of each test frame, for the rank correlation.

    Raises
    ------
    InputError
        If there are no frames, values that are not finite, or no spread.
    """
    fitted.check(f"{name} of the validation frames")
    tested.check(f"{name} of the test frames")
    scale = fit_scale(fitted)

    def share(nominal: float, factor: float) -> float:
        return coverage(tested, nominal, scale=factor, degrees_of_freedom=degrees_of_freedom)

    return Calibration(
        quantity=name,
        unit=unit,
        scale=scale,
        degrees_of_freedom=degrees_of_freedom,
        n_fitted=fitted.errors.size,
        n_tested=tested.errors.size,
        rms_spread=float(np.sqrt(np.mean(tested.spreads**2))),
        rmse=float(np.sqrt(np.mean(tested.errors**2))),
        spearman=rank_correlation(frames.spreads, frames.errors),
        coverage=[
            CoveragePoint(nominal=level, observed=share(level, scale), observed_unscaled=share(level, 1.0))
            for level in NOMINAL
        ],
        curve=expected_error_curve(tested, scale=scale),
    )
