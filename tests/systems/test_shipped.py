"""The shipped systems: compositions, neutrality, space groups, distances, cells that hold them."""

from itertools import pairwise

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Composition, Element, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from disolyte.enumeration import EnumerationDoc, OrderingSpace
from disolyte.enumeration.holding import find_holding_spaces
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.systems import available_systems, disordered_structure, get_system
from disolyte.systems.structures import find_symmetry

# Compositions, space group, formula units, largest number of atoms in the smallest cell that holds a composition.
EXPECTED = {
    "nasicon": (13, 167, 2, 83),
    "lpsgo": (9, 62, 4, 71),
    "liybc": (11, 12, 2, 40),
    "li3ps4-alpha": (1, 63, 4, 32),
    "li3ps4-beta": (1, 62, 4, 32),
    "li3ps4-gamma": (1, 31, 2, 16),
    "li4geo4-cmcm": (1, 63, 4, 36),
}
POINTS = [(key, point.formula) for key in EXPECTED for point in get_system(key).points()]
UNMIXED = [
    (key, point.formula)
    for key in EXPECTED
    for point in get_system(key).points()
    if all(len(site.species) == 1 for site in disordered_structure(get_system(key), point))
]
SHORTEST_ANG = {
    frozenset(pair): bounds
    for pair, bounds in {
        ("P", "O"): (1.45, 1.60),
        ("Si", "O"): (1.55, 1.75),
        ("Zr", "O"): (1.95, 2.15),
        ("P", "S"): (1.90, 2.15),
        ("Ge", "O"): (1.70, 1.85),
        ("Na", "O"): (2.3, 2.7),
        ("Li", "O"): (1.8, 2.2),
        ("Li", "S"): (2.2, 2.7),
        ("Li", "Cl"): (2.4, 2.8),
        ("Li", "Br"): (2.5, 2.9),
        ("In", "Cl"): (2.4, 2.7),
        ("In", "Br"): (2.5, 2.8),
        ("Y", "Br"): (2.6, 2.9),
    }.items()
}
"""Shortest distances of the bonds in ordered end members and phases."""


def test_all_are_listed():
    assert available_systems() == list(EXPECTED)


@pytest.mark.parametrize("key", EXPECTED)
def test_description(key):
    system = get_system(key)
    n_points, _, formula_units, _ = EXPECTED[key]
    system.check()
    assert len(system.points()) == n_points
    assert system.formula_units_per_cell == formula_units
    assert system.references
    assert len(system.end_members) == len(system.axes) + 1


@pytest.mark.parametrize(("key", "formula"), POINTS)
def test_every_composition(key, formula):
    system = get_system(key)
    structure = disordered_structure(system, system.point(formula))
    assert structure.composition.element_composition.almost_equals(
        Composition(formula) * system.formula_units_per_cell, rtol=1e-9, atol=1e-9
    )
    assert structure.charge == pytest.approx(0, abs=1e-9)
    # One element per sublattice, so that symmetry is that of the sublattices.
    labels = structure.site_properties["sublattice"]
    elements = {label: Element.from_Z(number) for number, label in enumerate(sorted(set(labels)), start=3)}
    bare = Structure(structure.lattice, [elements[label] for label in labels], structure.frac_coords)
    assert SpacegroupAnalyzer(bare, symprec=1e-3).get_space_group_number() == EXPECTED[key][1]
    assert structure.properties["caveats"] == system.caveats


@pytest.mark.parametrize("key", EXPECTED)
def test_sites_of_one_sublattice_never_exclude_each_other(key):
    """Any ordering may be drawn at random, so no two sites may be too close for two ions."""
    system = get_system(key)
    for point in system.points():
        structure = disordered_structure(system, point)
        distances = structure.distance_matrix + 9 * np.eye(len(structure))
        mobile = np.array([label == system.mobile_ion for label in structure.site_properties["sublattice"]])
        assert distances[np.ix_(mobile, mobile)].min() > 2.2
        assert distances.min() > 1.5


@pytest.mark.parametrize(("key", "formula"), UNMIXED)
def test_bonds(key, formula):
    """Bonds are of known length where no two ions share a site."""
    system = get_system(key)
    structure = disordered_structure(system, system.point(formula))
    symbols = np.array([next(iter(site.species)).symbol for site in structure])
    distances = structure.distance_matrix + 9 * np.eye(len(structure))
    anions = set(symbols) & {"O", "S", "Cl", "Br"}
    for cation in set(symbols) - anions:
        for anion in anions:
            low, high = SHORTEST_ANG[frozenset((cation, anion))]
            assert low < distances[np.ix_(symbols == cation, symbols == anion)].min() < high, (cation, anion)


def test_tetrahedra_and_octahedra():
    """Four anions around P, Si, Ge and six around Zr, at nearly one distance."""
    for key, formula, centre, number, reach in (
        ("nasicon", "NaZr2P3O12", "P", 4, 1.65),
        ("nasicon", "NaZr2P3O12", "Zr", 6, 2.3),
        ("nasicon", "Na4Zr2Si3O12", "Si", 4, 1.75),
        ("nasicon", "Na4Zr2Si3O12", "Zr", 6, 2.3),
        ("lpsgo", "Li3PS4", "P", 4, 2.2),
        ("lpsgo", "Li4GeO4", "Ge", 4, 1.9),
        ("li3ps4-alpha", "Li3PS4", "P", 4, 2.2),
        ("li3ps4-gamma", "Li3PS4", "P", 4, 2.2),
        ("li4geo4-cmcm", "Li4GeO4", "Ge", 4, 1.9),
    ):
        system = get_system(key)
        structure = disordered_structure(system, system.point(formula))
        for site in structure:
            if next(iter(site.species)).symbol == centre:
                assert len(structure.get_neighbors(site, reach)) == number, (key, centre)


def test_measured_cells():
    volumes = {
        ("nasicon", "NaZr2P3O12"): 8.8043**2 * 22.7585 * np.sqrt(3) / 2 / 3,  # doi:10.3891/acta.chem.scand.22-1822
        ("nasicon", "Na4Zr2Si3O12"): 1621.04 / 3,  # ICSD 15546
        ("lpsgo", "Li3PS4"): 645.23,  # doi:10.1016/j.ssi.2010.10.001
        ("li3ps4-gamma", "Li3PS4"): 309.13,  # doi:10.1021/ja3110895
        ("li4geo4-cmcm", "Li4GeO4"): 345.61,  # doi:10.1021/acs.chemmater.8b01504
    }
    for (key, formula), volume in volumes.items():
        system = get_system(key)
        assert disordered_structure(system, system.point(formula)).volume == pytest.approx(volume, rel=1e-4)


@pytest.mark.parametrize("key", ["nasicon", "lpsgo"])
def test_volume_goes_smoothly_from_one_end_to_the_other(key):
    system = get_system(key)
    volumes = [disordered_structure(system, point).volume for point in system.points()]
    signs = {np.sign(b - a) for a, b in pairwise(volumes)}
    assert len(signs) == 1


@pytest.mark.parametrize(("key", "formula"), POINTS)
def test_cells_that_hold_it(key, formula):
    system = get_system(key)
    structure = disordered_structure(system, system.point(formula))
    spaces = find_holding_spaces(structure, system.supercells)
    smallest = next(iter(spaces.values()))
    assert sum(smallest.cell.amounts().values()) <= EXPECTED[key][3]
    assert smallest.n_formula_units(formula) % system.formula_units_per_cell == pytest.approx(0)
    assert smallest.occupancy_changes == []


def test_known_counts_of_nasicon():
    """Counts of Na(1) full, Na(2) two thirds full, Si:P 1:2, in the primitive, a doubled and the hexagonal cell."""
    parent = get_system("nasicon").parents[0].copy()
    sites = find_symmetry(parent).equivalent_atoms
    labels = np.array(parent.site_properties["sublattice"], dtype=object)
    first, second = dict.fromkeys(sites[labels == "Na"].tolist())
    labels[(labels == "Na") & (sites == second)] = "Na2"
    assert [int((sites == orbit).sum()) for orbit in (first, second)] == [2, 6]
    species = {"Na": "Na", "Na2": {"Na": 2 / 3}, "Zr": "Zr", "T": {"Si": 1 / 3, "P": 2 / 3}, "O": "O"}
    structure = Structure(parent.lattice, [species[label] for label in labels], parent.frac_coords)
    hexagonal = [[1, -1, 0], [0, 1, -1], [1, 1, 1]]
    counts = [OrderingSpace.from_structure(structure, cell).n_distinct for cell in (1, (2, 1, 1), hexagonal)]
    assert counts == [24, 30771, 9575829]
    lengths = np.linalg.norm(np.array(hexagonal) @ parent.lattice.matrix, axis=1)
    assert lengths == pytest.approx([8.8043, 8.8043, 22.7585], abs=1e-4)


def test_ordered_end_member_has_one_ordering(job_store):
    system = get_system("lpsgo")
    point = system.point("Li4GeO4")
    job = EnumerationMaker(n_lowest=5, n_diverse=5).make(
        disordered_structure(system, point), point=point, supercells=system.supercells
    )
    document = EnumerationDoc.model_validate(run_locally(job, store=job_store, ensure_success=True)[job.uuid][1].output)
    assert [cell.n_distinct for cell in document.cells] == [1, 1]
    # The larger cell holds the same crystal, which is left out.
    assert [len(cell.energies_ev) for cell in document.cells] == [1, 0]
    assert document.cells[0].structure(0).composition.reduced_formula == "Li4GeO4"
    assert set(system.caveats) <= set(document.caveats)
    # All charges are counted, and once.
    structure = disordered_structure(system, point)
    assert document.cells[0].energies_ev[0] == pytest.approx(EwaldSummation(structure).total_energy, abs=1e-6)
    assert document.cells[0].n_formula_units == 4
