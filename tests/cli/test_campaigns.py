"""``init``, ``plan``, ``submit``, ``status``, ``rerun``, ``cancel``: what a user types, and what goes wrong with it."""

import json
import os
import re
import stat

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from disolyte.cli import app

runner = CliRunner()
MINIATURE = ["liybc", "--preset", "quickstart"]


def run(*arguments, code=0, **kwargs):
    outcome = runner.invoke(app, [str(argument) for argument in arguments], **kwargs)
    assert outcome.exit_code == code, outcome.output
    assert "Traceback" not in outcome.output
    return re.sub(r"\s+", " ", outcome.output)


def load(file):
    return YAML(typ="safe").load(file.read_text())


@pytest.fixture
def folder(tmp_path):
    run("init", tmp_path / "run", "--embedded", "--no-input", "--name", "mine")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def submitted(tmp_path_factory):
    """A folder with a submitted campaign, shared by the tests; the one that cancels it is the last."""
    pytest.importorskip("secantus")
    folder = tmp_path_factory.mktemp("submitted") / "run"
    run("init", folder, "--embedded", "--no-input", "--name", "mine")
    run("submit", *MINIATURE, "-f", folder)
    return folder


class TestInit:
    def test_files_are_those_of_fireworks(self, folder):
        from fireworks import FWorker, LaunchPad

        worker = FWorker.from_file(str(folder / "fworker_gpu.yaml"))
        assert (worker.name, worker.category) == ("disolyte-gpu", "gpu")
        assert worker.query["spec.campaign"] == "mine"
        launchpad = LaunchPad.from_file(str(folder / "my_launchpad.yaml"))
        assert launchpad.host.startswith("mongodb://127.0.0.1:")
        store = load(folder / "jobflow.yaml")["JOB_STORE"]
        assert store["additional_stores"]["data"]["type"] == "GridFSStore"
        for name in ("my_launchpad.yaml", "jobflow.yaml"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600

    def test_slurm_scripts(self, tmp_path):
        from fireworks.user_objects.queue_adapters.common_adapter import CommonAdapter

        flags = ["--partition", "normal", "--partition", "gpu=a100", "--account", "p1", "--walltime", "dft=2-00:00:00"]
        run("init", tmp_path / "run", "--embedded", "--no-input", *flags, "--setup", "module load vasp")
        scripts = {}
        for role in ("cpu", "gpu", "dft"):
            adapter = CommonAdapter.from_file(str(tmp_path / "run" / f"qadapter_{role}.yaml"))
            scripts[role] = adapter.get_script_str("/somewhere")
            assert "None" not in scripts[role]
            assert f"-w {tmp_path}/run/fworker_{role}.yaml rapidfire" in scripts[role]
            assert "#SBATCH --account=p1" in scripts[role]
            assert scripts[role].index("module load vasp") < scripts[role].index("rlaunch")
        assert "#SBATCH --partition=a100" in scripts["gpu"]
        assert "#SBATCH --gres=gpu:1" in scripts["gpu"]
        assert "#SBATCH --partition=normal" in scripts["dft"]
        assert "#SBATCH --time=2-00:00:00" in scripts["dft"]
        assert f"--timeout {2 * 86400 * 9 // 10}" in scripts["dft"]

    def test_nothing_is_overwritten(self, folder):
        before = {file: file.read_bytes() for file in folder.glob("*.yaml")}
        assert "nothing was overwritten" in run("init", folder, "--embedded", "--no-input", code=1)
        assert {file: file.read_bytes() for file in folder.glob("*.yaml")} == before

    def test_a_database_must_be_named(self, tmp_path):
        assert "which database?" in run("init", tmp_path / "run", "--no-input", code=1)
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize(
        ("flags", "complaint"),
        [
            (["--partition", "tpu=x"], "unknown role 'tpu'; roles are: cpu, gpu, dft"),
            (["--walltime", "gpu=two days"], "is not [days-]hours:minutes:seconds"),
            (["--name", "../x"], "may hold letters, digits"),
        ],
    )
    def test_unfit_flags(self, tmp_path, flags, complaint):
        assert complaint in run("init", tmp_path / "run", "--embedded", "--no-input", *flags, code=1)
        assert not list(tmp_path.glob("run/*.yaml"))

    def test_password_is_not_typed_and_not_shown(self, tmp_path):
        uri = "mongodb://me:secret@127.0.0.1:9/lab"
        refused = run("init", tmp_path / "a", "--no-input", "--mongodb-uri", uri, code=1)
        assert "can be read by everybody" in refused
        by_variable = run("init", tmp_path / "b", "--no-input", env={"DISOLYTE_MONGODB_URI": uri}, code=1)
        assert "no MongoDB answered at mongodb://127.0.0.1:9/lab" in by_variable
        file = tmp_path / "uri"
        file.write_text(uri)
        file.chmod(0o644)
        assert "chmod 600" in run("init", tmp_path / "c", "--no-input", "--mongodb-uri-file", file, code=1)
        file.chmod(0o600)
        by_file = run("init", tmp_path / "d", "--no-input", "--mongodb-uri-file", file, code=1)
        assert "no MongoDB answered" in by_file
        assert "secret" not in refused + by_variable + by_file


class TestPlan:
    def test_static_jobs_exactly_dynamic_ones_marked(self):
        plan = json.loads(runner.invoke(app, ["plan", *MINIATURE, "--json"]).stdout)["jobs"]
        by_name = {jobs["name"]: jobs for jobs in plan}
        static = sum(jobs["n_jobs"] for jobs in plan if not jobs["is_estimate"])
        from disolyte.flows.quickstart import quickstart_flow

        assert static == len(list(quickstart_flow().iterflow()))
        assert by_name["sample with MACE MD"]["is_estimate"]
        assert by_name["sample with MACE MD"]["role"] == "gpu"
        assert by_name["enumerate orderings"]["n_atoms"] == 20
        assert by_name["diffusion MD"]["seconds"] > by_name["fine-tune model"]["seconds"]

    def test_published_protocol_needs_dft_for_2500_frames(self):
        plan = json.loads(runner.invoke(app, ["plan", "liybc", "--json"]).stdout)["jobs"]
        static = next(jobs for jobs in plan if jobs["role"] == "dft")
        assert static["n_jobs"] == 2500
        assert static["is_estimate"]

    def test_table(self, folder):
        text = run("plan", *MINIATURE, "--folder", folder, env={"COLUMNS": "160"})
        assert "disolyte-gpu" in text
        assert "~2" in text
        assert "Costs are rough" in text

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["nothing"], "there is no system 'nothing'"),
            (["none.cif"], "there is no file none.cif"),
            (["liybc", "-c", "LiF"], "'LiF' is not on the grid"),
            (["liybc", "--maker", "none.json"], "there is no file none.json"),
        ],
    )
    def test_what_is_not_there(self, clean_dir, arguments, complaint):
        assert complaint in run("plan", *arguments, code=1)

    def test_maker_file_imports_no_foreign_module(self, clean_dir):
        (clean_dir / "maker.json").write_text('{"@module": "antigravity", "@class": "X"}')
        assert "names the module 'antigravity'" in run("plan", "liybc", "--maker", "maker.json", code=1)

    def test_own_maker(self, clean_dir):
        from monty.json import MontyEncoder

        from disolyte.flows.quickstart import quickstart_flow_maker

        maker = quickstart_flow_maker()
        maker.training_set_maker.selection_maker.n_select = 30
        (clean_dir / "maker.json").write_text(json.dumps(maker, cls=MontyEncoder))
        plan = json.loads(runner.invoke(app, ["plan", "liybc", "--maker", "maker.json", "--json"]).stdout)["jobs"]
        assert next(jobs["n_jobs"] for jobs in plan if jobs["name"] == "sample with MACE MD") == 5


class TestSubmit:
    def test_campaign_is_submitted_once_and_seen(self, submitted):
        status = json.loads(runner.invoke(app, ["status", "-f", str(submitted), "--json"]).stdout)
        assert status["campaign"] == "mine"
        assert status["state"] == "waiting"
        assert status["n_jobs"] == 18
        assert sum(stage["n_waiting"] for stage in status["stages"]) == 18
        assert "'mine' is on the LaunchPad already" in run("submit", *MINIATURE, "-f", submitted, code=1)
        assert "time left unknown: no worker runs" in run("status", "-f", submitted)

    def test_other_name_for_the_same_folder(self, submitted):
        assert "holds the campaign 'mine' already" in run("submit", *MINIATURE, "-f", submitted, "--name", "b", code=1)

    def test_plain_lpad_reads_the_folder(self, submitted):
        import subprocess
        import sys
        from pathlib import Path

        from disolyte.cli.session import open_campaign

        with open_campaign(submitted):
            lpad = Path(sys.executable).parent / "lpad"
            command = [str(lpad), "-l", str(submitted / "my_launchpad.yaml"), "get_fws", "-s", "READY", "-d", "count"]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.strip().endswith("4")

    @pytest.mark.parametrize(
        ("name", "content", "complaint"),
        [
            ("fworker_gpu.yaml", "name: x\ncategory: cpu", "has the category 'cpu', which the role 'cpu' has"),
            ("fworker_gpu.yaml", "category: 3", "is no FireWorks worker"),
            ("fworker_gpu.yaml", "name: x\ncategory: gpu\nquery: '{'", "'query' must be JSON"),
            ("fworker_gpu.yaml", "name: x\ncategory: gpu\nquery: '" + "[" * 100_000 + "'", "'query' must be JSON"),
            ("my_launchpad.yaml", "host: localhost\nname: x\nuri_mode: true", "must begin with mongodb://"),
            ("my_launchpad.yaml", "host: 3", "must hold 'host'"),
            ("my_launchpad.yaml", "a: [", "is no YAML file"),
            ("jobflow.yaml", "JOB_STORE: 3", "has no JOB_STORE"),
            ("my_launchpad.yaml", "[" * 5000, "is no YAML file"),
            ("fworker_gpu.yaml", "\n".join(" " * depth + "a:" for depth in range(2000)), "is no YAML file"),
            ("campaign.json", "{}", "is damaged"),
            ("campaign.json", '{"name": "[/red]x"}', "is damaged"),
            ("campaign.json", '{"name": "../../../etc"}', "is damaged"),
            ("campaign.json", "{'name': !!python/object/apply:os.system ['touch hacked']}", "is damaged"),
            ("fworker_cpu.yaml", "!!python/object/apply:os.system ['touch hacked']", "is no"),
        ],
    )
    def test_edited_files_are_refused_before_submission(self, folder, monkeypatch, name, content, complaint):
        pytest.importorskip("secantus")
        monkeypatch.chdir(folder)
        (folder / name).write_text(content)
        assert complaint in run("submit", *MINIATURE, "-f", folder, code=1)
        assert not (folder / "hacked").exists()

    def test_password_that_others_can_read_is_refused(self, folder):
        (folder / "database").rmdir()
        file = folder / "my_launchpad.yaml"
        file.write_text("host: mongodb://me:secret@127.0.0.1:9/x\nname: x\nuri_mode: true")
        file.chmod(0o644)
        message = run("submit", *MINIATURE, "-f", folder, code=1)
        assert "others can read it" in message
        assert "secret" not in message

    @pytest.mark.parametrize("content", ["[1]", '{"database": "x", "worker": ["y", "z"]}', '{"a": [1e999, NaN]}', "["])
    def test_edited_list_of_processes_names_none(self, folder, content):
        from disolyte.workers.processes import ProcessRegistry

        (folder / "processes.json").write_text(content)
        registry = ProcessRegistry(folder)
        assert (registry.dead(), registry.stop_all()) == ([], [])

    @pytest.mark.parametrize("hours", ["nan", "-1", "inf"])
    def test_lost_after_is_a_time(self, folder, hours):
        assert "no time between 0 and" in run("rerun", "-f", folder, "--lost-after", hours, code=2)

    def test_unknown_worker(self, submitted):
        assert "there is no worker 'tpu'" in run("work", "-f", submitted, "--worker", "tpu", code=1)

    def test_nothing_to_work_on(self, folder):
        pytest.importorskip("secantus")
        assert "there is nothing to do" in run("work", "-f", folder, code=1)

    def test_folder_keeps_its_database(self, folder):
        message = run("submit", *MINIATURE, "-f", folder, "--mongodb-uri", "mongodb://127.0.0.1:9/lab", code=1)
        assert "belongs to its embedded database" in message


def test_cancel_asks_and_then_nothing_starts(submitted):
    assert "Nothing was cancelled" in run("cancel", "-f", submitted, input="n\n")
    assert "18 jobs were cancelled" in run("cancel", "-f", submitted, "--yes")
    status = json.loads(runner.invoke(app, ["status", "-f", str(submitted), "--json"]).stdout)
    assert status["state"] == "cancelled"
    assert "cancelled quarantine" in run("status", "-f", submitted), "a column of its own"
    assert "18 jobs are cancelled and do not run; to take it back" in run("rerun", "-f", submitted)
    assert "18 jobs are cancelled and do not run; to take it back" in run("work", "-f", submitted)
    assert "18 jobs are no longer cancelled" in run("rerun", "-f", submitted, "--cancelled")
    status = json.loads(runner.invoke(app, ["status", "-f", str(submitted), "--json"]).stdout)
    assert status["state"] == "waiting"

    from disolyte.cli.session import open_campaign

    with open_campaign(submitted) as campaign:
        states = [job.state for job in campaign.jobs()]
        assert (states.count("READY"), states.count("WAITING")) == (4, 14), "as before"


@pytest.mark.parametrize("width", [100, 80, 50, 20])
def test_status_is_whole_at_any_width(width):
    import io

    from rich.console import Console

    from disolyte.cli.running import print_status
    from disolyte.workers.status import CampaignStatus, StageStatus

    stages = [StageStatus(stage="thermodynamics", n_done=31, n_waiting=105, n_expected=2500)]
    status = CampaignStatus(
        campaign="mine", state="waiting", stages=stages, n_jobs=9, rate_per_hour=7, seconds_left=None
    )
    out = io.StringIO()
    print_status(status, Console(file=out, width=width))
    assert "31/2500" in out.getvalue()
    assert "105" in out.getvalue()
    assert "…" not in out.getvalue()
    assert "time left unknown: no worker runs" in " ".join(out.getvalue().split())


def test_doctor_names_what_is_missing_and_how_to_get_it(folder, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)
    findings = {entry["what"]: entry for entry in json.loads(runner.invoke(app, ["doctor", "--json"]).stdout)}
    assert findings["model disolyte-small"]["level"] == "ok"
    assert findings["VASP"]["level"] == "missing"
    assert "VASP_CMD" in findings["VASP"]["remedy"]
    assert all(entry["remedy"] for entry in findings.values() if entry["level"] != "ok")
    assert "campaign mine" in run("doctor", "--folder", folder, env={"COLUMNS": "200"})
    (folder / "jobflow.yaml").write_text("nothing: here")
    assert "has no JOB_STORE" in run("doctor", "--folder", folder, code=1, env={"COLUMNS": "200"})


def test_potcar_dates_are_read(tmp_path, monkeypatch):
    from pymatgen.core import SETTINGS

    from disolyte.cli.diagnosis import PAPER_POTCARS, diagnose

    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(tmp_path))
    for symbol in PAPER_POTCARS.values():
        file = tmp_path / "POT_GGA_PAW_PBE_54" / symbol / "POTCAR"
        file.parent.mkdir(parents=True)
        file.write_text(f"  PAW_PBE {symbol} 10Sep2004\n 3.0\n")
    found = next(finding for finding in diagnose(None) if finding.what == "POTCARs")
    assert found.level == "ok"
    assert "PAW_PBE Li_sv 10Sep2004" in found.found
