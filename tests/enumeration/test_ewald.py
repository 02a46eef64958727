"""Energies of many orderings at once, against pymatgen's of one structure at a time."""

import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure

from disolyte.electrostatics import COULOMB_EV_ANG, pair_matrix_ev
from disolyte.enumeration import OrderingSpace

NASICON_CHARGES = {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}


def pymatgen_energy(structure, charges=None):
    structure = structure.copy()
    if charges:
        structure.add_oxidation_state_by_element(charges)
    return EwaldSummation(structure).total_energy


def test_madelung_constants():
    """Rock salt 1.747565, CsCl 1.762675 per pair in units of the nearest distance."""
    for structure, madelung, distance in [
        (Structure.from_spacegroup("Fm-3m", Lattice.cubic(6), ["Na", "Cl"], [[0] * 3, [0.5] * 3]), 1.7475645946, 3),
        (Structure(Lattice.cubic(4), ["Cs", "Cl"], [[0] * 3, [0.5] * 3]), 1.7626747730, 4 * np.sqrt(3) / 2),
    ]:
        charges = np.array([1.0 if site.specie.symbol in ("Na", "Cs") else -1.0 for site in structure])
        matrix = pair_matrix_ev(structure.lattice.matrix, structure.frac_coords)
        per_pair = 0.5 * charges @ matrix @ charges / (len(structure) / 2)
        assert per_pair == pytest.approx(-madelung * COULOMB_EV_ANG / distance, rel=1e-9)


def test_point_charge_in_its_background():
    """A simple cubic Wigner crystal: -1.4186487 e²/a per charge (half of the potential -2.837297)."""
    matrix = pair_matrix_ev(5 * np.eye(3), np.zeros((1, 3)))
    assert matrix[0, 0] == pytest.approx(-2.8372974795 * COULOMB_EV_ANG / 5, rel=1e-9)


def test_nasicon_energies_are_pymatgen_s(parents):
    space = OrderingSpace.from_structure(parents["nasicon"](), oxidation_states=NASICON_CHARGES)
    batch = space.sample_orderings(4, seed=1)
    for row, energy in zip(batch.occupations, space.energies_ev(batch.occupations), strict=True):
        assert energy == pytest.approx(pymatgen_energy(space.to_structure(row), NASICON_CHARGES), abs=1e-6)


def test_lithium_halide_energies_in_a_skew_cell_are_pymatgen_s():
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    disordered = disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3"))
    space = OrderingSpace.from_structure(disordered, [[1, 1, 0], [0, 1, 1], [1, 0, 1]])
    batch = space.sample_orderings(4, seed=1)
    for row, energy in zip(batch.occupations, space.energies_ev(batch.occupations), strict=True):
        # The species carry their charges.
        assert energy == pytest.approx(EwaldSummation(space.to_structure(row)).total_energy, abs=1e-6)


def test_charged_cells_and_triclinic_ones():
    rng = np.random.default_rng(3)
    lattice = Lattice.from_parameters(4.2, 6.1, 9.3, 71, 98, 112)
    disordered = Structure(lattice, [{"Li": 0.5}, {"Li": 0.5}, {"Fe": 0.5, "Mg": 0.5}, "O", "F"], rng.random((5, 3)))
    charges = {"Li": 1, "Fe": 3, "Mg": 2, "O": -2, "F": -1}
    space = OrderingSpace.from_structure(disordered, (2, 1, 1), oxidation_states=charges)
    assert space.oxidation_states.total_charge_e == pytest.approx(1.0)
    assert "background" in space.oxidation_states.caveats[0]
    for batch in space.iter_orderings():
        energies = space.energies_ev(batch.occupations)
        for row, energy in zip(batch.occupations[:5], energies, strict=False):
            assert energy == pytest.approx(pymatgen_energy(space.to_structure(row), charges), abs=1e-6)


def test_a_long_thin_cell():
    structure = Structure(Lattice.orthorhombic(3, 3, 40), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.07]])
    charges = np.array([1.0, -1.0])
    energy = 0.5 * charges @ pair_matrix_ev(structure.lattice.matrix, structure.frac_coords) @ charges
    assert energy == pytest.approx(pymatgen_energy(structure, {"Na": 1, "Cl": -1}), abs=1e-6)
