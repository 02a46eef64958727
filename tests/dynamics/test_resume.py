import errno
import importlib.util
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ase.calculators.emt import EMT

from disolyte.dynamics import MDProtocol, MDRun, Reason, run_md, trajectory
from disolyte.errors import DynamicsError, RunFolderError

CHILD = Path(__file__).with_name("child.py")


def load_child():
    spec = importlib.util.spec_from_file_location("child", CHILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_killed_and_resumed_equals_uninterrupted(tmp_path, same_arrays):
    """kill -9 at random times, three times, then to the end: bitwise what one run gives."""
    child = load_child()
    whole = child.main(tmp_path / "whole")
    folder, generator, kills = tmp_path / "killed", random.Random(), 0
    for _ in range(3):
        before = len(list(folder.glob("*/chunk-*.npz")))
        process = subprocess.Popen([sys.executable, str(CHILD), str(folder)])
        while process.poll() is None and len(list(folder.glob("*/chunk-*.npz"))) <= before + 3:
            time.sleep(0.01)
        time.sleep(generator.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 1
    chunks = len(list(folder.glob("*/chunk-*.npz")))
    assert 0 < chunks < len(list((tmp_path / "whole").glob("*/chunk-*.npz")))
    for run, other in zip(child.main(folder), whole, strict=True):
        assert run.steps.tolist() == list(range(0, 301, 3))
        same_arrays(run, other)


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
    with pytest.raises(RunFolderError, match="choose a folder that can be written to"):
        short(tmp_path / "file" / "below")
