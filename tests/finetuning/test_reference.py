"""What the reference models learn from."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from disolyte.errors import StructureError
from disolyte.finetuning.reference.orderings import CLOSEST_MOBILE_ANG, SiteCell, SystemOrderings
from disolyte.finetuning.reference.recipe import RECIPES
from disolyte.finetuning.reference.structures import HalideOrderings, training_structures
from disolyte.systems import get_system

BROAD = RECIPES["broad"]


@pytest.fixture(scope="module")
def orderings():
    return SystemOrderings(BROAD.systems)


def test_draws_are_neutral_have_their_composition_and_keep_mobile_ions_apart(orderings):
    rng = np.random.default_rng(1)
    for index in range(2 * len(BROAD.systems)):
        atoms = orderings.draw(index, rng, (1, 1, 1))
        system = orderings.systems[atoms.info["system"]]
        assert atoms.info["system"] == BROAD.systems[index % len(BROAD.systems)]
        symbols = atoms.get_chemical_symbols()
        assert sum(system.oxidation_states[symbol] for symbol in symbols) == 0
        mobile = atoms[[atom.index for atom in atoms if atom.symbol == system.mobile_ion]]
        assert len(neighbor_list("d", mobile, CLOSEST_MOBILE_ANG - 1e-6)) == 0


def test_amounts_are_those_of_the_composition_where_the_cell_holds_them(orderings):
    rng = np.random.default_rng(2)
    system = orderings.systems["nasicon"]
    for x in (0.0, 1.0, 2.0, 3.0):
        point = system.point_at({"x": x})
        atoms = orderings.draw_at("nasicon", point, rng, kt_ev=1.0)
        formula_units = atoms.get_chemical_symbols().count("Zr") / 2
        counts = {element: n * formula_units for element, n in system.amounts(point.coordinates).items() if n}
        assert counts == {element: atoms.get_chemical_symbols().count(element) for element in counts}


def test_cold_draws_have_less_coulomb_energy_than_hot_ones():
    """The energy that the swaps account for is that of an independent Ewald sum."""
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.io.ase import AseAtomsAdaptor

    system = get_system("nasicon")
    cell = SiteCell.of(system, system.point_at({"x": 1.0}), (1, 1, 1), 20)

    def coulomb_ev(atoms):
        structure = AseAtomsAdaptor.get_structure(atoms)
        structure.add_oxidation_state_by_element(system.oxidation_states)
        return EwaldSummation(structure).total_energy

    rng = np.random.default_rng(3)
    cold, hot = ([coulomb_ev(cell.draw(rng, kt_ev)) for _ in range(12)] for kt_ev in (0.3, 1e4))
    assert np.mean(cold) < np.mean(hot) - 5.0
    assert np.std(cold) < np.std(hot)


def test_energy_of_the_swaps_is_that_of_the_charges():
    system = get_system("nasicon")
    cell = SiteCell.of(system, system.point_at({"x": 1.0}), (1, 1, 1), 20)
    rng = np.random.default_rng(4)
    species = cell._random_species(rng)
    charges = np.array([0.0 if entry is None else entry.oxi_state for entry in species])
    energy_ev = cell._anneal(species, charges, rng, 5.0)
    assert charges.tolist() == [0.0 if entry is None else entry.oxi_state for entry in species]
    assert energy_ev == pytest.approx(charges @ cell.coulomb_ev @ charges)


def test_mobile_ions_that_cannot_be_kept_apart_are_an_error(monkeypatch):
    monkeypatch.setattr("disolyte.finetuning.reference.orderings.CLOSEST_MOBILE_ANG", 6.0)
    system = get_system("nasicon")
    cell = SiteCell.of(system, system.point_at({"x": 2.0}), (1, 1, 1), 20)
    with pytest.raises(StructureError, match=r"Na ions 6\.0 Å apart; use a larger cell"):
        cell.draw(np.random.default_rng(0), 1.0)


@pytest.mark.parametrize(("source", "n"), [(HalideOrderings(), 12), (SystemOrderings(BROAD.systems), 14)])
def test_training_frames_keep_atoms_apart_and_come_again_with_the_seed(source, n):
    frames, again = (training_structures(n, source, np.random.default_rng(5), (0.02, 0.1)) for _ in range(2))
    assert len(frames) == n
    for one, other in zip(frames, again, strict=True):
        assert len(neighbor_list("d", one, 1.2)) == 0
        np.testing.assert_array_equal(one.positions, other.positions)


def test_every_shipped_system_is_in_the_broad_recipe():
    from disolyte.systems import available_systems

    assert set(available_systems()) <= set(BROAD.systems)
