"""Temperatures against the canonical ensemble: the kinetic energy of f free momenta is kT/2 times a χ² of f.

Samples are taken so far apart that they are independent, and pooled over systems with temperatures and random streams
of their own.
"""

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from disolyte.dynamics import Engine, MDProtocol, Thermostat, run_md

TARGETS_K = (20.0, 40.0, 60.0, 40.0)
N_FREE = 3 * 32 - 3


def scaled_energies(argon, model, folder, engine, thermostat):
    """Kinetic energies over kT/2, shape (n_systems, n_samples), 200 fs apart."""
    protocols = [
        MDProtocol(
            temperature_k=target_k, n_steps=1600, time_step_fs=5.0, record_every=40, thermostat=thermostat,
            thermostat_time_fs=100.0, seed=seed,
        )
        for seed, target_k in enumerate(TARGETS_K)
    ]  # fmt: skip
    runs = run_md([argon] * len(TARGETS_K), protocols, model, folder, engine=engine)
    assert all(run.engine is engine for run in runs)
    return np.array([N_FREE * run.temperatures_k[5:] / target_k for run, target_k in zip(runs, TARGETS_K, strict=True)])


@pytest.mark.parametrize("engine", [Engine.ASE, Engine.TORCH_SIM])
@pytest.mark.parametrize("thermostat", [Thermostat.BUSSI, Thermostat.LANGEVIN, Thermostat.NOSE_HOOVER])
def test_canonical_thermostats(argon, argon_model, fast_argon, tmp_path, engine, thermostat):
    if engine is Engine.TORCH_SIM:
        pytest.importorskip("torch_sim")
    model = fast_argon if engine is Engine.ASE else argon_model
    energies = scaled_energies(argon, model, tmp_path, engine, thermostat)
    pooled = energies.ravel()
    error = np.sqrt(2 * N_FREE / len(pooled))
    assert pooled.mean() == pytest.approx(N_FREE, abs=4 * error)
    assert pooled.var() == pytest.approx(2 * N_FREE, rel=4 * np.sqrt(2 / len(pooled)))
    assert kstest(pooled, chi2(N_FREE).cdf).pvalue > 1e-4
    assert not np.allclose(energies[1], energies[3]), "one temperature, two seeds"
    # each system holds its own temperature
    np.testing.assert_allclose(energies.mean(axis=1), N_FREE, atol=5 * np.sqrt(2 * N_FREE / energies.shape[1]))


@pytest.mark.parametrize("engine", [Engine.ASE, Engine.TORCH_SIM])
def test_berendsen_is_not_canonical(argon, argon_model, fast_argon, tmp_path, engine):
    """Berendsen's thermostat holds the mean and suppresses the fluctuations, here to less than 0.7 of the variance."""
    if engine is Engine.TORCH_SIM:
        pytest.importorskip("torch_sim")
    model = fast_argon if engine is Engine.ASE else argon_model
    of_systems = scaled_energies(argon, model, tmp_path, engine, Thermostat.BERENDSEN)
    np.testing.assert_allclose(of_systems.mean(axis=1), N_FREE, atol=5 * np.sqrt(2 * N_FREE / of_systems.shape[1]))
    energies = of_systems.ravel()
    assert energies.mean() == pytest.approx(N_FREE, abs=4 * np.sqrt(2 * N_FREE / len(energies)))
    assert energies.var() < 0.7 * 2 * N_FREE
    assert kstest(energies, chi2(N_FREE).cdf).pvalue < 0.05
