"""Systems as YAML files: there and back, defaults, and errors with line and field."""

import time
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Structure

from disolyte.errors import CompositionError, InputError, OxidationStateError, StructureError
from disolyte.systems import DisorderedSystem, available_systems, disordered_structure, get_system

SALT = (Path(__file__).parents[1] / "data" / "salt.yaml").read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    def write_text(text, name="salt.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def same_crystal(one: Structure, other: Structure) -> bool:
    offsets = one.frac_coords[:, None] - other.frac_coords[None]
    distances = np.linalg.norm((offsets - np.round(offsets)) @ one.lattice.matrix, axis=-1)
    nearest = distances.argmin(axis=1)
    return (
        len(one) == len(other)
        and np.allclose(one.lattice.parameters, other.lattice.parameters, atol=1e-6)
        and distances.min(axis=1).max() < 1e-4
        and all(site.species == other[int(index)].species for site, index in zip(one, nearest, strict=True))
    )


@pytest.mark.parametrize("key", available_systems())
def test_shipped_systems_there_and_back(key, tmp_path):
    system = get_system(key)
    system.to_yaml(tmp_path / "system.yaml")
    again = DisorderedSystem.from_yaml(tmp_path / "system.yaml")
    for field in set(DisorderedSystem.model_fields) - {"parents"}:
        assert getattr(again, field) == getattr(system, field), field
    for point in (system.points()[0], system.points()[-1], *system.end_member_points()):
        assert same_crystal(disordered_structure(system, point), disordered_structure(again, point))


def test_parent_in_no_standard_setting_there_and_back(write, tmp_path):
    system = DisorderedSystem.from_yaml(write(SALT))
    moved = system.parents[0].copy()
    moved.translate_sites(list(range(len(moved))), [0.1, 0.2, 0.3])
    system = system.model_copy(update={"parents": [moved]})
    system.to_yaml(tmp_path / "moved.yaml")
    again = DisorderedSystem.from_yaml(tmp_path / "moved.yaml")
    point = system.point("Na0.75K0.25Cl")
    assert same_crystal(disordered_structure(system, point), disordered_structure(again, point))


def test_defaults(write):
    system = DisorderedSystem.from_yaml(write(SALT))
    assert (system.key, system.title, system.formula_units_per_cell) == ("salt", "salt", 4)
    assert system.supercells == [(1, 1, 1)]
    assert [point.formula for point in system.points()] == ["NaCl", "Na0.75K0.25Cl", "Na0.5K0.5Cl", "KCl"]


def change(old, new):
    assert SALT.count(old) == 1
    return SALT.replace(old, new)


@pytest.mark.parametrize(
    ("text", "error", "line", "message"),
    [
        (change("mobile_ion: Na", "mobile_ion: Li"), CompositionError, 1, r"mobile_ion: .*'Li'"),
        (change("K: 1,", ""), OxidationStateError, 2, r"oxidation_states: .*K"),
        (change("K: 1,", "K: 2,"), OxidationStateError, 2, r"oxidation_states: .*\+0.25 e per formula unit"),
        (change("K: 1,", "K: one,"), InputError, 2, r"oxidation_states.K: .*valid number, not 'one'"),
        (change("K: 1,", "K: true,"), InputError, 2, r"oxidation_states.K: .*valid number, not True"),
        (change("K: 1,", "K: 1e999,"), InputError, 2, r"oxidation_states.K: '1e999' is not finite"),
        (change("K: 1,", f"K: 1{'0' * 6000},"), InputError, 2, r"oxidation_states.K: '10+…' cannot be read"),
        (change("mobile_ion: Na", "mobile_iron: Na"), InputError, 1, r"no field 'mobile_iron'.*'mobile_ion'"),
        (change("mobile_ion: Na", ""), InputError, 2, r"the field 'mobile_ion' is missing"),
        (change("Fm-3m", "Fm-3x"), StructureError, 4, r"parents\[0\].space_group: .*Fm-3x"),
        (change("Fm-3m", "999"), StructureError, 4, r"parents\[0\].space_group: .*999"),
        (change("[6, 6, 6, 90, 90, 90]", "[6, 6, 6, 90, 90]"), InputError, 5, r"parents\[0\].lattice: .*at least 6"),
        (change("[6, 6, 6, 90, 90, 90]", "[6, 6, 1e30, 90, 90, 90]"), StructureError, 5, r"lattice\[2\]: 1e\+30"),
        (
            change("[6, 6, 6, 90, 90, 90]", "[6, 6, 6, 90, 90, 80]"),
            StructureError,
            5,
            r"parents\[0\].lattice: .*incompat",
        ),
        (change("element: Na", "element: Xy"), StructureError, 7, r"sites\[0\].element: 'Xy' is no element"),
        (change("[0.5, 0.5, 0.5]", "[0.01, 0, 0]"), StructureError, 6, r"parents\[0\].sites: .*apart"),
        (change("[0.5, 0.5, 0.5]", "[0.5, 0.5]"), InputError, 8, r"sites\[1\].position: .*at least 3"),
        (change("A: {Na: 1 - x", "Z: {Na: 1 - x"), StructureError, 10, r"occupancies.Z: .*'Z'"),
        (change("1 - x, K: x", "1 - z, K: x"), CompositionError, 10, r"occupancies.A.Na: .*'z', which is no axis"),
        (change("1 - x, K: x", "1 - x, K: 2*x"), CompositionError, 10, r"occupancies.A: .*all species"),
        (change("1 - x, K: x", "1 - x, Qq: x"), CompositionError, 10, r"occupancies.A.Qq: .*no element"),
        (change("1 - x, K: x", "__import__('os'), K: x"), CompositionError, 10, r"occupancies.A.Na: .*only numbers"),
        (
            change("[{x: 0}, {x: 1}]", "[{x: 0}, {x: 0.5}]"),
            CompositionError,
            12,
            r"end_members: KCl .*share -1 of NaCl",
        ),
        (
            change("[0, 0.25, 0.5, 1]", "[0.5, 0.5]"),
            CompositionError,
            11,
            r"grid: .*more than once.* one file for each value",
        ),
        (change("{x: [0, 0.25, 0.5, 1]}", "{x: 1}"), InputError, 11, r"grid.x: .*list"),
        (change("[{x: 0}, {x: 1}]", "[{x: 0}]"), CompositionError, 12, r"end_members: .*do not span"),
        (change("[{x: 0}, {x: 1}]", "[{x: 1}, {x: 1}]"), CompositionError, 12, r"end_members: .*do not span"),
        (change("[{x: 0}, {x: 1}]", "[{x: 0}, {y: 1}]"), CompositionError, 12, r"end_members\[1\]: .*'y'"),
        (SALT + "constraints: [x > 0]\n", CompositionError, 13, r"constraints\[0\]: .*'>=' or '<='"),
        (SALT + "constraints: [x >= 2]\n", CompositionError, 13, r"constraints: .*no composition"),
        (SALT + "supercells: [[1, 1, 0]]\n", InputError, 13, r"supercells\[0\]: .*within 1 and"),
        (SALT + "supercells: [[1, 1, 1.5]]\n", InputError, 13, r"supercells\[0\]\[2\]: .*valid integer, not 1.5"),
        (SALT + "supercells: [[1, 1, 1], [1, 1, 9999999]]\n", InputError, 13, r"supercells\[1\]: .*9999999"),
        (SALT + "formula_units_per_cell: 0\n", InputError, 13, r"formula_units_per_cell: .*greater than or equal to 1"),
        (SALT + "grid: {x: [0, 1]}\n", InputError, 13, r"grid: the key stands here for the second time.*line 11"),
        (SALT + "references: &a [x]\n", InputError, 13, r"anchors and aliases"),
        (SALT + "references: [!!python/object/apply:os.system [ls]]\n", InputError, 13, r"the tag .*os.system"),
        (SALT + "references: !!str 5\n", InputError, 13, r"the tag"),
        (SALT + "references: " + "[" * 3000 + "]" * 3000 + "\n", InputError, 13, r"nesting deeper"),
        (SALT + "references: [\n", InputError, 14, r"no YAML"),
        (SALT + "\treferences: []\n", InputError, 13, r"no YAML"),
        (SALT + "? [1, 2]\n: 3\n", InputError, 13, r"a key must be text"),
        (SALT + "---\na: 1\n", InputError, 13, r"no YAML"),
        ("- 1\n", InputError, 1, r"a mapping of fields"),
        ("just words\n", InputError, 1, r"a mapping of fields"),
    ],
)
def test_every_error_names_line_and_field(write, text, error, line, message):
    path = write(text)
    with pytest.raises(error, match=message) as caught:
        DisorderedSystem.from_yaml(path)
    assert f"{path}, line {line}" in str(caught.value)


def test_all_mistakes_at_once(write):
    text = change("mobile_ion: Na", "mobile_iron: Na").replace("K: 1,", "K: one,")
    with pytest.raises(InputError) as caught:
        DisorderedSystem.from_yaml(write(text))
    assert [line.split(": ")[0].split(", ")[1] for line in str(caught.value).splitlines()] == [
        "line 1", "line 1", "line 2",
    ]  # fmt: skip


def test_files_that_are_none(tmp_path, write):
    with pytest.raises(InputError, match="there is no file"):
        DisorderedSystem.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="there is no file"):
        DisorderedSystem.from_yaml(tmp_path)
    with pytest.raises(InputError, match="is empty"):
        DisorderedSystem.from_yaml(write(""))
    with pytest.raises(InputError, match="at most 1000000"):
        DisorderedSystem.from_yaml(write("a: " + "b" * 1_000_001))
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="cannot be read as text"):
        DisorderedSystem.from_yaml(binary)
    with pytest.raises(InputError, match="no YAML"):
        DisorderedSystem.from_yaml(write("a: \x00"))


def test_alias_bomb_is_refused_at_once(write):
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join(['*' + previous] * 9)}]\n"
        for previous, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.perf_counter()
    with pytest.raises(InputError, match="anchors and aliases"):
        DisorderedSystem.from_yaml(write(bomb))
    assert time.perf_counter() - started < 2


def test_grid_too_large_is_refused_at_once(write):
    values = ", ".join(str(n / 1000) for n in range(1001))
    text = change("{x: [0, 0.25, 0.5, 1]}", f"{{x: [{values}], y: [{values}]}}")
    started = time.perf_counter()
    with pytest.raises(CompositionError, match=r"line 11, grid.y: .*at most 10000"):
        DisorderedSystem.from_yaml(write(text))
    assert time.perf_counter() - started < 5


def test_missing_and_broken_cif(write):
    text = "mobile_ion: Li\noxidation_states: {Li: 1}\nparents:\n- cif: none.cif\n"
    with pytest.raises(StructureError, match=r"line 4, parents\[0\].cif: there is no file"):
        DisorderedSystem.from_yaml(write(text))
    write("data_x\n_cell_length_a nonsense\n", "none.cif")
    with pytest.raises(StructureError, match=r"line 4, parents\[0\].cif: .*cannot be read"):
        DisorderedSystem.from_yaml(write(text))
