"""Parents whose numbers of orderings are known."""

import pytest
from pymatgen.core import Lattice, Structure

HALF = {"Na": 0.5, "K": 0.5}


def rock_salt(first=0.5):
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(6.39), [{"Na": first, "K": 1 - first}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def rutile():
    return Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.6334, 3.0728), [{"Fe": 0.5, "Sb": 0.5}, "O"], [[0, 0, 0], [0.302, 0.302, 0]]
    )


def spinel():
    # Origin choice 1.
    return Structure.from_spacegroup(
        "Fd-3m",
        Lattice.cubic(8.08),
        ["Mg", {"Al": 0.5, "Fe": 0.5}, "O"],
        [[0, 0, 0], [0.625, 0.625, 0.625], [0.3874, 0.3874, 0.3874]],
    )


def garnet(on_16a="Al", on_24c="Ca", on_24d="Si"):
    return Structure.from_spacegroup(
        "Ia-3d",
        Lattice.cubic(12.0),
        [on_16a, on_24c, on_24d, "O"],
        [[0, 0, 0], [1 / 8, 0, 1 / 4], [3 / 8, 0, 1 / 4], [-0.031, 0.051, 0.149]],
    ).get_primitive_structure()


def square_lattice(**occupancies):
    return Structure(Lattice.tetragonal(3, 10), [occupancies], [[0, 0, 0]])


def nasicon():
    return Structure.from_spacegroup(
        "R-3c",
        Lattice.hexagonal(8.95, 22.9),
        ["Na", {"Na": 2 / 3}, "Zr", {"Si": 1 / 3, "P": 2 / 3}, "O", "O"],
        [[0, 0, 0], [0.64, 0, 0.25], [0, 0, 0.147], [0.295, 0, 0.25], [0.18, -0.028, 0.19], [0.19, 0.167, 0.085]],
    )


NASICON_CHARGES = {"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}


@pytest.fixture
def parents():
    """The parents, by name."""
    return {
        "rock_salt": rock_salt,
        "rutile": rutile,
        "spinel": spinel,
        "garnet": garnet,
        "square_lattice": square_lattice,
        "nasicon": nasicon,
    }
