"""Cluster expansions, with icet."""

import numpy as np
import pytest
from pymatgen.core import Structure
from small_cases import Exact, rock_salt

from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import InputError, MissingExtraError
from disolyte.thermodynamics import montecarlo
from disolyte.thermodynamics.montecarlo import Schedule, run_chains, statistical_inefficiency
from disolyte.thermodynamics.montecarlo.cluster import (
    TrainingSet,
    build_training_set,
    cluster_energies,
    fit_clusters,
)
from disolyte.thermodynamics.montecarlo.energies import CoulombSwaps
from disolyte.thermodynamics.montecarlo.sites import read_charges

SUPERCELLS = [
    (2, 1, 1),
    (2, 2, 1),
    (4, 1, 1),
    (3, 2, 1),
    (2, 2, 2),
    (4, 2, 1),
    [[1, 1, 0], [-1, 1, 0], [0, 0, 2]],
    [[1, 1, 0], [-1, 1, 0], [0, 1, 3]],
]


@pytest.fixture(scope="module")
def training():
    enumeration = EnumerationMaker.make.original(EnumerationMaker(), rock_salt(), supercells=SUPERCELLS)
    return build_training_set(enumeration, None)


def test_training_set_holds_the_ewald_energies(training):
    assert len(training.cells) >= 10
    assert training.source == "ewald"
    for cell, energy, n_units in zip(
        training.cells, training.energies_ev_per_fu, training.n_formula_units, strict=True
    ):
        assert len(cell) == 2 * n_units
        structure = Structure(cell.cell.array, cell.get_chemical_symbols(), cell.get_scaled_positions())
        from pymatgen.analysis.ewald import EwaldSummation

        structure.add_oxidation_state_by_element({"Li": 1, "Sc": 3, "O": -2})
        assert EwaldSummation(structure).total_energy / n_units == pytest.approx(energy, abs=1e-6)


def icet_installed():
    pytest.importorskip("icet")


@pytest.fixture
def charges():
    return read_charges(rock_salt(), None)


def fit(sites, training, charges=None, **changes):
    settings = {"cutoffs_ang": (6.5,), "fit_method": "ridge", "charges": charges} | changes
    return fit_clusters(sites, training, **settings)


def test_clusters_find_the_weight_of_the_point_charges(salt_sites, training, charges):
    """Energies that are a third of the point charges' are found to be just that."""
    icet_installed()
    scaled = TrainingSet(training.cells, training.energies_ev_per_fu / 3, training.n_formula_units, "scaled")
    fitted = fit(salt_sites, scaled, charges, fit_method="ardr")
    assert fitted.coulomb_weight == pytest.approx(1 / 3, rel=0.02)
    assert fitted.fit.cv_rmse_ev_per_fu < 0.02 * fitted.fit.spread_ev_per_fu


def test_changes_are_differences_of_totals(salt_sites, training, charges):
    icet_installed()
    rng = np.random.default_rng(0)
    for with_charges in (None, charges):
        fitted = fit(salt_sites, training, with_charges)
        energies, fresh = (cluster_energies(salt_sites, fitted, charges, 2) for _ in range(2))
        occupations = salt_sites.occupations(np.stack([salt_sites.random_order(rng) for _ in range(2)]))
        total = energies.start(occupations)
        for _ in range(15):
            first, second = rng.integers(8, size=(2, 2))
            change = energies.propose(first, second)
            accepted = rng.random(2) < 0.6
            energies.accept(accepted)
            for chain in np.flatnonzero(accepted):
                pair = [first[chain], second[chain]]
                occupations[chain, pair] = occupations[chain, pair[::-1]]
            total = np.where(accepted, total + change, total)
            assert total == pytest.approx(fresh.start(occupations), abs=1e-6)


def test_sampling_equals_exact_enumeration(salt_sites, training, charges):
    """70 states: mean and variance of the cluster expansion's energy."""
    icet_installed()
    fitted = fit(salt_sites, training)
    temperature_k = 8000.0  # bare charges differ by electron volts

    class OneByOne:
        """All states through one calculator."""

        def start(self, occupations):
            calculator = cluster_energies(salt_sites, fitted, charges, 1)
            return np.array([calculator.start(row[None])[0] for row in occupations])

    exact = Exact(salt_sites, OneByOne(), temperature_k)
    assert exact.energies_ev.std() > 0.5
    energies = cluster_energies(salt_sites, fitted, charges, 2)
    walk = run_chains(salt_sites, energies, Schedule(n_sweeps=2500, n_chains=2, seed=4), temperature_k=temperature_k)
    kept = walk.energies_ev[:, 100:]
    g = max(statistical_inefficiency(chain) for chain in kept)
    assert kept.mean() == pytest.approx(exact.mean_ev, abs=4 * np.sqrt(exact.variance_ev2 * g / kept.size))
    assert kept.var() == pytest.approx(exact.variance_ev2, rel=0.15)
    # Electrostatics of the same states tell how good the expansion is.
    coulomb = CoulombSwaps(salt_sites, charges).start(exact.occupations)
    assert np.corrcoef(coulomb, exact.energies_ev)[0, 1] > 0.9


def test_bad_input(salt_sites, training, monkeypatch):
    icet_installed()
    few = TrainingSet(training.cells[:3], training.energies_ev_per_fu[:3], training.n_formula_units[:3], "ewald")
    with pytest.raises(InputError, match="fitted to 3 orderings; enumerate and rank at least 10"):
        fit(salt_sites, few)
    with monkeypatch.context() as patch:
        patch.setattr(montecarlo.cluster, "find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"pip install 'disolyte\[cluster\]'"):
            fit(salt_sites, training)
