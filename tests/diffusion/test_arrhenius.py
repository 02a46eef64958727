"""Arrhenius fits: exact lines, coverage, and which temperatures enter."""

import numpy as np
import pytest

from disolyte.diffusion import fit_arrhenius
from disolyte.errors import TransportError
from disolyte.units import BOLTZMANN_EV_PER_K

TEMPERATURES = np.array([800.0, 900.0, 1000.0, 1100.0])


def line(temperatures, energy=0.3, prefactor=2e-3):
    return prefactor * np.exp(-energy / (BOLTZMANN_EV_PER_K * np.asarray(temperatures)))


def test_exact_line():
    fit = fit_arrhenius(TEMPERATURES, line(TEMPERATURES), [0.1] * 4)
    assert fit.activation_energy_ev == pytest.approx(0.3)
    assert fit.prefactor_cm2_per_s == pytest.approx(2e-3)
    assert fit.plain_activation_energy_ev == pytest.approx(0.3)
    assert fit.plain_activation_energy_std_ev == pytest.approx(0, abs=1e-9)
    assert fit.activation_energy_std_ev > 0.01
    value, (low, high) = fit.extrapolate(300.0)
    assert value == pytest.approx(line(300.0))
    assert low < value < high
    assert fit.reach_beyond(900.0) == 0
    assert fit.reach_beyond(300.0) == pytest.approx((1 / 300 - 1 / 800) / (1 / 800 - 1 / 1100))


def test_covariance_is_that_of_weighted_least_squares():
    errors = np.array([0.3, 0.2, 0.1, 0.05])
    fit = fit_arrhenius(TEMPERATURES, line(TEMPERATURES), errors)
    design = np.stack([np.ones(4), -1 / (BOLTZMANN_EV_PER_K * TEMPERATURES)], axis=1)
    expected = np.linalg.inv(design.T @ np.diag(errors**-2.0) @ design)
    assert fit.covariance == pytest.approx(expected, rel=1e-6)
    assert fit.activation_energy_std_ev == pytest.approx(np.sqrt(expected[1, 1]))


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(0)
    errors = np.array([0.3, 0.2, 0.15, 0.1])
    energies, extrapolated, plain = 0, 0, 0
    n = 1000
    for _ in range(n):
        fit = fit_arrhenius(TEMPERATURES, line(TEMPERATURES) * np.exp(errors * rng.normal(size=4)), errors)
        energies += abs(fit.activation_energy_ev - 0.3) <= 1.96 * fit.activation_energy_std_ev
        low, high = fit.extrapolate(300.0).ci95_cm2_per_s
        extrapolated += low <= line(300.0) <= high
        plain += abs(fit.plain_activation_energy_ev - 0.3) <= 1.96 * fit.plain_activation_energy_std_ev
    assert 0.93 <= energies / n <= 0.97
    assert 0.93 <= extrapolated / n <= 0.97
    assert plain / n < 0.9


def test_scatter_beyond_chance_widens_the_errors():
    bent = line(TEMPERATURES) * np.array([1.0, 1.6, 0.6, 1.0])
    fit = fit_arrhenius(TEMPERATURES, bent, [0.02] * 4)
    assert fit.scatter_factor > 5
    assert fit.activation_energy_std_ev > 0.1


def test_two_temperatures():
    fit = fit_arrhenius([800, 1000], line([800, 1000]), [0.1, 0.1])
    assert fit.activation_energy_ev == pytest.approx(0.3)
    assert np.isfinite([fit.activation_energy_std_ev, fit.plain_activation_energy_std_ev]).all()


@pytest.mark.parametrize(
    "columns",
    [
        ([800], [1e-5], [0.1]),
        ([800, 800], [1e-5, 1e-5], [0.1, 0.1]),
        ([800, 900], [1e-5, -1e-5], [0.1, 0.1]),
        ([800, 900], [1e-5, 0.0], [0.1, 0.1]),
        ([800, 900], [1e-5, 1e-5], [0.1, 0.0]),
        ([800, 900], [1e-5, np.nan], [0.1, 0.1]),
        ([-800, 900], [1e-5, 1e-5], [0.1, 0.1]),
        ([800, 900, 1000], [1e-5, 1e-5], [0.1, 0.1]),
    ],
)
def test_unfit_input(columns):
    with pytest.raises(TransportError):
        fit_arrhenius(*columns)


@pytest.mark.parametrize("temperature_k", [0.0, -300.0, float("nan"), None, "300", [300.0]])
def test_extrapolation_needs_a_temperature(temperature_k):
    fit = fit_arrhenius([800, 1000], line([800, 1000]), [0.1, 0.1])
    with pytest.raises(TransportError, match="above 0 K"):
        fit.extrapolate(temperature_k)
