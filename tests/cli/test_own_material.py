"""A newcomer's own CIF or YAML through the commands: the same options everywhere, and messages that name them."""

import json
import re
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner

from disolyte.cli import app
from disolyte.models import BROAD, SHIPPED

CHARGES = ["--oxidation", "Na=1", "--oxidation", "Li=1", "--oxidation", "Cl=-1"]
SALT = ["--mobile-ion", "Na", *CHARGES]


def run(*arguments, code=0):
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})
    assert outcome.exit_code == code, outcome.output
    assert "Traceback" not in outcome.output
    return re.sub(r"\s+", " ", outcome.output)


def write(path, cation, anion="Cl"):
    structure = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.6), [cation, anion], [[0] * 3, [0.5] * 3])
    structure.to(filename=str(path))
    return path


@pytest.fixture
def cif(tmp_path):
    return write(tmp_path / "salt.cif", {"Na": 0.5, "Li": 0.5})


class TestOptions:
    @pytest.mark.parametrize("command", [["systems", "show"], ["plan"], ["submit"]])
    def test_alike(self, command):
        shown = run(*command, "--help")
        for option in (
            "--mobile-ion", "--oxidation", "--merge-within", "--charge-tolerance", "--supercell", "--round",
        ):  # fmt: skip
            assert option in shown

    def test_messages_name_options(self, cif):
        for command in (["systems", "show"], ["plan"]):
            assert "say which ion is mobile (--mobile-ion)" in run(*command, cif, code=1)
            assert "give each, as in --oxidation Li=1" in run(*command, cif, "--mobile-ion", "Na", code=1)
            charged = [*SALT, "--oxidation", "Cl=-2"]
            message = run(*command, cif, *charged, code=1)
            assert "put down to rounding (--charge-tolerance)" in message
            assert "oxidation_states" not in message

    def test_messages_about_a_yaml_file_name_its_fields(self, cif, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text("mobile_ion: Na\noxidation_states: {Na: 1}\nparents: [{cif: salt.cif}]\n")
        assert "line 2, oxidation_states: " in run("plan", path, code=1)

    @pytest.mark.parametrize("option", [["--mobile-ion", "Li"], ["--oxidation", "Li=1"], ["--merge-within", "1"]])
    def test_those_of_a_structure_file_are_refused_for_another(self, option):
        assert f"{option[0]}: only for structure files" in run("plan", "liybc", *option, code=1)

    def test_supercell(self, cif):
        shown = json.loads(run("systems", "show", cif, *SALT, "-s", "1", "1", "2", "--supercell", "2", "--json"))
        assert [cell["supercell"] for cell in shown["compositions"][0]["cells"]] == [[1, 1, 2], [2, 2, 2]]
        planned = json.loads(run("plan", cif, *SALT, "--supercell", "1", "1", "2", "--json"))
        assert planned["jobs"][0]["n_atoms"] == 16
        nine = ["1", "1", "0", "1", "-1", "0", "0", "0", "1"]
        assert "a system takes 1 or 3 whole numbers" in run("plan", cif, *SALT, "--supercell", *nine, code=1)
        assert "every number must lie within 1 and 20" in run("plan", cif, *SALT, "-s", "0", code=1)

    def test_merge(self, tmp_path):
        split = Structure.from_spacegroup(
            "P4/mmm", Lattice.cubic(4), [{"Li": 0.5}, {"F": 0.5, "Cl": 0.5}], [[0, 0, 0.1], [0.5] * 3]
        )
        split.to(filename=str(tmp_path / "split.cif"))
        charges = ["--oxidation", "Li=1", "--oxidation", "F=-1", "--oxidation", "Cl=-1", "-s", "2"]
        apart = run("systems", "show", tmp_path / "split.cif", *charges)
        assert "(--merge-within makes one site of two)" in apart
        merged = run("systems", "show", tmp_path / "split.cif", *charges, "--merge-within", 1)
        assert "0.80 Å apart" in apart
        assert "apart" not in merged
        assert "2 partially occupied sites (Li" in merged
        assert "were merged into 1 at the middle of each group (--merge-within); 1 of these are full now" in merged
        assert "were merged" not in apart
        two = (tmp_path / "split.cif").read_text().replace("Li1", "Li7")
        (tmp_path / "two.cif").write_text(two)
        assert "(Li0, Li7) were merged" in run("count", tmp_path / "two.cif", "-s", "2", "--merge-within", 1)
        out = ["--out", tmp_path / "out", "--lowest", "3"]
        for command, options in (("count", []), ("enumerate", [*out, *charges[:6]])):
            told = run(command, tmp_path / "split.cif", *options, "-s", "2")
            assert "0.80 Å apart or little more" in told
            assert "(--merge-within makes one site of two)" in told
            told = run(command, tmp_path / "split.cif", *options, "-s", "2", "--merge-within", 1)
            assert "Å apart" not in told
            assert "so the disorder between their positions is gone" in told
        # Eight pairs of lithium sites, of which eight sites are filled, and eight anions, half of them F.
        for arguments, n_raw in (([], 12870 * 70), (["--merge-within", 1], 70)):
            counted = json.loads(run("count", tmp_path / "split.cif", "-s", "2", *arguments, "--json"))
            assert counted["n_raw"] == n_raw

    def test_rounding(self, tmp_path):
        path = write(tmp_path / "thirds.cif", {"Na": 0.3, "Li": 0.7})
        refused = run("plan", path, *SALT, code=1)
        assert "or ask for --round, which is reported" in refused
        assert "the cell holds Na1Li3Cl4" in run("systems", "show", path, *SALT, "--round")
        assert "have 1 distinct orderings in the supercells 1×1×1" in run("plan", path, *SALT, "--round", code=1)
        doubled = ["--supercell", "1", "1", "2", "--round"]
        assert "cell (1, 1, 2) holds Na2Li6Cl8" in run("plan", path, *SALT, *doubled)
        assert "holds Na2Li6Cl8" in json.loads(run("plan", path, *SALT, *doubled, "--json"))["roundings"][0]

    def test_rounding_is_neutral_or_refused(self, tmp_path):
        path = tmp_path / "vacant.cif"
        sites = [{"Li": 0.7}, {"P": 0.3, "Si": 0.7}, "O"]
        Structure.from_spacegroup(
            "P4/mmm", Lattice.tetragonal(6, 3), sites, [[0.25, 0.25, 0], [0, 0.5, 0.5], [0.25, 0.25, 0.5]]
        ).to(filename=str(path))
        charges = [f"--oxidation={name}" for name in ("Li=1", "P=5", "Si=4", "O=-2.85")]
        message = run("systems", "show", path, *charges, "--round")
        assert "no rounding of these occupancies" in message
        assert "another supercell" in message
        for command in (["plan"], ["enumerate"]):
            options = charges if command == ["plan"] else [*charges, "--out", tmp_path / "out"]
            assert "no rounding of these occupancies" in run(*command, path, *options, "--round", code=1)


class TestOxidationStates:
    def test_source_is_told(self, cif, tmp_path):
        assert re.search(r"oxidation states .*Cl -1 \(as given\)", run("systems", "show", cif, *SALT))
        stated = write(tmp_path / "stated.cif", {"Na+": 0.5, "Li+": 0.5}, "Cl-")
        shown = run("systems", "show", stated, "--mobile-ion", "Na", "--oxidation", "Li=1")
        assert "Cl -1 (as the file states); Li +1 (as given)" in shown
        enumerated = run("enumerate", stated, "--out", tmp_path / "one")
        assert re.search(r"Na\+ \+1.* \(as the file states\)", enumerated)
        assert "guessed" not in enumerated
        assert "(guessed; others by --oxidation)" in run("enumerate", cif, "--out", tmp_path / "two")

    def test_implausible_guesses_are_refused(self, tmp_path):
        path = write(tmp_path / "odd.cif", {"Li": 0.5, "Cl": 0.5}, "S")
        outcome = run("enumerate", path, "--out", tmp_path / "out", code=1)
        assert "with the electronegative elements negative" in outcome
        assert "give the states in --oxidation" in outcome


class TestModel:
    ARGUMENTS = ("--preset", "quickstart", *SALT, "--supercell", "1", "1", "2")

    def test_models_that_cover_the_elements_are_named(self, cif):
        message = run("plan", cif, *self.ARGUMENTS, code=1)
        assert f"model '{SHIPPED}' was not made for Na" in message
        assert f"--model {BROAD} (shipped, not for science) or --model medium" in message
        assert "ModelSource" not in message

    def test_it_is_that_of_all_makers(self, cif):
        assert f"quickstart, model {BROAD}" in run("plan", cif, *self.ARGUMENTS, "--model", BROAD)

        from disolyte.cli.inputs import SystemRequest
        from disolyte.cli.planning import Foundation, Preset, Task

        maker = Task(SystemRequest("liybc"), Preset.QUICKSTART, foundation=Foundation(BROAD)).load_maker()
        training = maker.training_set_maker
        found = [training.ranking_maker, training.sampling_maker.sampler, maker.finetune_maker]
        assert [nested.foundation.name for nested in found] == [BROAD] * 3

    def test_a_file(self, cif, tmp_path, monkeypatch):
        from importlib import resources

        monkeypatch.chdir(tmp_path)
        data = resources.files("disolyte.models") / "data"
        for suffix in (".npz", ".json"):
            (tmp_path / f"mine{suffix}").write_bytes((data / f"{BROAD}{suffix}").read_bytes())
        assert json.loads(run("plan", cif, *self.ARGUMENTS, "--model", "mine.npz", "--json"))["jobs"]
        (tmp_path / "mine.model").write_bytes(b"pickle")
        refused = run("plan", cif, *self.ARGUMENTS, "--model", "mine.model", code=1)
        sha256 = re.search(r"Its SHA-256 is ([0-9a-f]{64}): .* pass it as --model-sha256", refused)[1]
        vouched = ["--model", "mine.model", "--model-sha256", sha256]
        assert json.loads(run("plan", cif, *self.ARGUMENTS, *vouched, "--json"))["jobs"]

    def test_unknown(self, cif):
        message = run("plan", cif, *self.ARGUMENTS, "--model", "nope", code=1)
        assert f"'nope' is no model of known hash ({SHIPPED}, {BROAD}, " in message


def test_doctor_lists_all_shipped_models():
    printed = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "80"}).output
    for name in (SHIPPED, BROAD, "medium"):
        assert f"model {name}" in printed
    assert "…" not in printed.replace("…: for trying out", "")
    assert "knows Li, O, Na" in re.sub(r"\s+", " ", printed)


def test_brackets_in_names_are_not_markup(tmp_path, monkeypatch):
    from rich.console import Console

    from disolyte.cli import reporting
    from disolyte.results.summary import CompositionSummary

    path = tmp_path / "mine.yaml"
    salt = (Path(__file__).parents[1] / "data" / "salt.yaml").read_text(encoding="utf-8")
    path.write_text(f"title: '[red]x'\n{salt}")
    assert run("plan", path).startswith("[red]x, paper")
    assert "[red]x" in run("systems", "show", path)

    unknown = dict.fromkeys(name for name, field in CompositionSummary.model_fields.items() if field.is_required())
    lists = {"coordinates": {}, "temperatures_k": [], "reasons": [], "caveats": ["[blue]z"]}
    row = CompositionSummary(**(unknown | lists | {"formula": "[red]x", "verdict": "[/bold]y"}))
    monkeypatch.setattr(reporting, "summarise", lambda _results: [row])
    monkeypatch.setattr(reporting, "Results", lambda *_arguments: None)

    class Campaign:
        name = "mine"
        job_store = staticmethod(lambda: None)

    console = Console(width=120, record=True)
    reporting.print_results(Campaign(), console)
    printed = console.export_text()
    assert all(text in printed for text in ("[red]x", "[/bold]y", "[blue]z"))
