import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.thermodynamics.lattice import lattice_constants
from disolyte.thermodynamics.schema import ParentSetting

MONOCLINIC = Lattice.from_parameters(6.43, 11.09, 6.40, 90, 109.8, 90)
HEXAGONAL = Lattice.hexagonal(8.8, 22.7)
SKEW = [[1, 1, 0], [-1, 2, 0], [0, 1, 2]]


def in_cell(lattice, supercell, strain=0.0, n_sites=4):
    matrix = np.array(supercell) @ lattice.matrix @ (np.eye(3) + strain)
    return Structure(Lattice(matrix), ["Li"] * n_sites, np.random.default_rng(0).random((n_sites, 3)))


def setting(lattice, supercell):
    return ParentSetting(supercell=supercell, lattice_ang=lattice.matrix.tolist())


@pytest.mark.parametrize("supercell", [np.eye(3, dtype=int).tolist(), [[1, 0, 0], [0, 2, 0], [0, 0, 2]], SKEW])
def test_the_parent_comes_back_from_any_supercell(supercell):
    found = lattice_constants(in_cell(MONOCLINIC, supercell), n_formula_units=8, parent=setting(MONOCLINIC, supercell))
    lengths_and_angles = [found.a_ang, found.b_ang, found.c_ang, found.alpha_deg, found.beta_deg, found.gamma_deg]
    assert lengths_and_angles == pytest.approx(MONOCLINIC.parameters, abs=1e-9)
    assert found.volume_ang3_per_fu == pytest.approx(MONOCLINIC.volume * abs(np.linalg.det(supercell)) / 8)
    assert found.setting == "parent"


def test_uniform_expansion_and_rotation():
    angle = 0.3
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    structure = in_cell(MONOCLINIC, SKEW)
    turned = Structure(Lattice(1.01 * structure.lattice.matrix @ rotation), structure.species, structure.frac_coords)
    found = lattice_constants(turned, n_formula_units=1, parent=setting(MONOCLINIC, SKEW))
    assert found.a_ang == pytest.approx(1.01 * 6.43)
    assert found.beta_deg == pytest.approx(109.8)


def test_distortion_is_averaged_over_the_lattice_s_symmetry():
    """An ordering that stretches a hexagonal cell along x: a and b stay equal, gamma stays 120 degrees."""
    stretched = np.diag([0.02, 0.0, 0.0])
    found = lattice_constants(in_cell(HEXAGONAL, SKEW, stretched), n_formula_units=6, parent=setting(HEXAGONAL, SKEW))
    assert found.a_ang == pytest.approx(found.b_ang, abs=1e-9)
    assert found.gamma_deg == pytest.approx(120, abs=1e-6)
    assert found.c_ang == pytest.approx(22.7)
    # The mean of a squared over the plane's directions: (1.02^2 + 1) / 2.
    assert found.a_ang == pytest.approx(8.8 * np.sqrt((1.02**2 + 1) / 2))


def test_turned_domains_have_the_same_constants():
    """The same ordering in two equivalent directions of the parent is the same phase."""
    along_x, along_y = ([[2, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 2, 0], [0, 0, 1]])
    turn = np.array([[-0.5, -np.sqrt(3) / 2, 0], [np.sqrt(3) / 2, -0.5, 0], [0, 0, 1]])
    strain = np.diag([0.02, 0.0, 0.0])
    first = lattice_constants(
        in_cell(HEXAGONAL, along_x, strain), n_formula_units=1, parent=setting(HEXAGONAL, along_x)
    )
    second = lattice_constants(
        in_cell(HEXAGONAL, along_y, turn.T @ strain @ turn), n_formula_units=1, parent=setting(HEXAGONAL, along_y)
    )
    assert first.model_dump() == pytest.approx(second.model_dump())


def test_without_a_parent_the_cell_is_told_as_it_is():
    found = lattice_constants(in_cell(MONOCLINIC, SKEW), n_formula_units=2, parent=None)
    assert found.setting == "supercell"
    assert found.a_ang == pytest.approx(in_cell(MONOCLINIC, SKEW).lattice.a)
