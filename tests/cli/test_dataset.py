"""``disolyte dataset``."""

import importlib
import json
import sys
from pathlib import Path

import pytest
from ase.io import read, write
from typer.testing import CliRunner

from disolyte.cli import app
from disolyte.labelling import QualityGate, SplitFractions, build_dataset
from disolyte.labelling.exchange import write_dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "labelling"))
springs = importlib.import_module("springs")


@pytest.fixture
def exported(tmp_path):
    """A dataset in a folder, and its hash."""
    dataset = build_dataset(
        [springs.spring_docs()],
        gate=QualityGate(),
        fractions=SplitFractions(),
        minimum_fraction=0.8,
        seed=0,
        record={"caveats": []},
    )
    write_dataset(dataset, tmp_path / "exported")
    return tmp_path / "exported", dataset.dataset_sha256


def run(*arguments):
    return CliRunner().invoke(app, ["dataset", *map(str, arguments)])


def test_import_of_an_exported_folder_is_the_same_dataset(exported, tmp_path):
    folder, sha256 = exported
    result = run("import", folder, "--out", tmp_path / "again", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["dataset_sha256"] == sha256
    assert (tmp_path / "again" / "train.xyz").read_bytes() == (folder / "train.xyz").read_bytes()


def test_own_labels_come_in_and_are_checked(exported, tmp_path):
    folder, _ = exported
    frames = [atoms for split in ("train", "valid", "test") for atoms in read(folder / f"{split}.xyz", ":")]
    file = tmp_path / "mine.xyz"
    write(file, frames, format="extxyz", write_results=False)
    result = run("import", file, "--method", "QE SCAN, 80 Ry", "--out", tmp_path / "mine")
    assert result.exit_code == 0, result.output
    assert "QE SCAN, 80 Ry" in result.output
    for options, words in (
        (["--per-atom"], "quality gate"),
        (["--pressure"], "sign is wrong"),
        (["--stress-unit", "furlong"], "unit 'furlong' is unknown"),
        (["--energy-key", "energy"], "no energy under 'energy'"),
    ):
        result = run("import", file, "--method", "QE SCAN, 80 Ry", "--out", tmp_path / "bad", *options)
        assert result.exit_code == 1, result.output
        assert words in " ".join(result.output.split()) or words in " ".join((result.stderr or "").split()), options
    assert not (tmp_path / "bad").exists()
    options = ["--pressure", "--skip-consistency", "--surrogate", "--json", "--out", tmp_path / "told"]
    result = run("import", file, "--method", "a model", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["caveats"] == ["labels from a surrogate model, not from DFT"]
    assert run("import", tmp_path, "--out", tmp_path / "bad").exit_code == 1
