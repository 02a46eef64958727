r"""Analytic covariance of a mean squared displacement that is averaged over all time origins.

Long after its last memory is lost, an ion's displacement is a sum of independent increments. For the
displacement over a window of length :math:`\ell`, with :math:`m = 2dD`,

.. math:: \operatorname{Var}(|\Delta r|^2) = \frac{2}{d} (m\ell)^2 + m a_\kappa^2 \ell.

The first term is the Gaussian one. The second comes from the fourth cumulant: motion by rare jumps of
length :math:`a_\kappa`, or ions of unequal mobility, give more noise than Brownian motion of the same diffusivity.
Two windows covary by what they share, so that with :math:`K_i = n - i` origins and :math:`i \le j`

.. math:: \Sigma_{ij} = \frac{1}{N K_i K_j} \sum_{s,u}
          \left[\tfrac{2}{d} m^2 \ell_{su}^2 + m a_\kappa^2 \ell_{su}\right],

where :math:`\ell_{su}` is the overlap of :math:`[s, s+i]` and :math:`[u, u+j]`. The sums have closed forms for
:math:`j \le n/2`. Long lags share almost everything, which is why a straight line through them has errors far larger
than its residuals.

Rattling and returning jumps add an offset :math:`c` to the MSD and noise to both ends of each window. With their
correlation :math:`\rho_k \approx e^{-k/\tau}`, :math:`\nu = \sum_k \rho_k` and
:math:`P_\delta = \sum_k \rho_k \rho_{k+\delta}`, the sum gains
:math:`K_j [\tfrac{4}{d} m c i \nu + \tfrac{c^2}{d} (2 P_0 + P_{j-i})]`.

Sources: Qian, Sheetz, Elson, Biophys. J. 60, 910 (1991); Bullerjahn, von Bülow, Hummer, J. Chem. Phys. 153, 024116
(2020); McCluskey, Coles, Morgan, J. Chem. Theory Comput. 2024, 10.1021/acs.jctc.4c01249, who take the long-time limit
with smooth variances in place of the observed ones. The fourth cumulant and the local motion are added here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MotionModel:
    r"""What the covariance depends on.

    Attributes
    ----------
    slope_ang2
        Slope of the MSD per frame, m.
    kurtosis_length_ang2
        Square of the length :math:`a_\kappa`.
    offset_ang2
        MSD of the local motion, c.
    memory_frames
        Decay time of the local motion, τ.
    n_walkers
        Number of independent walkers in the mean, N.
    dimension
        Effective number of directions, d.
    """

    slope_ang2: float
    kurtosis_length_ang2: float
    offset_ang2: float
    memory_frames: float
    n_walkers: float
    dimension: float = 3.0


@dataclass(frozen=True)
class WindowOverlaps:
    """Mean overlaps of the windows of two lags, per pair of origins.

    Attributes
    ----------
    lags : (n_lags,)
        Lags, frames.
    squared, linear : (n_lags, n_lags)
        Mean of ℓ² and of ℓ, frames² and frames.
    n_frames
        Length of the run.
    """

    lags: NDArray[np.intp]
    n_frames: int
    squared: NDArray[np.float64]
    linear: NDArray[np.float64]

    @classmethod
    def of(cls, lags: NDArray[np.intp], n_frames: int) -> WindowOverlaps:
        """Overlaps for ``lags`` of at most half of ``n_frames``."""
        grid = np.asarray(lags, dtype=np.float64)
        i = np.minimum(grid[:, None], grid[None, :])
        j = np.maximum(grid[:, None], grid[None, :])
        origins_i, origins_j = n_frames - i, n_frames - j
        first, second, third = _power_sums(i - 1)
        whole = (j - i + 1) * origins_j
        pairs = origins_i * origins_j
        squared = whole * i**2 + 2 * ((origins_j - i) * second + third)
        linear = whole * i + 2 * ((origins_j - i) * first + second)
        return cls(np.asarray(lags), n_frames, squared / pairs, linear / pairs)

    def covariance_ang4(self, motion: MotionModel) -> NDArray[np.float64]:
        """Covariance of the MSD at the lags, shape (n_lags, n_lags), Å⁴."""
        m, c, d = motion.slope_ang2, motion.offset_ang2, motion.dimension
        diffusive = 2.0 / d * m**2 * self.squared + m * motion.kurtosis_length_ang2 * self.linear
        if c <= 0:
            return diffusive / motion.n_walkers
        gap = np.abs(self.lags[:, None] - self.lags[None, :])
        shorter = np.minimum(self.lags[:, None], self.lags[None, :])
        sum_rho, sum_squares = decay_sums(motion.memory_frames, gap)
        local = 4.0 / d * m * c * shorter * sum_rho + c**2 / d * (2.0 * sum_squares[0, 0] + sum_squares)
        return (diffusive + local / (self.n_frames - shorter)) / motion.n_walkers

    def variance_ang4(self, motion: MotionModel, index: int) -> float:
        """Variance of the MSD at one lag for motion without memory, Å⁴."""
        m = motion.slope_ang2
        gaussian = 2.0 / motion.dimension * m**2 * self.squared[index, index]
        return float(gaussian + m * motion.kurtosis_length_ang2 * self.linear[index, index]) / motion.n_walkers


def decay_sums(memory_frames: float, gap: NDArray[np.intp]) -> tuple[float, NDArray[np.float64]]:
    """Sums over all k of ρ(k) and of ρ(k)ρ(k + gap) for ρ(k) = exp(−|k|/τ); 1 and δ(gap) for τ → 0."""
    decay = float(np.exp(-1.0 / max(memory_frames, 1e-3)))
    sum_rho = (1 + decay) / (1 - decay)
    return sum_rho, decay**gap * (gap + (1 + decay**2) / (1 - decay**2))


def _power_sums(n: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Sums of k, k² and k³ for k = 1 … n."""
    return n * (n + 1) / 2, n * (n + 1) * (2 * n + 1) / 6, (n * (n + 1) / 2) ** 2
