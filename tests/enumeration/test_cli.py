"""``disolyte count`` and ``disolyte enumerate``."""

import csv
import json

import pytest
import typer
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from disolyte.cli.enumeration import register


@pytest.fixture
def invoke():
    app = typer.Typer()
    register(app)
    return lambda *args: CliRunner().invoke(app, [str(arg) for arg in args])


@pytest.fixture
def cif(tmp_path, parents):
    path = tmp_path / "salt.cif"
    parents["rock_salt"]().to(str(path))
    return path


@pytest.mark.parametrize(
    ("supercell", "expected"),
    [
        (("2", "2", "2"), 404582),
        (("2",), 404582),
        (("1x1x2",), 8),
        (("1,1,3",), 34),
        (("1", "1", "0", "1", "-1", "0", "0", "0", "1"), 6),
    ],
)
def test_count_as_json(invoke, cif, supercell, expected):
    for args in ([cif, "--supercell", *supercell, "--json"], ["--json", "--supercell", *supercell, cif]):
        result = invoke("count", *args)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["n_distinct"] == expected


def test_count_as_text(invoke, cif):
    result = invoke("count", cif)
    assert "n distinct  1" in result.stdout
    assert "2 K, 2 Na on 4 sites" in result.stdout


def test_enumerate(invoke, cif, tmp_path):
    out = tmp_path / "made" / "here"
    result = invoke("enumerate", cif, "--supercell", 1, 1, 3, "--lowest", 7, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["exhaustive"] is True
    assert report["n_written"] == 7
    assert report["oxidation_states_source"] == "guessed"
    rows = list(csv.DictReader((out / "orderings.csv").open()))
    assert len(rows) == 7
    for row in rows:
        structure = Structure.from_file(out / row["file"])
        assert structure.is_ordered
        assert structure.composition.reduced_formula == "KNaCl2"


def test_a_second_run_leaves_no_orderings_of_the_first(invoke, cif, tmp_path):
    out = tmp_path / "out"
    for supercell, n in ((3, 7), (1, 1)):
        report = json.loads(
            invoke("enumerate", cif, "--supercell", 1, 1, supercell, "--lowest", 7, "--out", out, "--json").stdout
        )
        assert len(list(out.glob("*.cif"))) == report["n_written"] == n


def test_equal_energies_are_told(invoke, cif, tmp_path):
    shown = invoke("enumerate", cif, "--supercell", 1, 1, 2, "--lowest", 3, "--out", tmp_path / "o").stdout
    assert "3 orderings of lowest energy have the same energy" in shown


def test_remarks_on_the_file_are_told(invoke, cif):
    lines = cif.read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if "_symmetry_equiv_pos_site_id" in line) - 1
    stop = next(k for k, line in enumerate(lines[start + 1 :], start + 1) if line.startswith("loop_"))
    cif.write_text("\n".join(lines[:start] + lines[stop:]))
    assert "_symmetry_equiv_pos_as_xyz" in json.loads(invoke("count", cif, "--json").stdout)["caveats"][0]


def test_rounding_and_charges(invoke, tmp_path):
    path = tmp_path / "li.cif"
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(5), [{"Li": 0.8}, "O"], [[0] * 3, [0.5] * 3]).to(str(path))
    refused = invoke("count", path)
    assert refused.exit_code == 1
    assert "1×1×5" in refused.stderr
    rounded = invoke("count", path, "--round")
    assert rounded.exit_code == 0
    assert "0.8 → 0.75" in rounded.stdout
    args = ("enumerate", path, "--round", "--out", tmp_path / "o", "--json", "--oxidation", "Li=1")
    assert "not for O" in invoke(*args).stderr
    # 0.8 is charged itself: Li⁺ with O²⁻ comes no closer, with O⁻ a full site is neutral.
    report = json.loads(invoke(*args, "--oxidation", "O=-2").stdout)
    assert report["oxidation_states"] == {"Li": 1, "O": -2}
    assert any("background" in caveat for caveat in report["caveats"])
    assert json.loads(invoke(*args, "--oxidation", "O=-1").stdout)["formula"] == "Li4O4"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["missing.cif"], "there is no file"),
        (["{cif}", "--supercell", "1", "2"], "1, 3 or 9 whole numbers"),
        (["{cif}", "--supercell", "0"], "determinant 0"),
        (["{text}"], "cannot be read"),
        (["{cif}", "--pool", "Zr"], "no partially occupied site holds Zr"),
    ],
)
def test_errors_have_one_line_and_no_traceback(invoke, cif, tmp_path, args, message):
    text = tmp_path / "text.cif"
    text.write_text("not a crystal\n")
    result = invoke("count", *(arg.format(cif=cif, text=text) for arg in args))
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_that_cannot_be_written(invoke, cif, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = invoke("enumerate", cif, "--out", blocked)
    assert result.exit_code == 1
    assert "--out" in result.stderr
