"""Structure files: oxidation states that a CIF states, labels of shared sites, remarks."""

import pytest

from disolyte.errors import OxidationStateError, StructureError
from disolyte.systems import DisorderedSystem
from disolyte.systems.structure_files import read_structure_file, site_names

CIF = """\
data_argyrodite
_symmetry_space_group_name_H-M 'F -4 3 m'
_cell_length_a 9.9
_cell_length_b 9.9
_cell_length_c 9.9
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
{loop}loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Li1 {Li} 0.183 0.183 0.024 0.5
P1 {P} 0 0 0.5 1
Q1 {P} ? ? ? 0
S1 {S} 0.25 0.25 0.25 1
S2 {S} 0.1195 0.8805 0.6195 1
Cl1 {Cl} 0 0 0 0.5
Br1 {Br} 0 0 0 0.5
"""
PLAIN = {element: element for element in ("Li", "P", "S", "Cl", "Br")}
IONS = {"Li": "Li1+", "P": "P5+", "S": "S-2", "Cl": "Cl-", "Br": "Br1-"}
STATES = {"Li": 1, "P": 5, "S": -2, "Cl": -1, "Br": -1}


def numbers(states):
    rows = "".join(f"{symbol} {state}\n" for symbol, state in states.items())
    return f"loop_\n_atom_type_symbol\n_atom_type_oxidation_number\n{rows}"


@pytest.fixture
def write(tmp_path):
    def write_cif(symbols=PLAIN, loop=""):
        path = tmp_path / "mine.cif"
        path.write_text(CIF.format(loop=loop, **symbols))
        return path

    return write_cif


@pytest.mark.parametrize(("symbols", "loop"), [(IONS, ""), (PLAIN, numbers(STATES))])
def test_stated_oxidation_states_are_those_of_the_species(write, symbols, loop):
    path = write(symbols, loop)
    species = read_structure_file(path).composition
    assert {entry.symbol: entry.oxi_state for entry in species} == STATES
    system = DisorderedSystem.from_disordered_structure(path, mobile_ion="Li")
    assert system.oxidation_states == STATES
    assert not any("oxidation" in caveat for caveat in system.caveats)
    with pytest.raises(OxidationStateError, match=r"P \+3"):
        DisorderedSystem.from_disordered_structure(path, mobile_ion="Li", oxidation_states={"P": 3})


@pytest.mark.parametrize(
    ("symbols", "loop", "told"),
    [
        (IONS | {"P": "P"}, "", "there is none for P"),
        (PLAIN, numbers(STATES | {"S": 0}), "there is none for S"),
        (PLAIN, numbers(dict.fromkeys(STATES, 0)), None),
        (PLAIN, "", None),
    ],
)
def test_states_of_some_elements_are_left_out_and_told(write, symbols, loop, told):
    structure = read_structure_file(write(symbols, loop))
    assert not any(hasattr(species, "oxi_state") for species in structure.composition)
    remarks = [caveat for caveat in structure.properties["caveats"] if "oxidation states" in caveat]
    assert [told in remark for remark in remarks] == ([True] if told else [])


def test_several_states_of_one_element(write):
    path = write()
    path.write_text(CIF.format(loop="", **IONS).replace("S2 S-2", "S2 S-1"))
    assert "several for S" in " ".join(read_structure_file(path).properties["caveats"])


def test_remarks_are_told_once_each(write):
    caveats = read_structure_file(write()).properties["caveats"]
    assert [caveat.count("_symmetry_equiv_pos_as_xyz") for caveat in caveats] == [1]


def test_all_labels_of_a_shared_site(write):
    path = write()
    names = site_names(path, read_structure_file(path))
    assert names["Cl1"] == names["Br1"]
    assert set(names) == {"Li1", "P1", "S1", "S2", "Cl1", "Br1"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", 2),  # the common divisor of Li24P4S20Cl2Br2
        ("_cell_formula_units_Z 4\n", 4),
        ("_cell_formula_units_Z 4\n_chemical_formula_sum 'Li6 P S5 Cl0.5 Br0.5'\n", 4),
        # As pymatgen writes it: the formula is that of the cell.
        ("_cell_formula_units_Z 4\n_chemical_formula_sum 'Li24 P4 S20 Cl2 Br2'\n", 2),
        ("_cell_formula_units_Z ?\n", 2),
    ],
)
def test_formula_units_that_the_file_states(write, tmp_path, fields, expected):
    path = write(IONS, fields)
    system = DisorderedSystem.from_disordered_structure(path, mobile_ion="Li")
    assert system.formula_units_per_cell == expected
    assert sum(system.amounts({}).values()) == pytest.approx(52 / expected)
    (tmp_path / "mine.yaml").write_text(YAML % "")
    assert DisorderedSystem.from_yaml(tmp_path / "mine.yaml").formula_units_per_cell == expected


def test_formula_units_of_another_cell_are_not_used(write):
    structure = read_structure_file(write(IONS, "_cell_formula_units_Z 4\n_chemical_formula_sum 'Li3 P S4'\n"))
    assert "formula_units_per_cell" not in structure.properties
    assert any("4 of Li3PS4 have 32 atoms, and the cell 52" in line for line in structure.properties["caveats"])


def test_sublattices_have_the_labels_of_the_file(tmp_path):
    """Two positions of an element whose labels are not in the order of the sites."""
    path = tmp_path / "swapped.cif"
    text = CIF.format(loop="", **IONS).replace("S1 ", "T ").replace("S2 ", "S1 ").replace("T ", "S2 ")
    path.write_text(text)
    system = DisorderedSystem.from_disordered_structure(path, mobile_ion="Li")
    counts = {label: system.labels.count(label) for label in system.labels}
    assert counts == {"Li1": 48, "P1": 4, "S2": 4, "S1": 16, "Br1/Cl1": 4}
    # One label for both: a number of ours would be taken for the file's.
    path.write_text(text.replace("S2 ", "S1 "))
    system = DisorderedSystem.from_disordered_structure(path, mobile_ion="Li")
    assert {"S1 (×4)", "S2 (×16)"} < set(system.labels)


YAML = """\
mobile_ion: Li
oxidation_states: {Li: 1, P: 5, S: -2, Cl: -1, Br: -1}
parents:
- {cif: mine.cif, merge_within_ang: 2%s}
"""


@pytest.fixture
def load(write):
    path = write().with_name("mine.yaml")

    def load_system(sublattices="", rest=""):
        path.write_text(YAML % sublattices + rest)
        return DisorderedSystem.from_yaml(path)

    return load_system


@pytest.mark.parametrize("label", ["Cl1", "Br1"])
def test_a_shared_site_by_any_of_its_labels(load, label):
    named = load(f", sublattices: {{{label}: X}}")
    assert named.occupancies == {"X": {"Cl": "0.5", "Br": "0.5"}}
    # No grid: anions are disordered at one composition.
    changed = load(rest=f"occupancies: {{{label}: {{Cl: 0.75, Br: 0.25}}}}\n")
    assert list(changed.occupancies.values()) == [{"Cl": "0.75", "Br": "0.25"}]
    assert [len(system.points()) for system in (named, changed)] == [1, 1]


@pytest.mark.parametrize(
    ("sublattices", "rest", "message"),
    [
        (", sublattices: {F1: X}", "", r"line 4.*no site labelled 'F1'; it has Li1, P1, S1, S2, Br1 = Cl1"),
        (", sublattices: {Cl1: X, Br1: Y}", "", r"Br1 = Cl1 is given the sublattices 'X' and 'Y'"),
        ("", "occupancies: {Cl1: {Cl: 0.5}, Br1: {Br: 0.5}}\n", r"line 5.*name the sublattice 'Br1': give it once"),
        ("", "occupancies: {Z: {Cl: 0.5}}\n", r"line 5.*has the sublattices \['Br1', 'Li1'"),
    ],
)
def test_labels_that_do_not_fit(load, sublattices, rest, message):
    with pytest.raises(StructureError, match=message):
        load(sublattices, rest)
