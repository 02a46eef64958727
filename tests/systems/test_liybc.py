import json

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Composition, Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from disolyte.errors import InputError
from disolyte.systems import disordered_structure, get_system

# Every composition of the published grid: x in {0, 1/4, 1/2, 1}, y in {0, 1/4, ..., 1}, x + y >= 1.
FORMULAS = {
    "Li3YBr6", "Li3In0.25Y0.75Br4.5Cl1.5", "Li3In0.25Y0.75Br6", "Li3In0.5Y0.5Br3Cl3", "Li3In0.5Y0.5Br4.5Cl1.5",
    "Li3In0.5Y0.5Br6", "Li3InCl6", "Li3InBr1.5Cl4.5", "Li3InBr3Cl3", "Li3InBr4.5Cl1.5", "Li3InBr6",
}  # fmt: skip


@pytest.fixture(scope="module")
def system():
    return get_system("liybc")


def test_grid(system):
    points = system.points()
    assert len(points) == 11
    assert {point.formula for point in points} == FORMULAS
    assert [point.formula for point in system.end_member_points()] == ["Li3InCl6", "Li3InBr6", "Li3YBr6"]
    assert system.point("Li3In0.5Y0.5Br3Cl3").coordinates == {"x": 0.5, "y": 0.5}


@pytest.mark.parametrize("formula", sorted(FORMULAS))
def test_every_composition(system, formula):
    structure = disordered_structure(system, system.point(formula))
    assert structure.composition.element_composition.almost_equals(Composition(formula) * 2)
    assert structure.charge == pytest.approx(0, abs=1e-9)
    assert SpacegroupAnalyzer(structure, symprec=1e-3).get_space_group_number() == 12
    labels = np.array(structure.site_properties["sublattice"])
    assert [int((labels == label).sum()) for label in ("Li", "M", "X")] == [8, 2, 12]
    lithium = [site.species.num_atoms for site in structure if site.properties["sublattice"] == "Li"]
    assert lithium == pytest.approx([0.75] * 8)
    distances = structure.distance_matrix + 9 * np.eye(len(structure))
    metal_halogen = distances[np.ix_(labels == "M", labels == "X")]
    lithium_halogen = distances[np.ix_(labels == "Li", labels == "X")]
    halogen_halogen = distances[np.ix_(labels == "X", labels == "X")]
    assert 2.4 < metal_halogen.min() < 2.9
    assert 2.4 < lithium_halogen.min() < 2.9
    assert halogen_halogen.min() > 3.3
    # Six halogens around each metal ion.
    assert ((distances[labels == "M"][:, labels == "X"] < 3.1).sum(axis=1) == 6).all()
    assert distances.min() > 2.4


def test_lattice_follows_vegard(system):
    ends = {p.formula: disordered_structure(system, p).lattice for p in system.end_member_points()}
    middle = disordered_structure(system, system.point("Li3InBr3Cl3")).lattice
    assert middle.a == pytest.approx((ends["Li3InCl6"].a + ends["Li3InBr6"].a) / 2)
    assert middle.beta == pytest.approx((ends["Li3InCl6"].beta + ends["Li3InBr6"].beta) / 2)
    assert ends["Li3InCl6"].volume < ends["Li3InBr6"].volume < ends["Li3YBr6"].volume
    # Measured cells, doi:10.1002/anie.201909805 and doi:10.1002/adma.201803075.
    assert ends["Li3InCl6"].volume == pytest.approx(429.51, abs=0.01)
    assert ends["Li3YBr6"].volume == pytest.approx(535.07, abs=0.01)


def test_fractions_of_end_members(system):
    assert system.fractions({"x": 0.5, "y": 0.75}) == pytest.approx([0.25, 0.25, 0.5])


def test_round_trip(system):
    again = json.loads(json.dumps(system, cls=MontyEncoder), cls=MontyDecoder)
    assert again == system
    assert isinstance(again.parents[0], Structure)


def test_restriction(system):
    small = system.restricted_to(["Li3InCl6", "Li3InBr6"])
    assert [point.formula for point in small.points()] == ["Li3InCl6", "Li3InBr6"]
    assert len(system.points()) == 11
    with pytest.raises(InputError, match=r"Li3InF6.*not on the grid"):
        system.restricted_to(["Li3InF6"])


def test_unknown_system():
    with pytest.raises(InputError, match="liybc"):
        get_system("unobtainium")
