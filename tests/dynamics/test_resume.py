import errno
import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from disolyte.dynamics import MDProtocol, MDRun, Reason, run_md, trajectory
from disolyte.dynamics.writer import RunWriter
from disolyte.errors import DynamicsError, RunFolderError

CHILD = Path(__file__).with_name("child.py")


def load_child():
    spec = importlib.util.spec_from_file_location("child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kill_and_resume(tmp_path, engine):
    """kill -9 at random times, three times, then to the end; and the same without a kill."""
    child = load_child()
    whole = child.main(tmp_path / "whole", engine)
    folder, generator, kills = tmp_path / "killed", random.Random(), 0
    for _ in range(3):
        before = len(list(folder.glob("*/chunk-*.npz")))
        process = subprocess.Popen([sys.executable, str(CHILD), str(folder), engine])
        while process.poll() is None and len(list(folder.glob("*/chunk-*.npz"))) <= before + 3:
            time.sleep(0.01)
        time.sleep(generator.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    chunks = len(list(folder.glob("*/chunk-*.npz")))
    assert 0 < chunks < len(list((tmp_path / "whole").glob("*/chunk-*.npz")))
    return child.main(folder, engine), whole


def test_killed_and_resumed_equals_uninterrupted(tmp_path, same_arrays):
    """On ASE, bitwise what one run gives."""
    for run, other in zip(*kill_and_resume(tmp_path, "ase"), strict=True):
        assert run.steps.tolist() == list(range(0, 301, 3))
        same_arrays(run, other)


def test_killed_and_resumed_on_torch_sim(tmp_path):
    """The order of sums may differ: the same run but for rounding, no frame twice and none lost."""
    pytest.importorskip("torch_sim")
    for run, other in zip(*kill_and_resume(tmp_path, "torch-sim"), strict=True):
        assert run.steps.tolist() == other.steps.tolist() == list(range(0, 301, 3))
        np.testing.assert_allclose(run.positions_ang(), other.positions_ang(), atol=1e-3)
        assert run.temperatures_k.mean() == pytest.approx(other.temperatures_k.mean(), rel=1e-2)
        assert run.temperatures_k.std() == pytest.approx(other.temperatures_k.std(), rel=2e-2)


def test_killed_while_it_writes_a_chunk(tmp_path, same_arrays):
    """A file is there in part when the process dies: it does not count, and is gone after the next start."""
    child, folder = load_child(), tmp_path / "killed"
    process = subprocess.Popen([sys.executable, str(CHILD), str(folder), "ase", "slow-writes"])
    halves = []
    while process.poll() is None and not halves:
        time.sleep(0.005)
        if len(list(folder.glob("*/chunk-*.npz"))) >= 2:
            halves = list(folder.glob("*/.chunk-*"))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(folder.glob("*/.chunk-*")) == halves
    for run, other in zip(child.main(folder), child.main(tmp_path / "whole"), strict=True):
        same_arrays(run, other)
    assert not list(folder.glob("*/.chunk-*"))


@pytest.fixture
def short(copper, tmp_path):
    one = MDProtocol(temperature_k=300.0, n_steps=40, record_every=5, thermostat="langevin")

    def run(folder=tmp_path / "run", **changes):
        return run_md([copper], [one.model_copy(update=changes)], EMT(), folder, chunk_frames=2)[0]

    return run


def test_half_written_and_broken_chunks_are_made_anew(short, tmp_path, same_arrays):
    whole = short(tmp_path / "whole")
    run = short()
    paths = run.chunk_paths
    paths[-1].unlink()
    (paths[0].parent / f".{paths[-1].name}.123").write_bytes(paths[-2].read_bytes()[:200])
    paths[-2].write_bytes(paths[-2].read_bytes()[:300])
    with pytest.raises(DynamicsError, match="start the run again"):
        MDRun(run.directory).positions_ang()
    same_arrays(short(), whole)


def test_unfinished_run_can_be_read(short):
    run = short()
    run.chunk_paths[-1].unlink()
    left = MDRun(run.directory)
    assert left.verdict.reason is Reason.UNFINISHED
    assert 0 < left.n_frames < run.protocol.n_frames
    assert left.verdict.step == left.last.end.step < 40


def test_folder_of_another_run_is_refused(short):
    short()
    with pytest.raises(DynamicsError, match="another protocol"):
        short(temperature_k=400.0)


def test_other_parameters_of_a_calculator_or_masses_are_another_run(copper, tmp_path):
    def run(epsilon, mass=63.5):
        copper.set_masses([mass] * len(copper))
        calculator = LennardJones(epsilon=epsilon, sigma=2.3, rc=5.0)
        return run_md([copper], [MDProtocol(temperature_k=300.0, n_steps=4)], calculator, tmp_path)

    run(0.4)
    run(0.4)
    with pytest.raises(DynamicsError, match="another model_sha256"):
        run(0.5)
    with pytest.raises(DynamicsError, match="another masses_u"):
        run(0.4, mass=2.0)


@pytest.mark.parametrize("text", ["", '{"protocol": {"temp', "[1]"])
def test_broken_description_of_a_run(short, text):
    run = short()
    (run.directory / "run.json").write_text(text)
    with pytest.raises(DynamicsError, match="or delete .*system-0000 to start anew"):
        short()


@pytest.mark.parametrize("lost", [True, False])
def test_chunks_after_a_gap_or_a_broken_one_are_set_aside(short, tmp_path, same_arrays, lost):
    """They may be of another course of the run: a kill before they are made anew must not splice the two."""
    whole = short(tmp_path / "whole")
    run = short()
    middle, content = run.chunk_paths[1], run.chunk_paths[1].read_bytes()
    middle.unlink() if lost else middle.write_bytes(content[: len(content) // 2])
    RunWriter(run.directory, json.loads((run.directory / "run.json").read_text()))
    assert [path.name for path in MDRun(run.directory).chunk_paths] == ["chunk-000000.npz"]
    assert not list(run.directory.glob("chunk-000003.npz"))
    same_arrays(short(), whole)


def test_full_disk_loses_nothing(short, monkeypatch, tmp_path, same_arrays):
    whole = short(tmp_path / "whole")
    save, written = np.savez, []

    def full(stream, **arrays):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(1)
        save(stream, **arrays)

    monkeypatch.setattr(trajectory.np, "savez", full)
    with pytest.raises(RunFolderError, match="the disk is full"):
        short()
    monkeypatch.undo()
    folder = tmp_path / "run" / "system-0000"
    assert sorted(path.name for path in folder.iterdir()) == ["chunk-000000.npz", "chunk-000001.npz", "run.json"]
    same_arrays(short(), whole)


def test_folder_that_cannot_be_made(short, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="give a writable one"):
        short(tmp_path / "file" / "below")
