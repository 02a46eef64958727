"""Whether a Monte Carlo chain has equilibrated, how long it remembers, and whether chains agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def autocorrelation(series: ArrayLike) -> NDArray[np.float64]:
    """Normalised autocorrelation of a series at all lags, shape (n,); 1 at lag 0. All 0 beyond where nothing varies."""
    x = np.asarray(series, dtype=float)
    x = x - x.mean()
    n = x.size
    transformed = np.fft.rfft(x, 2 * n)
    products = np.fft.irfft(np.abs(transformed) ** 2, 2 * n)[:n] / np.arange(n, 0, -1)
    return products / products[0] if products[0] > 0 else np.eye(1, n)[0]


def statistical_inefficiency(series: ArrayLike) -> float:
    r"""Statistical inefficiency g: n correlated values are worth n/g independent ones.

    :math:`g = 1 + 2 \sum_{t \ge 1} (1 - t/n) C_t`, summed until the autocorrelation first falls below zero; the
    integrated autocorrelation time is :math:`\tau = g/2` [1]_.

    Parameters
    ----------
    series
        Values at equal intervals, shape (n,).

    References
    ----------
    .. [1] J. D. Chodera et al., J. Chem. Theory Comput. 3, 26 (2007).

    Examples
    --------
    >>> statistical_inefficiency([1.0, 1.0, 1.0])
    1.0
    """
    correlation = autocorrelation(series)
    n = correlation.size
    below = np.flatnonzero(correlation <= 0)
    end = int(below[0]) if below.size else n
    lags = np.arange(1, end)
    return max(1.0, 1.0 + 2.0 * float(((1 - lags / n) * correlation[1:end]).sum()))


def equilibration_start(series: ArrayLike, n_tries: int = 50) -> int:
    """First value after equilibration: where the rest holds the most independent values, (n - t)/g(t) [1]_.

    It is never before the series first reaches the median of its second half: a short, steep fall at the start adds so
    much variance that the series seems to forget faster with it than without.

    Parameters
    ----------
    series
        Values at equal intervals, shape (n,).
    n_tries
        Starts that are tried, at equal distances.

    References
    ----------
    .. [1] J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016).
    """
    x = np.asarray(series, dtype=float)
    above = x > np.median(x[x.size // 2 :])
    reached = int(np.argmax(above != above[0]))  # 0 if it never does
    starts = np.unique(np.linspace(reached, max(x.size - 10, reached), n_tries).astype(int))
    worth = [(x.size - start) / statistical_inefficiency(x[start:]) for start in starts]
    return int(starts[int(np.argmax(worth))])


def split_r_hat(chains: ArrayLike) -> float:
    r"""Split :math:`\hat R`: the spread of all halves of all chains over that within them; 1 where they agree [1]_.

    Parameters
    ----------
    chains
        Values of each chain after equilibration, shape (n_chains, n).

    References
    ----------
    .. [1] A. Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), section 11.4.
    """
    values = np.asarray(chains, dtype=float)
    half = values.shape[1] // 2
    halves = np.concatenate([values[:, :half], values[:, values.shape[1] - half :]])
    within = float(halves.var(axis=1, ddof=1).mean())
    between = float(halves.mean(axis=1).var(ddof=1))
    if within == 0:
        return 1.0 if between == 0 else float("inf")
    return float(np.sqrt((half - 1) / half + between / within))
