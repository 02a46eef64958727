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


def test_what_the_changes_of_site_show_takes_the_bend_off():
    """An MSD too noisy to show a memory is corrected by the cosine and the rate of the jumps."""
    cosine, rate = -0.3, 0.008
    excess, time = 2 * 0.3 / 0.7, 1 / (rate * 1.3)
    msd = 0.05 * LAGS + 0.05 * excess * time * (1 - np.exp(-LAGS / time))
    errors = [0.06, 0.1, 0.15, 0.25, 0.4]
    blind = weigh(msd, errors)
    seeing = weigh(msd, errors, turning=Turning(cosine + 0.02, 300, rate))
    assert blind.slope_ang2 > 1.05 * 0.05
    assert abs(seeing.slope_ang2 - 0.05) < 0.7 * abs(blind.slope_ang2 - 0.05)
    assert abs(seeing.slope_ang2 - 0.05) < seeing.std_ang2


def test_vibrations_are_left_open():
    """A vibration of a few frames beside slow returns is not taken for the only memory."""
    msd = 0.05 * LAGS + 2.0 * (1 - np.exp(-LAGS / 4.0)) + 3.0 * (1 - np.exp(-LAGS / 60.0))
    posterior = weigh(msd, [0.02, 0.04, 0.08, 0.15, 0.25], vibration_frames=5.0)
    assert abs(posterior.slope_ang2 - 0.05) < 2 * posterior.std_ang2


def test_turning_back_speaks_for_memory():
    assert prior_of_no_memory(Turning(0.0, 0)) == NO_MEMORY_PRIOR
    assert prior_of_no_memory(Turning(0.1, 400)) > 0.95
    assert prior_of_no_memory(Turning(-0.3, 400)) < 0.01
    assert 0.3 < prior_of_no_memory(Turning(-0.1, 4)) < 0.97


def test_site_changes_see_returns(walks):
    from disolyte.diffusion.moments import site_changes

    rng = np.random.default_rng(0)
    free = site_changes(walks.hopping(rng, 40, 4000, 3e-5) + walks.rattle(rng, (40, 3, 4000), 0.2), 20, 3.0)
    back = walks.reversing(rng, 40, 4000, 3e-5, back=0.5) + walks.rattle(rng, (40, 3, 4000), 0.2)
    returning = site_changes(back, 20, 3.0)
    assert abs(free.turning.mean_cosine) < 0.08
    assert returning.turning.mean_cosine < -0.2
    assert returning.n_jumps.sum() > free.n_jumps.sum()
