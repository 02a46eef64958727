r"""How much a slope is still bent by what ions remember, averaged over what the data allow.

A line fitted from lag :math:`s` on misses the true slope :math:`m` if ions still return to where they came from: the
MSD :math:`mt + c(1 - e^{-t/\tau})` gives the slope :math:`m + c\,g_\tau(s)`, where :math:`g_\tau(s)` is the same fit
applied to :math:`1 - e^{-t/\tau}`. Early starts are precise and may be bent, late ones are straight and noisy. To pick
one start is to ignore that another might have been right; so all memories :math:`(c, \tau)` are weighed by how well
they explain the slopes at all starts together, given the covariance :math:`C` of these:

.. math:: p(c, \tau) \propto \pi(c, \tau)\, \exp(-\tfrac12 \min_m r^T C^{-1} r), \quad r = S - m - c\,g_\tau,

with most of the prior on no memory at all, unless the changes of site show that ions return. Vibrations, of short
memory and unknown size, are part of :math:`C`. Mean and 95 % interval of :math:`m` are those of the mixture (Hoeting et
al., Stat. Sci. 14, 382 (1999)), so that the error holds the doubt about the start of the diffusive regime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

NO_MEMORY_PRIOR: Final = 0.7
"""Probability, before the data are seen, that the MSD is straight from the first start on."""

NO_HIDDEN_MEMORY_PRIOR: Final = 0.85
"""The same of ions that are seen to change site, for few memories leave no trace in how these turn."""

STRAIGHT_COSINE: Final = (0.02, 0.05)
"""Mean cosine between successive changes of site of ions without memory, and its spread over kinds of motion."""

PERSISTENCE_SHARE: Final = 0.15
"""Share of memories by which ions rather go on than return: the MSD then bends upwards."""

MEMORIES_PER_RUN: Final = 4.0
"""Longest memory that is thought of: the last lag over this. Longer ones cannot be told from diffusion."""

VIBRATION_ANG2: Final = 1.0
"""Typical part of the MSD that is vibration of one memory."""

N_VIBRATIONS: Final = 4
MIN_TURNS: Final = 10
N_TIMES: Final = 16
RETURNS: Final = np.geomspace(0.1, 30.0, 18)
"""Initial excess of the slope by returns, in units of the slope; log-uniform."""
PERSISTENCES: Final = -np.array([0.1, 0.2, 0.4, 0.6, 0.8])
EXCESS: Final = np.concatenate([[0.0], RETURNS, PERSISTENCES])

MODEL_SPREAD: Final = 0.4
"""Spread of ln of excess and time about what the changes of site let expect."""


@dataclass(frozen=True)
class Turning:
    """How ions turn from one change of site to the next.

    Attributes
    ----------
    mean_cosine
        Between successive changes of site of an ion.
    n_turns
        Pairs of changes behind it.
    rate_per_frame
        Changes of site of one ion per frame.
    """

    mean_cosine: float = 0.0
    n_turns: int = 0
    rate_per_frame: float = 0.0


NOT_SEEN: Final = Turning()


@dataclass(frozen=True)
class SlopePosterior:
    """The slope after all memories were weighed.

    Attributes
    ----------
    slope_ang2, std_ang2
        Mean, and the half-width of the 95 % interval over 1.96.
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
    odds = (
        NO_HIDDEN_MEMORY_PRIOR
        / (1 - NO_HIDDEN_MEMORY_PRIOR)
        * np.exp(-0.5 * deviation**2)
        / (np.sqrt(2 * np.pi) * width)
    )
    return float(odds / (1.0 + odds))


def weigh_memories(
    slopes_ang2: NDArray[np.float64],
    covariance_ang4: NDArray[np.float64],
    weights: NDArray[np.float64],
    lags: NDArray[np.intp],
    first: int,
    jump_length_ang: float,
    turning: Turning = NOT_SEEN,
    vibration_frames: float = 0.0,
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
    turning
        What the changes of site say about memory.
    vibration_frames
        Memories up to this are those of vibrations, which may bend the MSD in addition; 0 for none.
    """
    longest = max(lags[-1] / MEMORIES_PER_RUN, 1.0)
    times = np.geomspace(min(max(lags[first] / 3.0, 0.5), longest), longest, N_TIMES)
    shapes = weights @ (1.0 - np.exp(-lags[:, None] / times))  # (n_starts, n_times)
    scale = max(float(slopes_ang2[-1]), 0.1 * abs(float(slopes_ang2[0])), 1e-300)
    offsets = times[:, None] * (scale * EXCESS)
    bends = shapes[:, :, None] * offsets  # (n_starts, n_times, n_excess)
    n_starts = len(slopes_ang2)
    residual = (slopes_ang2[:, None, None] - bends).reshape(n_starts, -1)
    # No more of an MSD can be vibration than there is of it.
    size = min(VIBRATION_ANG2, float(np.abs(slopes_ang2).max() * lags[-1]))
    vibrations = size * (weights @ _vibrations(lags, vibration_frames))
    known = covariance_ang4 + 1e-4 * np.diag(np.diag(covariance_ang4)) + vibrations @ vibrations.T
    noise = np.sqrt(np.diag(known))
    inverse = np.linalg.inv(known / np.outer(noise, noise)) / np.outer(noise, noise)
    ones = inverse.sum(axis=0)
    means = ones @ residual / ones.sum()
    left = residual - means
    chi2 = np.einsum("sk,st,tk->k", left, inverse, left)
    prior = _prior(times, offsets, np.maximum(means.reshape(offsets.shape), 0.01 * scale), turning)
    prior = prior * np.exp(-np.abs(offsets) / jump_length_ang**2)
    posterior = np.exp(-0.5 * (chi2 - chi2.min())) * prior.ravel()
    posterior /= posterior.sum()
    mean = float(posterior @ means)
    std = _effective_std(means - mean, posterior, 1.0 / np.sqrt(ones.sum()))
    shaken = vibrations @ (vibrations.T @ (inverse @ (left @ posterior)))
    bias = np.abs(bends).reshape(n_starts, -1) @ posterior + np.abs(shaken)
    return SlopePosterior(mean, std, bias)


def _prior(
    times: NDArray[np.float64], offsets_ang2: NDArray[np.float64], slopes_ang2: NDArray[np.float64], turning: Turning
) -> NDArray[np.float64]:
    """Prior of the memories, shape (n_times, n_excess); the first column is no memory."""
    no_memory, n_times = prior_of_no_memory(turning), len(times)
    returns = np.full((n_times, len(RETURNS)), 1.0 / (n_times * len(RETURNS)))
    if turning.n_turns >= MIN_TURNS and turning.mean_cosine < STRAIGHT_COSINE[0] and n_times > 1:
        inside = slice(1, 1 + len(RETURNS))
        seen = _returns_seen(times, offsets_ang2[:, inside] / (times[:, None] * slopes_ang2[:, inside]), turning)
        returns = 0.5 * returns + 0.5 * seen
    persistences = np.full((n_times, len(PERSISTENCES)), PERSISTENCE_SHARE / (n_times * len(PERSISTENCES)))
    memories = np.concatenate([(1 - PERSISTENCE_SHARE) * returns, persistences], axis=1)
    return np.concatenate([np.full((n_times, 1), no_memory / n_times), (1 - no_memory) * memories], axis=1)


def _returns_seen(times: NDArray[np.float64], excess: NDArray[np.float64], turning: Turning) -> NDArray[np.float64]:
    r"""Prior of the returns that the changes of site show, log-normal, shape (n_times, n_returns).

    Steps of rate ν with mean cosine γ < 0 between neighbours exceed the slope at first by :math:`-2\gamma/(1+\gamma)`
    and are forgotten after :math:`1/\nu(1-\gamma)`, for the velocities correlate as a Markov chain of jumps does.
    """
    cosine = max(turning.mean_cosine - STRAIGHT_COSINE[0], -0.9)
    expected, time = -2.0 * cosine / (1.0 + cosine), 1.0 / (turning.rate_per_frame * (1.0 - cosine))
    spread = np.hypot(MODEL_SPREAD, 1.0 / (np.sqrt(turning.n_turns) * abs(cosine) * (1.0 + cosine)))
    off = (np.log(excess / expected) / spread) ** 2 + (np.log(times / time)[:, None] / MODEL_SPREAD) ** 2
    cell = np.log(RETURNS[1] / RETURNS[0]) * np.log(times[1] / times[0])
    return np.asarray(np.exp(-0.5 * off) * cell / (2 * np.pi * spread * MODEL_SPREAD))


def _effective_std(means: NDArray[np.float64], posterior: NDArray[np.float64], std: float) -> float:
    """Half-width of the central 95 % of a mixture of normal distributions of equal ``std``, over 1.96."""
    reach = np.sqrt(std**2 + float(posterior @ means**2))
    grid = np.linspace(-8.0, 8.0, 401) * reach
    likely = posterior > 1e-6
    below = ndtr((grid[:, None] - means[likely]) / std) @ posterior[likely]
    low, high = np.interp([0.025, 0.975], below / below[-1], grid)
    return float(high - low) / 3.92


def _vibrations(lags: NDArray[np.intp], longest_frames: float) -> NDArray[np.float64]:
    """Growth of the MSD of vibrations of several memories, up to 1, shape (n_lags, n_memories)."""
    if longest_frames < 0.5:
        return np.zeros((len(lags), 0))
    times = np.geomspace(0.5, longest_frames, N_VIBRATIONS) if longest_frames > 0.5 else np.array([0.5])
    return np.asarray(1.0 - np.exp(-lags[:, None] / times))
