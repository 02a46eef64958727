"""Labels through a real LaunchPad and worker process."""

import importlib
import sys
import time
from pathlib import Path

import pytest
from jobflow import Flow

from disolyte.labelling.labels import iter_labelled_frames
from disolyte.labelling.makers import LabelMaker
from disolyte.labelling.schema import LabelDoc, RejectionKind
from disolyte.ownership import own_folder
from disolyte.workers.campaign import Campaign
from disolyte.workers.database import start_embedded
from disolyte.workers.jobs import SET_ASIDE
from disolyte.workers.processes import ProcessRegistry

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
labellers = importlib.import_module("labellers")


@pytest.mark.slow
def test_labels_come_through_fireworks_and_a_failure_is_set_aside(tmp_path, monkeypatch):
    pytest.importorskip("secantus")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    structures, frames = labellers.rattled_salts(n_families=1, n_frames=3)
    energies = sorted(labellers.harmonic_energy_ev(structure) for structure in structures)
    maker = labellers.HarmonicStaticMaker(fails_below_energy_ev=(energies[0] + energies[1]) / 2)
    give = labellers.GiveSampleMaker().make(frames)
    label = LabelMaker(static_maker=maker, chunk_size=2, minimum_fraction=0.5).make(give.output)
    folder = tmp_path / "run"
    with own_folder(folder):
        registry = ProcessRegistry(folder)
        try:
            campaign = Campaign("labels", folder, start_embedded(registry))
            campaign.write_configuration()
            campaign.submit(Flow([give, label]))
            campaign.start_workers(["any"], threads=1)
            deadline = time.monotonic() + 240
            for jobs in campaign.watch(poll_s=0.5):
                assert time.monotonic() < deadline, jobs
            states = {job.name: job.state for job in campaign.jobs()}
            labels = LabelDoc.model_validate(campaign.job_store().get_output(label.uuid, load=True))
        finally:
            registry.stop_all()

    # Several jobs have this name: which of their states is the last one is left to chance.
    assert states["harmonic static"] in {"COMPLETED", SET_ASIDE}
    assert "FIZZLED" not in states.values()
    assert labels.uuid == label.uuid
    assert labels.n_labelled == 2
    (rejection,) = labels.rejections
    assert rejection.kind is RejectionKind.CALCULATION_FAILED
    for frame in iter_labelled_frames(labels):
        assert frame.label.energy_ev == pytest.approx(0.5 * (frame.positions_ang**2).sum(), rel=1e-12)
