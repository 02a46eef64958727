r"""How much a slope is still bent by what ions remember, averaged over what the data allow.

A line fitted from lag :math:`s` on misses the true slope :math:`m` if ions still return to where they came from: the
MSD :math:`mt + c(1 - e^{-t/\tau})` gives the slope :math:`m + c\,g_\tau(s)`, where :math:`g_\tau(s)` is the same fit
applied to :math:`1 - e^{-t/\tau}`. Early starts are precise and may be bent, late ones are straight and noisy. To pick
one start is to ignore that another might have been right; so all memories :math:`(c, \tau)` are weighed by how well
they explain the slopes at all starts together, given the covariance :math:`C` of these:

.. math:: p(c, \tau) \propto \pi(c, \tau)\, \exp(-\tfrac12 \min_m r^T C^{-1} r), \quad r = S - m - c\,g_\tau,

with most of the prior on no memory at all. Mean and variance of :math:`m` are those of the mixture (Hoeting et al.,
Stat. Sci. 14, 382 (1999)), so that the error holds the doubt about the start of the diffusive regime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NO_MEMORY_PRIOR: Final = 0.7
"""Probability, before the data are seen, that the MSD is straight from the first start on."""

STRAIGHT_COSINE: Final = (0.08, 0.05)
"""Mean cosine between successive changes of site of ions without memory, and its spread over kinds of motion. It is
above 0 because an ion that is caught between two sites goes on."""

PERSISTENCE_SHARE: Final = 0.15
"""Share of memories by which ions rather go on than return: the MSD then bends upwards."""

MEMORIES_PER_RUN: Final = 4.0
"""Longest memory that is thought of: the last lag over this. Longer ones cannot be told from diffusion."""

N_TIMES: Final = 16
RETURNS: Final = np.geomspace(0.1, 30.0, 18)
"""Initial excess of the slope by returns, in units of the slope; log-uniform."""
PERSISTENCES: Final = -np.array([0.1, 0.2, 0.4, 0.6, 0.8])


@dataclass(frozen=True)
class Turning:
    """Mean cosine between successive changes of site of an ion, and the number of pairs behind it."""

    mean_cosine: float
    n_turns: int


@dataclass(frozen=True)
class SlopePosterior:
    """The slope after all memories were weighed.

    Attributes
    ----------
    slope_ang2, std_ang2
        Mean and standard deviation.
    bias_ang2 : (n_starts,)
        Expected size of the bend at each start.
    """

    slope_ang2: float
    std_ang2: float
    bias_ang2: NDArray[np.float64]


def prior_of_no_memory(turning: Turning) -> float:
    """Probability that ions forget where they came from, after a look at how they turn at their changes of site.

    Ions with memory may have any mean cosine from -1 to 0.1, those without one near :data:`STRAIGHT_COSINE`.
    """
    if turning.n_turns < 2:
        return NO_MEMORY_PRIOR
    centre, spread = STRAIGHT_COSINE
    width = np.hypot(spread, 1.0 / np.sqrt(turning.n_turns))
    deviation = min(turning.mean_cosine - centre, 0.0) / width
    odds = NO_MEMORY_PRIOR / (1 - NO_MEMORY_PRIOR) * np.exp(-0.5 * deviation**2) / (np.sqrt(2 * np.pi) * width)
    return float(odds / (1.0 + odds))


def weigh_memories(
    slopes_ang2: NDArray[np.float64],
    covariance_ang4: NDArray[np.float64],
    weights: NDArray[np.float64],
    lags: NDArray[np.intp],
    first: int,
    jump_length_ang: float,
    no_memory: float = NO_MEMORY_PRIOR,
) -> SlopePosterior:
    """Average the slope over memories.

    Parameters
    ----------
    slopes_ang2, covariance_ang4 : (n_starts,), (n_starts, n_starts)
        Slopes per frame of the lines from each start on, and their covariance.
    weights : (n_starts, n_lags)
        The slopes as linear functionals of the MSD.
    lags : (n_lags,)
        Lags, frames.
    first
        Index of the first start.
    jump_length_ang
        Distance between neighbouring sites, a. Returning ions bend the MSD by about a² or less: the prior on c falls
        off as exp(-c/a²), which is what lets long runs be sure.
    no_memory
        Prior probability that there is no memory.
    """
    longest = max(lags[-1] / MEMORIES_PER_RUN, 1.0)
    times = np.geomspace(min(max(lags[first] / 3.0, 0.5), longest), longest, N_TIMES)
    shapes = weights @ (1.0 - np.exp(-lags[:, None] / times))  # (n_starts, n_times)
    scale = max(float(slopes_ang2[-1]), 0.1 * abs(float(slopes_ang2[0])), 1e-300)
    excess = np.concatenate([[0.0], RETURNS, PERSISTENCES])
    returns = np.full(len(RETURNS), (1 - PERSISTENCE_SHARE) / len(RETURNS))
    persistences = np.full(len(PERSISTENCES), PERSISTENCE_SHARE / len(PERSISTENCES))
    prior = np.concatenate([[no_memory], (1 - no_memory) * np.concatenate([returns, persistences])])
    offsets = times[:, None] * (scale * excess)
    prior = prior * np.exp(-np.abs(offsets) / jump_length_ang**2)
    bends = shapes[:, :, None] * offsets  # (n_starts, n_times, n_excess)
    n_starts = len(slopes_ang2)
    residual = (slopes_ang2[:, None, None] - bends).reshape(n_starts, -1)
    noise = np.sqrt(np.diag(covariance_ang4))
    correlation = covariance_ang4 / np.outer(noise, noise) + 1e-4 * np.eye(n_starts)
    inverse = np.linalg.inv(correlation) / np.outer(noise, noise)
    ones = inverse.sum(axis=0)
    means = ones @ residual / ones.sum()
    left = residual - means
    chi2 = np.einsum("sk,st,tk->k", left, inverse, left)
    posterior = np.exp(-0.5 * (chi2 - chi2.min())) * prior.ravel()
    posterior /= posterior.sum()
    mean = float(posterior @ means)
    variance = 1.0 / ones.sum() + float(posterior @ (means - mean) ** 2)
    return SlopePosterior(
        mean,
        float(np.sqrt(variance)),
        np.abs(bends).reshape(n_starts, -1) @ posterior,
    )
