from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from disolyte.errors import CompositionError, InputError, OxidationStateError, StructureError
from disolyte.systems import DisorderedSystem, WyckoffSite, disordered_structure, parent_structure

STATES = {"Na": 1, "K": 1, "Cl": -1}


def rock_salt(cation):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.0), [cation, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def binary(**changes):
    parent = parent_structure(
        "Fm-3m", (6, 6, 6, 90, 90, 90), [WyckoffSite("A", "Na", (0, 0, 0)), WyckoffSite("B", "Cl", (0.5, 0.5, 0.5))]
    )
    fields = {
        "key": "salt",
        "title": "Na(1-x)K(x)Cl",
        "parents": [parent],
        "occupancies": {"A": {"Na": "1-x", "K": "x"}},
        "grid": {"x": [0.0, 0.25, 0.5, 1.0]},
        "end_members": [{"x": 0.0}, {"x": 1.0}],
        "mobile_ion": "Na",
        "oxidation_states": STATES,
        "formula_units_per_cell": 4,
    }
    return DisorderedSystem(**{**fields, **changes})


def test_system_from_python():
    system = binary()
    system.check()
    assert [point.formula for point in system.points()] == ["NaCl", "Na0.75K0.25Cl", "Na0.5K0.5Cl", "KCl"]
    structure = disordered_structure(system, system.point("Na0.75K0.25Cl"))
    assert structure.formula == "K1 Na3 Cl4"
    assert disordered_structure(system, system.point("NaCl")).is_ordered


def test_occupancy_above_one_names_sublattice_and_value():
    system = binary(grid=[{"x": 1.5}])
    with pytest.raises(CompositionError, match=r"sublattice 'A'.*-0.5 of Na"):
        system.points()
    with pytest.raises(CompositionError, match=r"1.25 of all species"):
        binary(occupancies={"A": {"Na": "1", "K": "x"}}).points()


def test_charge_is_named():
    system = binary(oxidation_states={"Na": 1, "K": 2, "Cl": -1})
    with pytest.raises(OxidationStateError, match=r"\+0.25 e per formula unit, \+1 e per cell.*K \+2"):
        system.check()


def test_charge_of_a_cell_that_is_one_formula_unit():
    """Amounts without a common divisor make the cell the formula unit: Na2.8K1.2Cl4."""
    system = binary(grid=[{"x": 0.3}], oxidation_states={"Na": 1, "K": 2, "Cl": -1}, formula_units_per_cell=1)
    with pytest.raises(
        OxidationStateError, match=r"Na2.8K1.2Cl4 .*\+1.2 e per formula unit, \+1.2 e per cell of 1 formula unit, "
    ):
        system.check()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"oxidation_states": {"Na": 1}}, OxidationStateError, "K, Cl"),
        ({"mobile_ion": "Li"}, CompositionError, "'Li'"),
        ({"occupancies": {"Z": {"Na": "1"}}}, StructureError, "'Z'"),
        ({"grid": [{"x": 0.0}, {"z": 0.0}]}, CompositionError, "'z'"),
        ({"parents": [rock_salt("Na")]}, StructureError, "site property 'sublattice'"),
    ],
)
def test_parts_that_do_not_fit(changes, error, message):
    with pytest.raises(error, match=message):
        binary(**changes)


def test_end_members_that_do_not_span():
    with pytest.raises(CompositionError, match="do not span"):
        binary(end_members=[{"x": 0.0}, {"x": 0.0}]).fractions({"x": 0.5})


def test_compositions_outside_the_end_members():
    with pytest.raises(CompositionError, match=r"KCl of 'salt' is no mixture.*share -1 of NaCl"):
        binary(end_members=[{"x": 0.0}, {"x": 0.5}]).check()


def test_one_composition_has_no_axes():
    given = binary(occupancies={"A": {"Na": "1/2", "K": "1/2"}}, grid=[{}], end_members=[{}])
    fields = {name: value for name, value in dict(given).items() if name not in {"grid", "end_members"}}
    system = DisorderedSystem(**fields)
    assert system == given, "they need not be given"
    system.check()
    (point,) = system.points()
    assert system.axes == []
    assert point.coordinates == {}
    assert system.fractions({}) == [1.0]
    assert system.end_member_points() == [point]
    with pytest.raises(CompositionError, match="do not span"):
        binary(occupancies={"A": {"Na": "1"}}, grid=[{}], end_members=[{}, {}]).check()


def test_empty_composition():
    nothing = {"A": {"Na": "x"}, "B": {"Cl": "x"}}
    with pytest.raises(CompositionError, match="is empty: all occupancies are 0"):
        binary(occupancies=nothing).points()


@pytest.mark.parametrize(
    ("changes", "error", "message", "place"),
    [
        ({"grid": [{"x": float("nan")}]}, InputError, "finite number", ("grid", 0, "x")),
        ({"grid": []}, InputError, "at least 1", ("grid",)),
        ({"formula_units_per_cell": 0}, InputError, "greater than or equal to 1", ("formula_units_per_cell",)),
        ({"supercells": []}, InputError, "no supercell", ("supercells",)),
        ({"supercells": [(1, 1, 0)]}, InputError, r"\[1, 1, 0\]", ("supercells", 0)),
        ({"occupancies": {"A": {"Na": "1-x", "Xy": "x"}}}, CompositionError, "'Xy'", ("occupancies", "A", "Xy")),
        ({"mobile_ion": "Li"}, CompositionError, "'Li'", ("mobile_ion",)),
    ],
)
def test_errors_know_their_field(changes, error, message, place):
    with pytest.raises(error, match=message) as caught:
        binary(**changes)
    assert caught.value.field_path == place


def test_grid_without_a_composition():
    with pytest.raises(CompositionError, match="no composition"):
        binary(constraints=["x >= 2"]).points()


def test_structure_with_partial_occupancies(tmp_path):
    structure = rock_salt({"Na": 0.5, "K": 0.5})
    path = tmp_path / "mixed.cif"
    structure.to(filename=str(path))
    system = DisorderedSystem.from_disordered_structure(path, mobile_ion="Na", oxidation_states=STATES)
    (point,) = system.points()
    assert point.formula in {"NaKCl2", "KNaCl2"}
    built = disordered_structure(system, point)
    assert built.composition.element_composition.almost_equals(structure.composition)
    assert len(set(built.site_properties["sublattice"])) == 2


def test_stated_oxidation_states_are_used():
    structure = rock_salt({"Na+": 0.5, "K+": 0.5})
    structure.replace_species({"Cl": "Cl-"})
    system = DisorderedSystem.from_disordered_structure(structure, mobile_ion="Na")
    assert system.oxidation_states == STATES


def test_bad_structures(tmp_path):
    ordered = tmp_path / "ordered.cif"
    rock_salt("Na").to(filename=str(ordered))
    with pytest.raises(StructureError, match="no site of partial occupancy"):
        DisorderedSystem.from_disordered_structure(ordered, mobile_ion="Na", oxidation_states=STATES)
    with pytest.raises(StructureError, match="there is no file"):
        DisorderedSystem.from_disordered_structure(tmp_path / "none.cif", mobile_ion="Na")
    broken = tmp_path / "broken.cif"
    broken.write_text("data_x\n_cell_length_a nonsense\n")
    with pytest.raises(StructureError, match="cannot be read"):
        DisorderedSystem.from_disordered_structure(broken, mobile_ion="Na")
    with pytest.raises(OxidationStateError, match=r"Na, K, Cl|K, Na, Cl"):
        DisorderedSystem.from_disordered_structure(rock_salt({"Na": 0.5, "K": 0.5}), mobile_ion="Na")


OBELIX = Path(__file__).parents[3] / "shared/data/obelix/cif"


@pytest.mark.skipif(not OBELIX.is_dir(), reason="needs the measured structures of OBELiX beside the repository")
def test_measured_argyrodite():
    states = {"Li": 1, "P": 5, "S": -2, "Br": -1}
    system = DisorderedSystem.from_disordered_structure(OBELIX / "nig.cif", mobile_ion="Li", oxidation_states=states)
    assert system.formula_units_per_cell == 4
    assert [point.formula for point in system.points()] == ["Li6.006PS5Br"]
