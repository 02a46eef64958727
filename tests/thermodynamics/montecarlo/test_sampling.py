"""Chains against exact enumeration: detailed balance, mean energy, heat capacity; for every source of energies."""

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from scipy.stats import chisquare
from small_cases import Exact, all_occupations, halide, rock_salt

from disolyte.errors import CompositionError, InputError, OxidationStateError, StructureError
from disolyte.models import ModelSource, load_model
from disolyte.thermodynamics.montecarlo import Schedule, build_sites, run_chains, statistical_inefficiency
from disolyte.thermodynamics.montecarlo.energies import CoulombSwaps, ModelSwaps
from disolyte.thermodynamics.montecarlo.sites import read_charges

T = 800.0


def screened(disordered, permittivity):
    return {name: q / permittivity**0.5 for name, q in read_charges(disordered, None).items()}


def check_against_exact(walk, exact):
    """Visits follow Boltzmann's distribution; mean energy and its variance are those of all states."""
    kept = walk.energies_ev[:, 100:]
    g = max(statistical_inefficiency(chain) for chain in kept)
    step = int(np.ceil(3 * g))
    samples = walk.occupations[:, 100::step].reshape(-1, walk.occupations.shape[-1])
    counts, expected = exact.counts(samples), len(samples) * exact.probabilities
    rare = expected < 5
    observed = np.append(counts[~rare], counts[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    if wanted[-1] < 5:
        observed, wanted = observed[:-1], wanted[:-1] * observed[:-1].sum() / wanted[:-1].sum()
    assert len(wanted) > 5
    assert chisquare(observed, wanted).pvalue > 1e-3
    # The test can tell: all states alike, as at infinite temperature, are refused.
    assert chisquare(counts, np.full(len(counts), len(samples) / len(counts))).pvalue < 1e-6
    error = np.sqrt(exact.variance_ev2 * g / kept.size)
    assert kept.mean() == pytest.approx(exact.mean_ev, abs=4 * error)
    assert kept.var() == pytest.approx(exact.variance_ev2, rel=0.15)


def test_point_charges_on_two_sublattices():
    """28 x 2 states: lithium and vacancies, indium and yttrium. The metals differ by charge here, or nothing would."""
    disordered = halide(x=0.5)
    sites = build_sites(disordered, (1, 1, 1))
    assert {block.sublattice for block in sites.blocks} == {"Li", "M"}
    charges = {**screened(disordered, 12.0), "Y": 3.5 / 12**0.5, "In": 2.5 / 12**0.5}
    energies = CoulombSwaps(sites, charges)
    exact = Exact(sites, energies, T)
    assert len(exact.occupations) == 56
    walk = run_chains(sites, energies, Schedule(n_sweeps=2500, n_chains=4, seed=3), temperature_k=T)
    check_against_exact(walk, exact)


def test_three_species_on_one_sublattice():
    """Blocks of three sizes: all pairs of unlike ions are equally likely to be proposed."""
    sites = build_sites(rock_salt({"Li+": 0.5, "Sc3+": 0.25, "Mg2+": 0.25}), (2, 2, 1))
    energies = CoulombSwaps(sites, screened(rock_salt({"Li+": 0.5, "Sc3+": 0.25, "Mg2+": 0.25}), 40.0))
    walk = run_chains(sites, energies, Schedule(n_sweeps=2500, n_chains=2, seed=1), temperature_k=T)
    states, counts = np.unique(walk.occupations.reshape(-1, 4), axis=0, return_counts=True)
    assert len(states) == 12
    log_weights = -energies.start(states) / (8.617333262e-5 * T)
    weights = np.exp(log_weights - log_weights.max())
    assert counts / counts.sum() == pytest.approx(weights / weights.sum(), abs=0.02)


class Remembering:
    """The small reference model, asked once for each structure."""

    def __init__(self):
        self.model = load_model(ModelSource(name="disolyte-small"))
        self.known = {}

    def predict_energies(self, structures, max_atoms):
        keys = [atoms.numbers.tobytes() + atoms.positions.tobytes() for atoms in structures]
        new = {key: atoms for key, atoms in zip(keys, structures, strict=True) if key not in self.known}
        if new:
            found = self.model.predict_energies(list(new.values()), max_atoms)
            self.known |= dict(zip(new, found, strict=True))
        return np.array([self.known[key] for key in keys])


def test_model():
    """28 states of Li3InCl6 with the energies of a MACE model."""
    sites = build_sites(halide(), (1, 1, 1))
    energies = ModelSwaps(sites, Remembering(), max_atoms=512)
    exact = Exact(sites, energies, 3000.0)
    assert len(exact.occupations) == 28
    walk = run_chains(sites, energies, Schedule(n_sweeps=1000, n_chains=3, seed=5), temperature_k=3000.0)
    check_against_exact(walk, exact)


@pytest.mark.parametrize("repeats", [(2, 2, 2), (3, 1, 2)])
def test_changes_are_differences_of_totals(repeats):
    """Proposals and accepted swaps, against energies summed up anew and against pymatgen's."""
    disordered = rock_salt({"Li+": 1 / 3, "Sc3+": 2 / 3}) if repeats[0] == 3 else rock_salt()
    sites = build_sites(disordered, repeats)
    charges = read_charges(disordered, None)
    energies, fresh = CoulombSwaps(sites, charges), CoulombSwaps(sites, charges)
    rng = np.random.default_rng(2)
    occupations = sites.occupations(np.stack([sites.random_order(rng) for _ in range(3)]))
    total = energies.start(occupations)
    structure = sites.structure(occupations[0]).add_oxidation_state_by_element(charges)
    assert total[0] == pytest.approx(EwaldSummation(structure).total_energy, abs=1e-6)
    for _ in range(20):
        first, second = rng.integers(len(sites.varying), size=(2, 3))
        change = energies.propose(first, second)
        accepted = rng.random(3) < 0.5
        energies.accept(accepted)
        chains = np.flatnonzero(accepted)
        pair = np.stack([first[chains], second[chains]], axis=1)
        occupations[chains[:, None], pair] = occupations[chains[:, None], pair[:, ::-1]]
        total = np.where(accepted, total + change, total)
        assert total == pytest.approx(fresh.start(occupations), abs=1e-8)


def test_killed_chains_go_on_as_if_they_had_not_been(tmp_path, salt_sites):
    class KilledError(Exception):
        pass

    class Mortal(CoulombSwaps):
        lives = 30

        def start(self, occupations):
            self.lives -= 1
            if self.lives == 0:
                raise KilledError
            return super().start(occupations)

    charges, schedule = screened(rock_salt(), 10.0), Schedule(n_sweeps=60, n_chains=2, seed=9)
    whole = run_chains(salt_sites, CoulombSwaps(salt_sites, charges), schedule, temperature_k=T)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("disolyte.thermodynamics.montecarlo.metropolis.CHECKPOINT_S", -1.0)
        with pytest.raises(KilledError):
            run_chains(salt_sites, Mortal(salt_sites, charges), schedule, temperature_k=T, folder=tmp_path)
    counting = Mortal(salt_sites, charges)
    counting.lives = 1000
    resumed = run_chains(salt_sites, counting, schedule, temperature_k=T, folder=tmp_path)
    assert 1000 - counting.lives == 60 - 29
    assert np.array_equal(resumed.energies_ev, whole.energies_ev)
    assert np.array_equal(resumed.occupations, whole.occupations)
    # Another temperature is another run.
    other = run_chains(salt_sites, CoulombSwaps(salt_sites, charges), schedule, temperature_k=900.0, folder=tmp_path)
    assert not np.array_equal(other.energies_ev, whole.energies_ev)


def test_composition_is_kept_and_seeds_decide(salt_sites):
    charges = screened(rock_salt(), 10.0)

    def run(seed):
        schedule = Schedule(n_sweeps=30, n_chains=2, seed=seed)
        return run_chains(salt_sites, CoulombSwaps(salt_sites, charges), schedule, temperature_k=T)

    walk = run(1)
    assert {salt_sites.structure(row).formula for row in walk.occupations[0]} == {"Li4 Sc4 O8"}
    assert np.array_equal(walk.occupations, run(1).occupations)
    assert not np.array_equal(walk.occupations, run(2).occupations)
    assert not np.array_equal(walk.occupations[0], walk.occupations[1])


def test_other_sublattices_stay_as_they_are():
    sites = build_sites(halide(x=0.5), (1, 1, 2), ["Li"])
    walk = run_chains(
        sites, CoulombSwaps(sites, screened(halide(x=0.5), 10.0)), Schedule(n_sweeps=30, n_chains=3), temperature_k=T
    )
    is_metal = [sites.sublattices[site % len(sites.allowed)] == "M" for site in sites.varying]
    assert (walk.occupations[:, :, is_metal] == walk.occupations[0, 0, is_metal]).all()
    assert (walk.occupations[0, 0] != walk.occupations[0, -1]).any()
    assert sites.n_swapped == 16


def test_all_states_are_counted(salt_sites):
    assert len(all_occupations(salt_sites)) == 70


def test_bad_input(salt_sites):
    with pytest.raises(StructureError, match="no sublattice of .* is disordered"):
        build_sites(rock_salt({"Li+": 1.0}), (2, 2, 2))
    with pytest.raises(CompositionError, match=r"'M' asks for 4.500 Li on the 9 sites of a 3×3×1 supercell"):
        build_sites(rock_salt(), (3, 3, 1))
    with pytest.raises(InputError, match=r"supercell is \(2, 0, 2\)"):
        build_sites(rock_salt(), (2, 0, 2))
    with pytest.raises(InputError, match=r"\['Q'\] are not disordered; these are: \['M'\]"):
        build_sites(rock_salt(), (2, 2, 2), ["Q"])
    bare = rock_salt({"Li": 0.5, "Sc": 0.5})
    with pytest.raises(OxidationStateError, match="Li has no oxidation state"):
        read_charges(bare, None)
    assert read_charges(bare, {"Li": 1, "Sc": 3, "O": -2})["Sc"] == 3
    energies = CoulombSwaps(salt_sites, screened(rock_salt(), 10.0))
    with pytest.raises(InputError, match=r"temperature of the Monte Carlo is 0.0 K"):
        run_chains(salt_sites, energies, Schedule(), temperature_k=0.0)
    with pytest.raises(InputError, match="n_sweeps of the Monte Carlo is 5; it must be at least 20"):
        run_chains(salt_sites, energies, Schedule(n_sweeps=5), temperature_k=T)

    class Broken:
        def predict_energies(self, structures, max_atoms):
            return np.full(len(structures), np.nan)

    with pytest.raises(InputError, match="an energy of chain 0 is nan in sweep 1"):
        run_chains(salt_sites, ModelSwaps(salt_sites, Broken(), 1), Schedule(n_sweeps=20), temperature_k=T)
