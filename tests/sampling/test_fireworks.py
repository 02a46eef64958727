"""Sampling of a whole system through a real LaunchPad and worker processes."""

import importlib
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
liybc_campaign = importlib.import_module("liybc_campaign")


@pytest.mark.slow
def test_all_compositions_of_the_lithium_halides(tmp_path):
    pytest.importorskip("secantus")
    pytest.importorskip("torch_sim")
    jobs, sample = liybc_campaign.run(tmp_path / "run", n_steps=100, n_wanted=110, timeout_s=240)
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert Counter(job.category for job in jobs) == {"gpu": 3, "cpu": 2}
    assert len(sample.runs) == 22
    assert all(run.verdict.completed for run in sample.runs)
    assert Counter(sample.frames.composition) == dict.fromkeys(set(sample.frames.composition), 10)
    assert len(set(sample.frames.composition)) == 11
    assert set(Counter(sample.frames.family).values()) == {5}
    assert {len(atoms) for atoms in sample.frames.to_atoms()} == {20, 40}
    assert np.abs(sample.frames.strain).max() <= 0.03
