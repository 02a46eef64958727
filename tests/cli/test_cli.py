"""Commands as a user types them: errors are one paragraph, name the culprit, and leave nothing behind."""

import json
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from disolyte.cli import app

runner = CliRunner()


def failure(*arguments):
    outcome = runner.invoke(app, [str(argument) for argument in arguments])
    assert outcome.exit_code == 1, outcome.output
    assert "Traceback" not in outcome.output
    return re.sub(r"\s+", " ", outcome.output)


def test_help_needs_no_heavy_library():
    code = (
        "import sys; from typer.testing import CliRunner; from disolyte.cli import app;"
        "heavy = ('torch', 'pymatgen', 'fireworks');"
        "print(CliRunner().invoke(app, ['--help']).exit_code, [name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["0", "[]\n"]


def test_unreachable_mongodb(clean_dir, monkeypatch):
    monkeypatch.setenv("DISOLYTE_MONGODB_URI", "mongodb://someone:secret@127.0.0.1:9/lab")
    message = failure("quickstart")
    assert "no MongoDB answered at mongodb://127.0.0.1:9/lab" in message
    assert "secret" not in message


def test_no_mongodb_uri(clean_dir):
    assert "must begin with mongodb://" in failure("quickstart", "--mongodb-uri", "localhost")


def test_folder_that_cannot_be_written_to(clean_dir):
    (clean_dir / "file").write_text("")
    assert "cannot write to the run folder" in failure("quickstart", "--folder", clean_dir / "file")


def test_full_disk(clean_dir, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10 * 1024**2))
    message = failure("quickstart", "--folder", clean_dir / "run")
    assert "10 MB are free" in message
    assert "500 MB are needed" in message


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("JOB_STORE: {docs_store: {type: MemoryStore}, additional_stores: {data: {type: MemoryStore}}}", "in memory"),
        ("JOB_STORE: {docs_store: {type: MemoryStore}}", "additional store named 'data'"),
        ("JOB_STORE: {docs_store: {type: MemoryStore}, additional_stores: 3}", "additional store named 'data'"),
        ("JOB_STORE: &a {docs_store: {x: *a}}", "is no YAML file"),
        ("nothing: here", "no JOB_STORE"),
        ("JOB_STORE: {docs_store: hello}", "no JOB_STORE"),
        ("- a\n- b", "no JOB_STORE"),
        ("JOB_STORE: [", "is no YAML file"),
        (
            "JOB_STORE: {docs_store: {type: NoStore}, additional_stores: {data: {type: NoStore}}}",
            "cannot be used (KeyError); check its store types",
        ),
    ],
)
def test_unfit_jobflow_configuration(clean_dir, content, complaint):
    file = clean_dir / "mine.yaml"
    file.write_text(content)
    assert complaint in failure("quickstart", "--jobflow-config", file)


def test_brackets_in_messages_are_not_markup(capsys):
    from disolyte.cli.messages import readable_errors
    from disolyte.errors import MissingExtraError

    with pytest.raises(typer.Exit), readable_errors():
        raise MissingExtraError("secantus", "embedded-db")
    assert "pip install 'disolyte[embedded-db]'" in capsys.readouterr().err


def test_unescaped_password_is_not_printed(clean_dir, monkeypatch):
    monkeypatch.setenv("DISOLYTE_MONGODB_URI", "mongodb://user:pa/ss@127.0.0.1:1/x")
    message = failure("quickstart")
    assert "escape special characters" in message
    assert "pa/ss" not in message


def test_own_job_store_is_remembered_by_the_folder(clean_dir):
    pytest.importorskip("secantus")
    from disolyte.cli.session import open_campaign

    store = "{type: JSONStore, paths: %s, read_only: false}"
    docs, data = store % (clean_dir / "docs.json"), store % (clean_dir / "data.json")
    for name in ("docs.json", "data.json"):
        (clean_dir / name).write_text("[]")
    (clean_dir / "mine.yaml").write_text(f"JOB_STORE: {{docs_store: {docs}, additional_stores: {{data: {data}}}}}")
    with open_campaign(clean_dir / "run", jobflow_config=clean_dir / "mine.yaml") as campaign:
        first = campaign.job_store_spec
    with open_campaign(clean_dir / "run") as campaign:
        assert campaign.job_store_spec == first
        assert first["docs_store"]["type"] == "JSONStore"


def test_missing_jobflow_configuration(clean_dir):
    assert "there is no jobflow configuration" in failure("quickstart", "--jobflow-config", "none.yaml")


def test_results_of_no_run_folder(clean_dir):
    assert "is no run folder; run 'disolyte init'" in failure("results", "--folder", clean_dir)


def test_results_of_an_empty_campaign(clean_dir):
    pytest.importorskip("secantus")
    from disolyte.cli.session import open_campaign

    with open_campaign(clean_dir / "run") as campaign:
        name = campaign.name
    with open_campaign(clean_dir / "run") as again:
        assert again.name == name
    with open_campaign(clean_dir / "other") as other:
        assert other.name != name, "folders that share a database must not take each other's jobs"
    outcome = runner.invoke(app, ["results", "--json", "--folder", str(clean_dir / "run")])
    assert outcome.exit_code == 0, outcome.output
    assert json.loads(outcome.stdout) == []
