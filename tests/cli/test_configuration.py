"""The files of a run folder stay those of this folder: other configurations, edits, and writes that were cut off."""

import json

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from disolyte.cli import app
from disolyte.workers.database import Database, embedded_database, free_port
from disolyte.workers.files import write_private, write_text
from disolyte.workers.folder import RunFolder

runner = CliRunner()


def run(*arguments, code=0, **kwargs):
    outcome = runner.invoke(app, [str(argument) for argument in arguments], **kwargs)
    assert outcome.exit_code == code, outcome.output
    assert "Traceback" not in outcome.output
    return " ".join(outcome.output.split())


def load(file):
    return YAML(typ="safe").load(file.read_text())


def stores(folder):
    spec = load(folder / "jobflow.yaml")["JOB_STORE"]
    return [spec["docs_store"], spec["additional_stores"]["data"]]


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("secantus")
    run("init", tmp_path / "run", "--embedded", "--no-input", "--name", "mine")
    return tmp_path / "run"


class TestOtherConfiguration:
    def test_variable_does_not_reach_a_folder_that_has_its_own(self, folder, tmp_path, monkeypatch):
        run("init", tmp_path / "other", "--embedded", "--no-input")
        before = (folder / "jobflow.yaml").read_bytes()
        monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(tmp_path / "other" / "jobflow.yaml"))
        run("status", "-f", folder)
        assert (folder / "jobflow.yaml").read_bytes() == before

    def test_variable_that_names_the_folder_itself(self, folder, monkeypatch):
        monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(folder / "jobflow.yaml"))
        monkeypatch.setattr("disolyte.cli.session._check_job_store", lambda *_: pytest.fail("its database sleeps"))
        assert json.loads(run("status", "-f", folder, "--json"))["campaign"] == "mine"

    def test_new_folder_does_not_take_the_database_of_another(self, folder, tmp_path, monkeypatch):
        monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(folder / "jobflow.yaml"))
        new = tmp_path / "new"
        for command in (["init", new, "--embedded", "--no-input"], ["quickstart", "--folder", new]):
            message = run(*command, code=1)
            assert f"JOBFLOW_CONFIG_FILE names the job store in the database of the run folder {folder}" in message
        assert not new.exists()

    def test_variable_gives_a_new_folder_its_store(self, tmp_path, monkeypatch):
        for name in ("docs.json", "data.json"):
            (tmp_path / name).write_text("[]")
        store = "{type: JSONStore, paths: %s, read_only: false}"
        docs, data = (store % (tmp_path / name) for name in ("docs.json", "data.json"))
        (tmp_path / "own.yaml").write_text(f"JOB_STORE: {{docs_store: {docs}, additional_stores: {{data: {data}}}}}")
        monkeypatch.setenv("JOBFLOW_CONFIG_FILE", str(tmp_path / "own.yaml"))
        run("init", tmp_path / "new", "--embedded", "--no-input")
        assert {store["type"] for store in stores(tmp_path / "new")} == {"JSONStore"}

    def test_flag_that_names_another_store_is_refused(self, folder, tmp_path):
        other = {"JOB_STORE": Database("mongodb://127.0.0.1:9/lab").job_store_spec()}
        write_private(tmp_path / "other.yaml", other)
        before = (folder / "jobflow.yaml").read_bytes()
        flags = ["-f", folder, "--jobflow-config", tmp_path / "other.yaml"]
        message = run("submit", "liybc", "--preset", "quickstart", *flags, code=1)
        assert "names another job store than" in message
        assert (folder / "jobflow.yaml").read_bytes() == before


class TestEmbeddedPort:
    def test_files_that_name_different_ports_are_put_right(self, folder):
        files = RunFolder(folder)
        write_private(files.jobflow_file, {"JOB_STORE": embedded_database(free_port()).job_store_spec()})
        run("status", "-f", folder)
        port = files.database().port
        assert {Database(store["uri"]).port for store in stores(folder)} == {port}

    def test_edits_are_kept_when_the_port_changes(self, folder):
        import socket

        from disolyte.cli.session import open_campaign

        files = RunFolder(folder)
        before = files.database().port
        text = files.jobflow_file.read_text().replace("collection_name: outputs\n", "collection_name: mine  # edited\n")
        files.jobflow_file.write_text(text)
        files.launchpad_file.write_text(files.launchpad_file.read_text().replace("name: disolyte", "name: lab"))
        with socket.create_server(("127.0.0.1", before)), open_campaign(folder) as campaign:
            assert campaign.job_store().docs_store.collection_name == "mine"
            assert campaign.launchpad().name == campaign.database.name == "lab"
        after = files.database().port
        assert after != before
        assert files.jobflow_file.read_text() == text.replace(f":{before}/", f":{after}/")

    def test_other_database_in_the_launchpad_file_is_refused(self, folder):
        write_private(folder / "my_launchpad.yaml", Database("mongodb://127.0.0.1:9/lab", "lab").launchpad_spec())
        message = run("status", "-f", folder, code=1)
        assert "names mongodb://127.0.0.1:9/lab, but the database of this folder is in" in message


class TestWriting:
    def test_file_is_whole_when_writing_it_was_cut_off(self, tmp_path, monkeypatch):
        file = tmp_path / "file"
        file.write_text("whole")
        file.chmod(0o640)

        def cut_off(_number):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("os.fsync", cut_off)
            write_text(file, "new")
        assert file.read_text() == "whole"
        write_text(file, "new")
        assert file.read_text() == "new"
        assert file.stat().st_mode & 0o777 == 0o640
        assert list(tmp_path.iterdir()) == [file]


def test_a_missing_worker_is_written_anew_and_an_edited_one_left_alone(folder):
    edited = folder / "fworker_cpu.yaml"
    edited.write_text("name: mine\ncategory: big\nquery: '{}'\n")
    before = edited.read_bytes()
    original = load(folder / "fworker_gpu.yaml")
    (folder / "fworker_gpu.yaml").unlink()
    planned = run("plan", "liybc", "--preset", "quickstart", "-f", folder)
    assert "disolyte-gpu" in planned
    assert not (folder / "fworker_gpu.yaml").exists(), "a plan writes nothing"
    run("submit", "liybc", "--preset", "quickstart", "-f", folder)
    assert load(folder / "fworker_gpu.yaml") == original
    assert edited.read_bytes() == before


def test_an_empty_worker_comes_back_as_the_message_says(folder):
    (folder / "fworker_gpu.yaml").write_text("")
    message = run("submit", "liybc", "--preset", "quickstart", "-f", folder, code=1)
    assert "or move it away: it is then written anew" in message
    (folder / "fworker_gpu.yaml").unlink()
    run("status", "-f", folder)
    assert load(folder / "fworker_gpu.yaml")["category"] == "gpu"


def test_unescaped_password_is_not_typed_and_not_shown(tmp_path):
    for character in "#?[/":
        uri = f"mongodb://me:SEC{character}RET@127.0.0.1:1/lab"
        for given in ({"env": {"DISOLYTE_MONGODB_URI": uri}}, {}):
            flags = [] if given else ["--mongodb-uri", uri]
            message = run("init", tmp_path / "run", "--no-input", *flags, code=1, **given)
            assert "escape special characters" in message
            assert "SEC" not in message
            assert "RET" not in message
