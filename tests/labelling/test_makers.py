"""The Makers, run as jobs."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from jobflow import Flow, OnMissing, run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from disolyte.errors import InputError
from disolyte.labelling.frames import select_frames
from disolyte.labelling.labels import iter_labelled_frames
from disolyte.labelling.makers import DatasetMaker, LabelMaker, SurrogateStaticMaker
from disolyte.labelling.schema import DatasetDoc, LabelDoc, RejectionKind
from disolyte.labelling.surrogate import SURROGATE_CAVEAT

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
labellers = importlib.import_module("labellers")


def run(flow, store):
    """Run a flow; return its documents as jobflow hands them to the next job."""
    return run_locally(flow, store=store, ensure_success=False, log=True)


def document(store, uuid, schema):
    return schema.model_validate(store.get_output(uuid, load=True))


@pytest.mark.parametrize("by_reference", [True, False])
def test_surrogate_labels_in_chunks(clean_dir, job_store, by_reference):
    pytest.importorskip("chgnet")
    structures, frames = labellers.rattled_salts()
    give = labellers.GiveSampleMaker().make(frames)
    maker = LabelMaker(static_maker=SurrogateStaticMaker(), chunk_size=5)
    label = maker.make(
        give.output if by_reference else labellers.make_sample(frames, caveats=["sampled with the small model"])
    )
    dataset = DatasetMaker(minimum_fraction=0.5).make([label.output])
    run(Flow([give, label, dataset]), job_store)

    names = [doc["name"] for doc in job_store.query(properties=["name"])]
    assert sum(name.startswith("CHGNet r2SCAN static") for name in names) == 3, "12 frames in chunks of 5"
    labels = document(job_store, label.uuid, LabelDoc)
    assert labels.n_labelled == 12
    assert labels.frames.family == frames.family
    assert labels.is_surrogate
    assert "surrogate" in labels.label_method
    assert labels.caveats == ["sampled with the small model", SURROGATE_CAVEAT]
    # chunk after chunk, every label belongs to its frame
    alone = SurrogateStaticMaker().make.original(SurrogateStaticMaker(), structures[7])
    assert labels.energies_ev[7] == pytest.approx(alone.energies_ev[0], abs=1e-4)
    assert np.allclose(labels.forces_ev_per_ang.to_array()[56:64], alone.forces_ev_per_ang.to_array(), atol=1e-4)

    data = document(job_store, dataset.uuid, DatasetDoc)
    assert data.is_surrogate
    assert SURROGATE_CAVEAT in data.caveats
    assert data.n_frames == 12
    assert data.provenance.inputs[0].uuid == labels.uuid
    assert data.provenance.seed == 0


def test_fan_out_is_fit_for_fireworks(clean_dir, job_store):
    from jobflow.managers.fireworks import flow_to_workflow

    _, frames = labellers.rattled_salts()
    give = labellers.GiveSampleMaker().make(frames)
    label = LabelMaker(static_maker=SurrogateStaticMaker(), chunk_size=2).make(give.output)
    run(give, job_store)
    flow = label.run(job_store).replace
    # FireWorks refuses references to jobs outside the flow, and a spec of more than 16 MB
    workflow = json.dumps(flow_to_workflow(flow, job_store).to_dict(), default=str)
    assert len(workflow) < 7 * 10_000, "six chunks and the merge, whatever the frames weigh"
    assert frames.positions_ang.payload not in workflow
    last = flow.jobs[-1]
    assert (last.name, last.uuid, last.index) == ("merge labels", label.uuid, 2)


def test_one_job_per_frame_and_failures_with_reasons(clean_dir, job_store):
    structures, frames = labellers.rattled_salts(n_families=2, n_frames=4)
    energies = sorted(labellers.harmonic_energy_ev(structure) for structure in structures)
    maker = labellers.HarmonicStaticMaker(
        fails_below_energy_ev=(energies[0] + energies[1]) / 2, shifts_below_energy_ev=(energies[1] + energies[2]) / 2
    )
    give = labellers.GiveSampleMaker().make(frames)
    label = LabelMaker(static_maker=maker, chunk_size=3, minimum_fraction=0.5).make(give.output)
    run(Flow([give, label]), job_store)

    labels = document(job_store, label.uuid, LabelDoc)
    assert labels.n_labelled == 6
    assert labels.n_submitted == 8
    kinds = {rejection.kind: rejection for rejection in labels.rejections}
    assert set(kinds) == {RejectionKind.CALCULATION_FAILED, RejectionKind.STRUCTURE_MISMATCH}
    failed = int(np.argmin([labellers.harmonic_energy_ev(structure) for structure in structures]))
    rejection = kinds[RejectionKind.CALCULATION_FAILED]
    assert (rejection.family, rejection.md_step) == (frames.family[failed], frames.md_step[failed])
    assert "left no document" in rejection.reason
    # the accepted labels are the labeller's own numbers
    for frame in iter_labelled_frames(labels):
        assert frame.label.energy_ev == pytest.approx(0.5 * (frame.positions_ang**2).sum(), rel=1e-12)
        assert np.allclose(frame.label.forces_ev_per_ang, -frame.positions_ang, atol=1e-12)
    assert labels.caveats == ["sampled with the small model", "harmonic"]


def test_vasp_documents_become_labels_and_pbe_is_set_aside(clean_dir, job_store):
    structures, frames = labellers.rattled_salts(n_families=2, n_frames=2)
    energies = sorted(labellers.harmonic_energy_ev(structure) for structure in structures)
    maker = labellers.VaspLikeStaticMaker(
        input_set_generator=labellers.Promise(),
        pbe_below_energy_ev=(energies[0] + energies[1]) / 2,
        stop_children_kwargs={},
    )
    give = labellers.GiveSampleMaker().make(frames)
    label = LabelMaker(static_maker=maker, chunk_size=3, minimum_fraction=0.5).make(give.output)
    run(Flow([give, label]), job_store)

    labels = document(job_store, label.uuid, LabelDoc)
    assert labels.label_method == "VASP SCAN, ENCUT 520 eV"
    assert not labels.is_surrogate
    assert labels.caveats == ["sampled with the small model"]
    assert labels.provenance.inputs[0].kind == "SampleDoc"
    (rejection,) = labels.rejections
    assert rejection.kind is RejectionKind.WRONG_SETTINGS
    assert "PBE" in rejection.reason
    accepted = list(iter_labelled_frames(labels))
    assert len(accepted) == 3
    for frame in accepted:
        assert np.allclose(frame.label.forces_ev_per_ang, -frame.positions_ang, atol=1e-9), "in the frame's order"
        assert frame.label.stress_ev_per_ang3[0, 0] == pytest.approx(-100 / 1602.1766, rel=1e-6)


def test_several_samples_are_labelled_together(clean_dir, job_store):
    _, frames = labellers.rattled_salts(n_families=2, n_frames=2)
    makers = [labellers.GiveSampleMaker().make(select_frames(frames, part)) for part in ([0, 1, 2], [3])]
    label = LabelMaker(static_maker=labellers.HarmonicStaticMaker(), chunk_size=2).make(
        [maker.output for maker in makers]
    )
    run(Flow([*makers, label]), job_store)
    labels = document(job_store, label.uuid, LabelDoc)
    assert labels.frames == frames
    assert [record.kind for record in labels.provenance.inputs][:2] == ["SampleDoc", "SampleDoc"]
    names = [doc["name"] for doc in job_store.query(properties=["name"])]
    assert sum(name.startswith("label chunk") for name in names) == 3, "no chunk holds frames of two samples"


@pytest.mark.parametrize("kind", ["dict", "number", "text", "list", "not finite", "method", "surrogate"])
def test_an_odd_label_costs_its_frame_alone(clean_dir, job_store, kind):
    structures, frames = labellers.rattled_salts(n_families=1, n_frames=3)
    energies = sorted(labellers.harmonic_energy_ev(structure) for structure in structures)
    maker = labellers.OddStaticMaker(odd_below_energy_ev=(energies[0] + energies[1]) / 2, kind=kind)
    label = LabelMaker(static_maker=maker, chunk_size=3, minimum_fraction=0.5).make(labellers.make_sample(frames))
    run(label, job_store)
    labels = document(job_store, label.uuid, LabelDoc)
    assert (labels.n_labelled, len(labels.rejections)) == (2, 1)
    assert labels.label_method == "harmonic"
    assert {"not finite": "NaN", "method": "another", "surrogate": "surrogate"}.get(
        kind, "no label"
    ) in labels.rejections[0].reason


def test_failures_that_were_set_aside_are_settled(clean_dir, tmp_path, monkeypatch):
    """On FireWorks a labeller that crashes stays FIZZLED: the campaign is done all the same, and nothing runs again."""
    pytest.importorskip("secantus")
    from disolyte.cli.session import open_campaign
    from disolyte.workers.jobs import SET_ASIDE
    from disolyte.workers.routing import assign_workers
    from disolyte.workers.status import campaign_status

    monkeypatch.setenv("PYTHONPATH", str(Path(labellers.__file__).parent))
    structures, frames = labellers.rattled_salts(n_families=1, n_frames=3)
    energies = sorted(labellers.harmonic_energy_ev(structure) for structure in structures)
    maker = labellers.HarmonicStaticMaker(fails_below_energy_ev=(energies[0] + energies[1]) / 2)
    label = LabelMaker(static_maker=maker, chunk_size=3, minimum_fraction=0.5).make(frames)
    with open_campaign(tmp_path / "run", name="labels") as campaign:
        campaign.submit(assign_workers(label, {"cpu": {"_category": "cpu"}}))
        campaign.start_workers(["cpu"], threads=1)
        *_, jobs = campaign.watch(poll_s=0.2)
        assert sorted(job.name for job in jobs if job.state == SET_ASIDE) == ["harmonic static"] * 2, "both attempts"
        assert {job.state for job in jobs} == {"COMPLETED", SET_ASIDE}
        assert list(campaign.failures()) == []
        assert campaign_status(campaign).state == "done"
        assert campaign.rerun_failed() == campaign.recover().rerun == []
        assert campaign.cancel() == 0
        assert document(campaign.job_store(), label.uuid, LabelDoc).n_labelled == 2


def test_what_was_set_aside_runs_again_where_too_few_were_left(clean_dir, tmp_path, monkeypatch):
    pytest.importorskip("secantus")
    from disolyte.cli.session import open_campaign
    from disolyte.workers.routing import assign_workers

    monkeypatch.setenv("PYTHONPATH", str(Path(labellers.__file__).parent))
    _, frames = labellers.rattled_salts(n_families=1, n_frames=2)
    maker = labellers.HarmonicStaticMaker(fails_below_energy_ev=1e9)
    label = LabelMaker(static_maker=maker, retry_makers=[], minimum_fraction=0.5).make(frames)
    with open_campaign(tmp_path / "run", name="labels") as campaign:
        campaign.submit(assign_workers(label, {"cpu": {"_category": "cpu"}}))
        campaign.start_workers(["cpu"], threads=1)
        list(campaign.watch(poll_s=0.2))
        assert sorted(failure.name for failure in campaign.failures()) == ["harmonic static"] * 2 + ["merge labels"]


def test_stage_fails_below_the_stated_minimum(clean_dir, job_store, caplog):
    _, frames = labellers.rattled_salts(n_families=1, n_frames=4)
    label = LabelMaker(
        static_maker=labellers.HarmonicStaticMaker(fails_below_energy_ev=1e9), chunk_size=3, minimum_fraction=0.5
    ).make(labellers.make_sample(frames))
    with caplog.at_level("INFO", logger="jobflow"):
        run_locally(label, store=job_store, log=True)
    assert "0 of 4 frames got a label, less than the stated minimum of 50%" in caplog.text
    assert not list(job_store.query({"uuid": label.uuid, "index": 2})), "nothing poses as its output"


def test_lonely_atom_is_set_aside_by_the_surrogate(clean_dir, job_store):
    pytest.importorskip("chgnet")
    structures, _ = labellers.rattled_salts(n_families=1, n_frames=2)
    lonely = Structure(Lattice.cubic(30), ["Li"], [[0, 0, 0]])
    labels = SurrogateStaticMaker().make.original(SurrogateStaticMaker(), [structures[0], lonely, structures[1]])
    assert labels.n_labelled == 2
    (rejection,) = labels.rejections
    assert rejection.composition == "Li"
    assert "isolated" in rejection.reason


@pytest.mark.parametrize("maker", [SurrogateStaticMaker(device="cuda"), LabelMaker(), DatasetMaker(seed=3)])
def test_makers_survive_json(maker):
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    assert again == maker
    assert type(again) is type(maker)


def test_scan_is_the_default_and_passes_its_settings_on(clean_dir, job_store):
    _, frames = labellers.rattled_salts(n_families=1, n_frames=2)
    maker = LabelMaker()
    assert maker.static_maker.name == "SCAN static"
    sample = labellers.make_sample(frames, caveats=["sampled with the small model"])
    chunk = maker.make(sample).run(job_store).replace.jobs[0]
    jobs = {each.name: each for each in chunk.run(job_store).replace.jobs}
    assert jobs["collect labels"].function.__self__.settings.label_method == "VASP SCAN, ENCUT 520 eV"
    assert jobs["collect labels"].config.on_missing_references == OnMissing.NONE
    assert jobs["SCAN static"].function.__self__.stop_children_kwargs == {"handle_unsuccessful": False}
    assert maker.static_maker.stop_children_kwargs == {}, "the Maker itself is not changed"
    roles = {each.function.__self__.role for each in jobs.values() if hasattr(each.function, "__self__")}
    assert roles == {"dft", "cpu"}


def test_bad_input_comes_before_work(clean_dir):
    with pytest.raises(InputError, match="chunk_size is 0"):
        LabelMaker(static_maker=SurrogateStaticMaker(), chunk_size=0)
    with pytest.raises(InputError, match="minimum_fraction is 2"):
        LabelMaker(static_maker=SurrogateStaticMaker(), minimum_fraction=2)
    disordered = Structure(Lattice.cubic(4), [{"Li": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(InputError, match="ordered structures"):
        SurrogateStaticMaker().make.original(SurrogateStaticMaker(), disordered)
