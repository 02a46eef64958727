"""A user's own system, from CIFs: the argyrodites between Li6PS5Cl and Li6PS5Br, tutorial-sized."""

import pytest
from jobflow import run_locally

from disolyte.enumeration import EnumerationDoc, OrderingSpace
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import StructureError
from disolyte.systems import DisorderedSystem, disordered_structure
from disolyte.systems.exclusions import find_exclusions

# F-43m, with the cells of Kraft et al., J. Am. Chem. Soc. 139, 10909 (2017), doi:10.1021/jacs.7b06327, and rounded
# positions typical of argyrodites. Lithium moves within pairs of half-filled sites 48h.
CIF = """\
data_Li6PS5{halogen}
_symmetry_space_group_name_H-M   'F -4 3 m'
_symmetry_Int_Tables_number   216
_cell_length_a   {edge}
_cell_length_b   {edge}
_cell_length_c   {edge}
_cell_angle_alpha   90
_cell_angle_beta   90
_cell_angle_gamma   90
loop_
 _atom_site_label
 _atom_site_type_symbol
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Li1  Li  0.183  0.183  0.024  0.5
  P1   P   0.0    0.0    0.5    1.0
  S1   S   0.25   0.25   0.25   1.0
  S2   S   0.1195 0.8805 0.6195 1.0
  {halogen}1  {halogen}  0.0  0.0  0.0  1.0
"""
STATES = {"Li": 1, "P": 5, "S": -2, "Cl": -1, "Br": -1}
YAML = """\
title: Li6PS5Cl(1-x)Br(x)
mobile_ion: Li
oxidation_states: {Li: 1, P: 5, S: -2, Cl: -1, Br: -1}
parents:
  - cif: chloride.cif
    sublattices: {Cl1: X}
    merge_within_ang: 2
  - cif: bromide.cif
    sublattices: {Br1: X}
    merge_within_ang: 2
occupancies:
  X: {Cl: 1 - x, Br: x}
grid: {x: [0, 0.25, 0.5, 0.75, 1]}
end_members: [{x: 0}, {x: 1}]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "chloride.cif").write_text(CIF.format(halogen="Cl", edge=9.859))
    (tmp_path / "bromide.cif").write_text(CIF.format(halogen="Br", edge=9.986))
    (tmp_path / "argyrodite.yaml").write_text(YAML)
    return tmp_path


def test_from_yaml_to_orderings(folder, job_store):
    system = DisorderedSystem.from_yaml(folder / "argyrodite.yaml")
    assert system.key == "argyrodite"
    assert system.formula_units_per_cell == 4
    assert [point.formula for point in system.points()] == [
        "Li6PS5Cl", "Li6PS5Cl0.75Br0.25", "Li6PS5Cl0.5Br0.5", "Li6PS5Cl0.25Br0.75", "Li6PS5Br",
    ]  # fmt: skip
    middle = system.point("Li6PS5Cl0.5Br0.5")
    structure = disordered_structure(system, middle)
    assert structure.lattice.a == pytest.approx((9.859 + 9.986) / 2)
    assert structure.properties["caveats"] == []
    counts = [
        OrderingSpace.from_structure(disordered_structure(system, p), allow_ordered=True) for p in system.points()
    ]
    assert [(space.n_raw, space.n_distinct) for space in counts] == [(1, 1), (4, 1), (6, 1), (4, 1), (1, 1)]
    job = EnumerationMaker().make(structure, point=middle, supercells=[(1, 1, 2)], system_key=system.key)
    run_locally(job, store=job_store, ensure_success=True)
    document = EnumerationDoc.model_validate(job_store.get_output(job.uuid, load=True))
    assert document.exhaustive
    assert document.cells[0].n_raw == 70  # 4 Br on 8 sites
    assert document.cells[0].n_formula_units == 8
    ordered = document.cells[0].structure(0)
    assert {element.symbol: int(n) for element, n in ordered.composition.items()} == {
        "Li": 48, "P": 8, "S": 40, "Cl": 4, "Br": 4,
    }  # fmt: skip


def test_from_python_to_orderings(folder):
    """Mixed halogens in one CIF: a system of one composition, its hull a point."""
    mixed = CIF.format(halogen="Cl", edge=9.92).replace(
        "  Cl1  Cl  0.0  0.0  0.0  1.0\n", "  Cl1  Cl  0.0  0.0  0.0  0.5\n  Br1  Br  0.0  0.0  0.0  0.5\n"
    )
    path = folder / "mixed.cif"
    path.write_text(mixed)
    system = DisorderedSystem.from_disordered_structure(
        path, mobile_ion="Li", oxidation_states=STATES, merge_within_ang=2.0
    )
    (point,) = system.points()
    assert system.axes == []
    assert system.end_member_points() == [point]
    assert system.fractions(point.coordinates) == [1.0]
    assert OrderingSpace.from_structure(disordered_structure(system, point)).n_distinct == 1
    system.to_yaml(folder / "mixed.yaml")
    assert DisorderedSystem.from_yaml(folder / "mixed.yaml").points() == [point]


def test_close_half_filled_sites_are_told_of(folder):
    text = YAML.replace("    merge_within_ang: 2\n", "")
    (folder / "split.yaml").write_text(text)
    system = DisorderedSystem.from_yaml(folder / "split.yaml")
    structure = disordered_structure(system, system.point("Li6PS5Cl"))
    (exclusion,) = find_exclusions(structure)
    assert exclusion.sublattices == ("Li1", "Li1")
    assert exclusion.n_pairs == 24
    assert exclusion.distance_ang == pytest.approx(1.87, abs=0.02)
    (caveat,) = structure.properties["caveats"]
    assert "24 pairs of partially occupied sites of 'Li1' are 1.87 Å apart" in caveat


def test_merging_too_much_is_refused(folder):
    with pytest.raises(StructureError, match=r"hold \d+ ions together, more than one"):
        DisorderedSystem.from_disordered_structure(
            folder / "chloride.cif", mobile_ion="Li", oxidation_states=STATES, merge_within_ang=3.0
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{Cl1: X}", "{Cl7: X}", r"line 6, parents\[0\].sublattices.Cl7: .*no site labelled 'Cl7'.*Li1, P1"),
        ("{Br1: X}", "{Br1: Y}", r"line 8, parents\[1\]: .*differ in their sublattices: .*4 X.*4 Y"),
        ("  X: {Cl: 1 - x, Br: x}\n", "  Li1: {Li: 1}\n", r"occupancies: .*'X' differ.*between the parent structures"),
    ],
)
def test_cifs_that_do_not_fit(folder, old, new, message):
    (folder / "bad.yaml").write_text(YAML.replace(old, new))
    with pytest.raises(StructureError, match=message):
        DisorderedSystem.from_yaml(folder / "bad.yaml")


def test_other_origin_is_refused(folder):
    text = CIF.format(halogen="Br", edge=9.986).replace("Br1  Br  0.0  0.0  0.0", "Br1  Br  0.5  0.5  0.5")
    (folder / "bromide.cif").write_text(text.replace("P1   P   0.0    0.0    0.5", "P1   P   0.0    0.0    0.0"))
    with pytest.raises(StructureError, match=r"line 8, parents\[1\]: a site of sublattice 'P1' lies 4.9"):
        DisorderedSystem.from_yaml(folder / "argyrodite.yaml")
