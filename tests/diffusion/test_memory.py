"""Returning ions bend the MSD: the error says so, and what is known about it is used."""

import numpy as np
import pytest

from disolyte.diffusion.memory import NO_MEMORY_PRIOR, Turning, prior_of_no_memory, weigh_memories

LAGS = np.unique(np.geomspace(1, 1000, 100).round().astype(int))
STARTS = [20, 40, 80, 160, 250]


def lines():
    """Weights of unweighted lines from each start on, shape (n_starts, n_lags)."""
    weights = np.zeros((len(STARTS), len(LAGS)))
    for k, start in enumerate(STARTS):
        inside = start <= LAGS
        centred = LAGS[inside] - LAGS[inside].mean()
        weights[k, inside] = centred / (centred**2).sum()
    return weights


def weigh(msd, relative_errors, **arguments):
    weights = lines()
    slopes = weights @ msd
    noise = np.array(relative_errors) * slopes[-1]
    # Nested windows: an early slope is all that the later ones know and more.
    covariance = np.minimum.outer(noise, noise) ** 2
    first = int(np.searchsorted(LAGS, STARTS[0]))
    return weigh_memories(slopes, covariance, weights, LAGS, first, 3.0, **arguments)


ERRORS = [0.02, 0.03, 0.05, 0.08, 0.12]


def test_a_straight_msd_keeps_the_precision_of_the_early_start():
    posterior = weigh(0.05 * LAGS + 1.0, ERRORS)
    assert posterior.slope_ang2 == pytest.approx(0.05, rel=0.01)
    assert 0.02 <= posterior.std_ang2 / 0.05 < 0.035
    assert posterior.bias_ang2[0] < 0.5 * posterior.std_ang2


@pytest.mark.parametrize("memory", [40.0, 80.0])
def test_a_bend_is_taken_off(memory):
    msd = 0.05 * LAGS + 4.0 * (1 - np.exp(-LAGS / memory))
    posterior = weigh(msd, ERRORS)
    early = float(lines()[0] @ msd)
    assert abs(posterior.slope_ang2 - 0.05) < 2.5 * posterior.std_ang2
    assert abs(posterior.slope_ang2 - 0.05) < 0.95 * abs(early - 0.05)
    assert np.all(np.diff(posterior.bias_ang2) <= 1e-12)


def test_doubt_widens_the_error():
    msd = 0.05 * LAGS + 3.0 * (1 - np.exp(-LAGS / 60.0))
    sure, torn = weigh(0.05 * LAGS, ERRORS), weigh(msd, [0.05, 0.08, 0.15, 0.2, 0.3])
    assert torn.std_ang2 > 1.5 * sure.std_ang2
    assert torn.std_ang2 > 0.05 * 0.05


def test_long_runs_of_fast_ions_are_not_bent_by_short_jumps():
    """An MSD of hundreds of Å² cannot be bent by a² = 9 Å² to any effect."""
    posterior = weigh(5.0 * LAGS, ERRORS)
    assert posterior.std_ang2 / 5.0 < 0.022


def test_turning_back_speaks_for_memory():
    assert prior_of_no_memory(Turning(0.0, 0)) == NO_MEMORY_PRIOR
    assert prior_of_no_memory(Turning(0.1, 400)) > 0.9
    assert prior_of_no_memory(Turning(-0.3, 400)) < 0.01
    assert 0.3 < prior_of_no_memory(Turning(-0.1, 4)) < 0.95


def test_site_changes_see_returns(walks):
    from disolyte.diffusion.moments import site_changes

    rng = np.random.default_rng(0)
    free = site_changes(walks.hopping(rng, 40, 4000, 3e-5) + walks.rattle(rng, (40, 3, 4000), 0.2), 20, 3.0)
    back = walks.reversing(rng, 40, 4000, 3e-5, back=0.5) + walks.rattle(rng, (40, 3, 4000), 0.2)
    returning = site_changes(back, 20, 3.0)
    assert free.turning.mean_cosine > 0
    assert returning.turning.mean_cosine < -0.2
    assert returning.n_jumps.sum() > free.n_jumps.sum()
