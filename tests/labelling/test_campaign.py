"""A campaign of VASP labels on FireWorks in which some of the calculations fail."""

import collections
import importlib
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
campaign = importlib.import_module("campaign_with_failures")


@pytest.mark.slow
def test_campaign_completes_and_lists_every_failure(tmp_path, monkeypatch):
    pytest.importorskip("secantus")
    for name in ("PMG_VASP_PSP_DIR", "STAND_IN_VASP_FAULTS", "PYTHONPATH"):
        monkeypatch.setenv(name, "")  # what the campaign sets is taken back
    labels, frames, faulty, jobs, failures, sizes = campaign.run_campaign(
        tmp_path / "campaign",
        5,
        faults=["truncate"],
        n_transient=1,
        workers=("cpu", "dft"),
        hang_s=60,
        timeout_s=300,
    )
    assert failures == []
    assert {job.state for job in jobs} == {"COMPLETED"}
    counts = collections.Counter(job.name for job in jobs)
    assert counts["SCAN static"] == 5 + 1 + 1, "each failure had its second attempt"
    assert {job.category for job in jobs if job.name == "SCAN static"} == {"dft"}
    assert {job.category for job in jobs if job.name != "SCAN static"} == {"cpu"}

    expected = {(frames.family[i], frames.md_step[i]): campaign.FAULTS[fault] for i, fault in faulty.items()}
    assert {(item.family, item.md_step): item.kind.value for item in labels.rejections} == expected
    assert labels.n_labelled == 4
    energy, force, stress = campaign.largest_deviations(labels)
    assert energy < 1e-7
    assert force < 2e-7
    assert stress < 1e-9
    assert max(sizes) < 1e6
