import numpy as np
import pytest

from disolyte.thermodynamics.montecarlo import equilibration_start, split_r_hat, statistical_inefficiency


def correlated(n, memory, seed):
    """Autoregressive series whose statistical inefficiency is (1 + r) / (1 - r)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=n)
    x = np.empty(n)
    x[0] = noise[0]
    for i in range(1, n):
        x[i] = memory * x[i - 1] + np.sqrt(1 - memory**2) * noise[i]
    return x


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_inefficiency_of_known_series(memory):
    exact = (1 + memory) / (1 - memory)
    found = [statistical_inefficiency(correlated(20000, memory, seed)) for seed in range(8)]
    assert np.mean(found) == pytest.approx(exact, rel=0.1)


def test_error_of_the_mean_is_what_inefficiency_says():
    means, errors = [], []
    for seed in range(200):
        x = correlated(2000, 0.8, seed)
        means.append(x.mean())
        errors.append(x.std() * np.sqrt(statistical_inefficiency(x) / x.size))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)


def test_equilibration_is_found():
    x = correlated(2000, 0.5, 1) + 30 * np.exp(-np.arange(2000) / 60)
    assert 150 < equilibration_start(x) < 600
    assert equilibration_start(correlated(2000, 0.5, 2)) < 400
    assert statistical_inefficiency(np.ones(50)) == 1.0
    assert equilibration_start(np.ones(50)) == 0


def test_short_steep_fall_is_thrown_away():
    """From a random distribution the energy falls within a few sweeps, far beyond its later spread."""
    for seed in range(10):
        x = correlated(150, 0.5, seed)
        x[:6] += [60, 40, 25, 15, 10, 6]
        assert 5 <= equilibration_start(x) < 75


def test_r_hat_tells_chains_apart():
    same = [correlated(2000, 0.3, seed) for seed in range(4)]
    assert split_r_hat(same) < 1.02
    assert split_r_hat([*same[:3], same[3] + 1.0]) > 1.05
    drifting = [x + np.linspace(0, 2, 2000) for x in same]
    assert split_r_hat(drifting) > 1.05
    assert split_r_hat(np.ones((2, 100))) == 1.0
    assert split_r_hat(np.array([np.ones(100), np.zeros(100)])) == float("inf")
