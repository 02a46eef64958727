"""The flow from a structure to its transport, with real MD on the small reference model."""

import json

import pytest
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from disolyte.diffusion import LengthRule, MDSchedule, TransportDoc
from disolyte.diffusion.makers import DiffusionMaker, DiffusionMDMaker, TransportMaker
from disolyte.errors import StructureError, TransportError
from disolyte.models import SHIPPED, SMALL_MODEL_CAVEAT, ModelSource
from disolyte.systems import GridPoint
from disolyte.workers.roles import Role

LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SHORT = MDSchedule(lengths=LengthRule.uniform(0.06, 0.02), time_step_fs=1.0, record_interval_fs=2.0)


def small_maker(**changes):
    settings = {"temperatures_k": (500.0, 700.0), "supercell": (1, 1, 1), "schedule": SHORT} | changes
    return DiffusionMaker(**settings, md_maker=DiffusionMDMaker(foundation=ModelSource(name=SHIPPED)))


def test_makers_survive_json_and_state_their_roles():
    for maker in (DiffusionMaker(), small_maker(), DiffusionMDMaker(), TransportMaker(seed=4)):
        assert json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder) == maker
    assert DiffusionMDMaker.role is Role.GPU
    assert TransportMaker.role is Role.CPU


def test_defaults_are_the_published_protocol():
    maker = DiffusionMaker()
    assert maker.supercell == (2, 2, 2)
    assert maker.temperatures_k == (800.0, 900.0, 1000.0, 1100.0)
    assert maker.schedule.thermostat == "berendsen"
    assert maker.md_maker.foundation.name == "medium"


def test_flow_wires_two_jobs_and_checks_first():
    flow = small_maker().make(LICL)
    assert isinstance(flow, Flow)
    assert [job.name for job in flow.jobs] == ["diffusion MD", "analyse transport"]
    half = LICL.copy()
    half.replace_species({"Li": {"Li": 0.5}})
    with pytest.raises(StructureError, match="partial"):
        small_maker().make(half)
    with pytest.raises(TransportError, match="repeat"):
        small_maker(temperatures_k=(500.0, 500.0)).make(LICL)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The flow run once, and its folder."""
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder = tmp_path_factory.mktemp("flow")
    flow = small_maker().make(LICL, point=GridPoint(coordinates={}, formula="LiCl"))
    output = run_locally(flow, store=store, root_dir=folder, ensure_success=True)
    return flow, store, folder, output[flow.output.uuid][1].output


def test_real_md_of_a_crystal_gives_a_limit(finished):
    flow, _, _, doc = finished
    assert isinstance(doc, TransportDoc)
    assert doc.uuid == flow.output.uuid
    assert doc.formula == doc.point.formula == "LiCl"
    assert SMALL_MODEL_CAVEAT in doc.caveats
    assert [run.verdict for run in doc.runs] == ["upper_limit"] * 2
    assert doc.verdict == "upper_limit"
    assert doc.runs[0].md_runs[0].verdict.completed
    assert doc.runs[0].n_frames == 21
    assert doc.runs[0].volume_ang3 == pytest.approx(5.13**3)
    assert [one.kind for one in doc.provenance.inputs] == ["DiffusionMDDoc"]


def test_frames_travel_in_the_data_store(finished):
    flow, store, _, doc = finished
    md_uuid = flow.jobs[0].uuid
    stored = store.query_one({"uuid": md_uuid}, load=False)["output"]
    assert isinstance(stored["runs"][0]["positions_ang"]["payload"], dict)
    loaded = MontyDecoder().process_decoded(store.get_output(md_uuid, load=True))
    positions = loaded.runs[0].positions_ang.to_array()
    assert positions.dtype == "float32"
    assert positions.shape == (21, 8, 3)
    again = MontyDecoder().process_decoded(store.get_output(doc.uuid, load=True))
    assert again.content_sha256() == doc.content_sha256()


def test_killed_job_goes_on_from_its_trajectories(finished, tmp_path, monkeypatch, job_store):
    """A job handed the folder of a finished one does no MD again: chunks keep their wall times."""
    flow, store, _, _ = finished
    first = MontyDecoder().process_decoded(store.get_output(flow.jobs[0].uuid, load=True))
    folder = first.provenance.dir_name
    monkeypatch.chdir(tmp_path)
    again = small_maker().make(LICL, point=GridPoint(coordinates={}, formula="LiCl"), prev_dir=folder)
    second = run_locally(again, store=job_store, ensure_success=True)[again.jobs[0].uuid][1].output
    assert [run.record.wall_s for run in second.runs] == [run.record.wall_s for run in first.runs]
    assert second.runs[0].positions_ang == first.runs[0].positions_ang
