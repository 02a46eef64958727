"""``disolyte systems``: the list, one system, a user's file."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from disolyte.cli import app
from disolyte.systems import available_systems

runner = CliRunner()

SALT = (Path(__file__).parents[1] / "data" / "salt.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def run(*arguments, code=0):
    outcome = runner.invoke(app, ["systems", *map(str, arguments)])
    assert outcome.exit_code == code, outcome.output
    assert "Traceback" not in outcome.output
    return outcome.output


def test_list():
    printed = run()
    assert all(key in printed for key in available_systems())
    assert all(len(line) <= 80 for line in printed.splitlines())
    rows = json.loads(run("--json"))
    assert [(row["key"], row["n_compositions"], row["mobile_ion"]) for row in rows][:3] == [
        ("nasicon", 13, "Na"), ("lpsgo", 9, "Li"), ("liybc", 11, "Li"),
    ]  # fmt: skip


@pytest.mark.parametrize("key", available_systems())
def test_show(key):
    started = time.perf_counter()
    printed = run("show", key)
    assert time.perf_counter() - started < 20
    assert all(len(line) <= 80 for line in printed.splitlines())
    described = json.loads(run("show", key, "--json"))
    assert described["references"]
    for composition in described["compositions"]:
        assert composition["formula"] in printed
        assert composition["cells"]
        for cell in composition["cells"]:
            assert f"{cell['n_distinct']:,}" in printed
            assert str(cell["n_atoms"]) in printed


def test_exact_numbers():
    described = json.loads(run("show", "liybc", "--json"))
    (middle,) = [entry for entry in described["compositions"] if entry["formula"] == "Li3In0.5Y0.5Br3Cl3"]
    assert [cell["n_distinct"] for cell in middle["cells"]] == [6672, 1845803568, 741978059902102199008]
    assert [cell["n_atoms"] for cell in middle["cells"]] == [20, 40, 80]
    assert described["space_group"] == "C2/m"


def test_compositions_in_the_cells_that_hold_them(tmp_path):
    path = tmp_path / "salt.yaml"
    path.write_text(SALT + "supercells: [[1, 1, 1], [1, 1, 2]]\n")
    described = json.loads(run("show", path, "--json"))
    assert (described["key"], described["space_group"], described["n_sites_per_cell"]) == ("salt", "Fm-3m", 8)
    # Rock salt, 1:1 in 1×1×1 and 1×1×2; a known count is 8 for the latter.
    assert [[cell["n_distinct"] for cell in entry["cells"]] for entry in described["compositions"]][2] == [1, 8]
    path.write_text(SALT.replace("0.25", "0.3"))
    described = json.loads(run("show", path, "--json"))
    assert described["compositions"][1]["cells"] == []
    assert "the cell cannot hold" in described["compositions"][1]["refused"]
    printed = run("show", path)
    assert "none of its cells" in printed
    assert "Na0.7K0.3Cl: the cell cannot hold" in printed
    rounded = run("show", path, "--round")
    assert "Na0.7K0.3Cl, 1×1×1: occupancy changed: K+ on A: 0.3 → 0.25" in rounded


def test_a_cell_too_large_is_not_counted(tmp_path):
    path = tmp_path / "salt.yaml"
    path.write_text(SALT + "supercells: [[20, 20, 20]]\n")
    started = time.perf_counter()
    assert "not counted" in run("show", path)
    assert time.perf_counter() - started < 10


def test_cif(tmp_path):
    from pymatgen.core import Lattice, Structure

    path = tmp_path / "mixed.cif"
    sites = [{"Na": 0.5, "K": 0.5}, "Cl"]
    Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.0), sites, [[0, 0, 0], [0.5, 0.5, 0.5]]).to(filename=str(path))
    assert "K, Na of" in run("show", path, code=1)
    lacks = " ".join(run("show", path, "--mobile-ion", "Na", code=1).split())
    assert "lacks the oxidation states of" in lacks
    assert ": give each, as in --oxidation Li=1" in lacks
    charges = ["--oxidation", "Na=1", "--oxidation", "K=1", "--oxidation", "Cl=-1"]
    described = json.loads(run("show", path, "--mobile-ion", "Na", *charges, "--json"))
    assert [cell["n_raw"] for cell in described["compositions"][0]["cells"]] == [6]
    assert "--oxidation 'Na'" in run("show", path, "--oxidation", "Na", code=1)


def test_errors_name_the_culprit(tmp_path):
    assert "there is no system 'nope'; disolyte ships nasicon" in " ".join(run("show", "nope", code=1).split())
    assert "there is no file" in run("show", tmp_path / "none.yaml", code=1)
    path = tmp_path / "bad.yaml"
    path.write_text(SALT.replace("K: 1", "K: 2"))
    printed = " ".join(run("show", path, code=1).split())
    assert "line 2, oxidation_states:" in printed
    assert "+0.25 e per formula unit" in printed
