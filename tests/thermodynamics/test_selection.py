import itertools

import numpy as np
import pytest
from scipy.stats import chisquare

from disolyte.errors import InputError
from disolyte.thermodynamics import boltzmann_probabilities, draw_structures
from disolyte.units import BOLTZMANN_EV_PER_K

HEIGHTS = np.array([0.0, 0.02, 0.05, 0.1, 0.2])
TEMPERATURE_K = 800.0


def test_probabilities_by_hand():
    step = BOLTZMANN_EV_PER_K * TEMPERATURE_K * np.log(2)
    assert boltzmann_probabilities([0.0, step, 2 * step], TEMPERATURE_K) == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    # kT at 800 K is 68.94 meV.
    assert boltzmann_probabilities([0.0, 0.06894], TEMPERATURE_K)[1] == pytest.approx(1 / (1 + np.e), rel=1e-4)


def test_far_above_the_hull_does_not_underflow():
    assert boltzmann_probabilities([500.0, 500.0], TEMPERATURE_K) == pytest.approx([0.5, 0.5])
    assert draw_structures([0.0, 900.0, 999.0], n_select=2, temperature_k=10.0, seed=3) == [0, 1]


def exact_pairs():
    """Probability of each unordered pair of two draws without replacement."""
    p = boltzmann_probabilities(HEIGHTS, TEMPERATURE_K)
    return {
        (i, j): p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        for i, j in itertools.combinations(range(len(HEIGHTS)), 2)
    }


def test_first_draw_follows_boltzmann():
    n_draws = 20000
    counts = np.zeros(len(HEIGHTS))
    for seed in range(n_draws):
        (index,) = draw_structures(HEIGHTS, n_select=1, temperature_k=TEMPERATURE_K, seed=seed)
        counts[index] += 1
    assert chisquare(counts, n_draws * boltzmann_probabilities(HEIGHTS, TEMPERATURE_K)).pvalue > 1e-3


def test_pairs_follow_draws_without_replacement():
    n_draws = 20000
    exact = exact_pairs()
    assert sum(exact.values()) == pytest.approx(1)
    counts = dict.fromkeys(exact, 0)
    for seed in range(n_draws):
        counts[tuple(draw_structures(HEIGHTS, n_select=2, temperature_k=TEMPERATURE_K, seed=seed))] += 1
    assert chisquare(list(counts.values()), [n_draws * p for p in exact.values()]).pvalue > 1e-3
    # The test can tell: inclusion with p_i p_j alone, as by drawing with replacement, is refused.
    p = boltzmann_probabilities(HEIGHTS, TEMPERATURE_K)
    wrong = np.array([p[i] * p[j] for i, j in exact])
    assert chisquare(list(counts.values()), n_draws * wrong / wrong.sum()).pvalue < 1e-6


def test_chosen_ones_are_always_in():
    for seed in range(50):
        taken = draw_structures(HEIGHTS, n_select=3, temperature_k=100.0, seed=seed, always=[4])
        assert 4 in taken
        assert len(taken) == len(set(taken)) == 3


def test_seed_decides():
    draws = [
        draw_structures(np.linspace(0, 0.3, 60), n_select=10, temperature_k=TEMPERATURE_K, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_numbers_that_cannot_be_met():
    assert draw_structures(HEIGHTS, n_select=9, temperature_k=TEMPERATURE_K, seed=0) == [0, 1, 2, 3, 4]
    assert draw_structures(HEIGHTS, n_select=1, temperature_k=TEMPERATURE_K, seed=0, always=[0, 3]) == [0, 3]


@pytest.mark.parametrize("temperature_k", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_temperature(temperature_k):
    with pytest.raises(InputError, match=f"{temperature_k} K; it must be positive"):
        draw_structures(HEIGHTS, n_select=1, temperature_k=temperature_k, seed=0)


def test_bad_numbers():
    with pytest.raises(InputError, match=r"structures \[1\] are not finite"):
        boltzmann_probabilities([0.0, float("nan")], TEMPERATURE_K)
    with pytest.raises(InputError, match="n_select is 0"):
        draw_structures(HEIGHTS, n_select=0, temperature_k=TEMPERATURE_K, seed=0)
