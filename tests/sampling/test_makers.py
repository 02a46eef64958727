import json
import shutil

import numpy as np
import pytest
from jobflow import run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from disolyte.dynamics import Engine, MDProtocol
from disolyte.errors import DynamicsError, InputError, ModelCoverageError, StructureError
from disolyte.models import ModelSource, load_model
from disolyte.models.descriptors import describe_structures
from disolyte.sampling import FrameChoice, FrameSelection
from disolyte.sampling.makers import MaceMDSamplerMaker, SampleJoinMaker, SamplingMaker
from disolyte.sampling.schema import SampleDoc
from disolyte.sampling.systems import derive_seed
from disolyte.systems import GridPoint
from disolyte.thermodynamics.schema import SelectedStructure


@pytest.fixture
def chlorides():
    """Rock salt LiCl at two sizes."""
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.15), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    return [salt, salt.copy().scale_lattice(salt.volume * 1.05)]


@pytest.fixture
def entries(chlorides):
    return [
        SelectedStructure(
            structure=structure, point=GridPoint(coordinates={}, formula="LiCl"), family=f"LiCl-{index:03d}",
            energy_ev_per_atom=0.0, energy_ev_per_fu=0.0, n_formula_units=4.0, e_hull_ev_per_fu=0.0,
            e_hull_ev_per_atom=0.0, probability=0.5, is_ground_state=index == 0,
        )
        for index, structure in enumerate(chlorides)
    ]  # fmt: skip


def maker(**changes):
    settings = {
        "foundation": ModelSource(name="disolyte-small"),
        "protocol": MDProtocol(temperature_k=500.0, n_steps=30, record_every=2, thermostat="bussi", seed=5),
        "frames": FrameChoice(discard_ps=0.01, n_frames=4, duplicate_rms_ang=0.0),
    }
    return MaceMDSamplerMaker(**(settings | changes))


def sample(job, store):
    output = run_locally(job, store=store, ensure_success=True, create_folders=False, log=False)
    return SampleDoc.model_validate(store.get_output(job.uuid, load=True)), output


def test_defaults_are_the_published_protocol():
    default = MaceMDSamplerMaker()
    assert default.foundation.name == "medium"
    assert default.protocol.temperature_k == 800
    assert default.protocol.n_steps * default.protocol.time_step_fs == 15_000
    assert default.protocol.time_step_fs == 1
    assert (default.frames.discard_ps, default.frames.n_frames, default.frames.max_strain) == (5, 30, 0.03)


@pytest.mark.parametrize(
    "one", [MaceMDSamplerMaker(), maker(engine=Engine.ASE), SampleJoinMaker(), SamplingMaker(batch_size=3)]
)
def test_makers_survive_json(one):
    assert json.loads(json.dumps(one, cls=MontyEncoder), cls=MontyDecoder) == one


def test_sample_of_selected_structures(entries, clean_dir, job_store):
    job = maker().make(entries)
    document, _ = sample(job, job_store)
    assert len(document.frames) == 8
    assert sorted(set(document.frames.family)) == ["LiCl-000", "LiCl-001"]
    assert set(document.frames.composition) == {"LiCl"}
    assert min(document.frames.md_step) > 10
    assert all(run.verdict.completed for run in document.runs)
    assert document.runs[0].seed != document.runs[1].seed == derive_seed(5, "LiCl-001")
    assert document.caveats == ["energies from the small reference model, not for science"]
    assert document.model.name == "disolyte-small"
    assert document.uuid == job.uuid
    volumes = [atoms.get_volume() for atoms in document.frames.to_atoms()]
    assert np.std(volumes) > 0.5  # each frame has its own strain
    stored = job_store.query_one({"uuid": job.uuid}, load=False)
    assert len(json.dumps(stored["output"]["frames"], default=str)) < 8000  # arrays are in the other store


def test_batches_give_what_one_job_gives(entries, clean_dir, job_store):
    """Fan-out over bounded batches changes no seed and loses no frame."""
    together, _ = sample(maker(engine=Engine.ASE).make(entries), job_store)
    plan = SamplingMaker(sampler=maker(engine=Engine.ASE), batch_size=1, n_wanted=None).make(entries)
    run_locally(plan, store=job_store, ensure_success=True, create_folders=True, log=False)
    joined = SampleDoc.model_validate(job_store.get_output(plan.uuid, load=True))
    assert [run.family for run in joined.runs] == ["LiCl-000", "LiCl-001"]
    for atoms, other in zip(together.frames.to_atoms(), joined.frames.to_atoms(), strict=True):
        assert atoms.info["md_step"] == other.info["md_step"]
        np.testing.assert_allclose(atoms.positions, other.positions, atol=1e-6)


def test_wanted_number_of_frames(entries, clean_dir, job_store):
    """More frames are taken of each run than a run is asked for by default, and exactly the wanted number is kept."""
    plan = SamplingMaker(sampler=maker(), batch_size=1, n_wanted=13).make(entries)
    run_locally(plan, store=job_store, ensure_success=True, create_folders=True, log=False)
    joined = SampleDoc.model_validate(job_store.get_output(plan.uuid, load=True))
    assert joined.uuid == plan.uuid
    assert len(joined.frames) == joined.n_wanted == 13
    assert sorted(joined.frames.family.count(family) for family in set(joined.frames.family)) == [6, 7]
    assert all(run.n_chosen == 8 for run in joined.runs)
    assert not any("frames wanted" in caveat for caveat in joined.caveats)


def test_shortfall_is_told(entries, clean_dir, job_store):
    plan = SamplingMaker(sampler=maker(), n_wanted=50).make(entries)
    run_locally(plan, store=job_store, ensure_success=True, create_folders=True, log=False)
    joined = SampleDoc.model_validate(job_store.get_output(plan.uuid, load=True))
    assert len(joined.frames) == 20
    assert "the sample holds 20 of the 50 frames wanted" in joined.caveats


@pytest.fixture
def collapsed(entries):
    """An entry whose atoms overlap."""
    structure = entries[0].structure.copy()
    structure.translate_sites([0], [0.30, 0, 0])
    return entries[0].model_copy(update={"structure": structure, "family": "bad"})


def test_a_failed_batch_is_set_aside(entries, collapsed, clean_dir, job_store):
    plan = SamplingMaker(sampler=maker(), batch_size=1, n_wanted=None).make([*entries, collapsed])
    run_locally(plan, store=job_store, create_folders=True, log=False, raise_immediately=False)
    joined = SampleDoc.model_validate(job_store.get_output(plan.uuid, load=True))
    assert {run.family for run in joined.runs} == {"LiCl-000", "LiCl-001"}
    assert any("1 sampling job(s) failed" in caveat for caveat in joined.caveats)


def test_a_sampling_that_failed_leaves_no_output(collapsed, clean_dir, job_store):
    plan = SamplingMaker(sampler=maker(), n_wanted=None).make([collapsed])
    run_locally(plan, store=job_store, create_folders=True, log=False, raise_immediately=False)
    assert not list(job_store.query({"uuid": plan.uuid, "output.frames": {"$exists": True}}))
    with pytest.raises(RuntimeError, match="did not finish"):
        run_locally(
            SamplingMaker(sampler=maker(), n_wanted=None).make([collapsed]),
            store=job_store, create_folders=True, log=False, ensure_success=True,
        )  # fmt: skip


def test_farthest_points_spread_further(entries, clean_dir):
    """In the space of the model's descriptors, frames so chosen are farther apart than random ones."""
    many = {"protocol": MDProtocol(temperature_k=500.0, n_steps=200, record_every=4, thermostat="bussi", seed=5)}
    spreads = {}
    for selection in FrameSelection:
        choice = FrameChoice(discard_ps=0.02, n_frames=4, max_strain=0.0, selection=selection)
        frames = make(maker(frames=choice, **many), entries[:1]).frames.to_atoms()
        rows = describe_structures(load_model(ModelSource(name="disolyte-small")), frames)
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        spreads[selection] = distances[np.triu_indices(4, k=1)].min()
    assert spreads[FrameSelection.FARTHEST_POINT] > 1.1 * spreads[FrameSelection.RANDOM]


def test_melting_is_noticed_by_default():
    watchdog = MaceMDSamplerMaker().watchdog
    assert watchdog.framework_msd_ang2 == 9.0
    assert "Li" in watchdog.mobile_elements


def test_killed_job_is_gone_on_with(chlorides, tmp_path, monkeypatch, job_store):
    for name in ("whole", "first", "second"):
        (tmp_path / name).mkdir()
    sampler = maker(engine=Engine.ASE)
    monkeypatch.chdir(tmp_path / "whole")
    whole, _ = sample(sampler.make(chlorides), job_store)
    shutil.copytree(tmp_path / "whole" / "md", tmp_path / "first" / "md")
    shutil.rmtree(tmp_path / "first" / "md" / "system-0001")
    kept = tmp_path / "second" / "md" / "system-0000" / "chunk-000000.npz"
    monkeypatch.chdir(tmp_path / "second")
    again, _ = sample(sampler.make(chlorides, prev_dir=f"host:{tmp_path / 'first'}"), job_store)
    assert kept.read_bytes() == (tmp_path / "first" / kept.relative_to(tmp_path / "second")).read_bytes()
    for atoms, other in zip(whole.frames.to_atoms(), again.frames.to_atoms(), strict=True):
        np.testing.assert_array_equal(atoms.positions, other.positions)


def make(sampler, *arguments):
    return type(sampler).make.original(sampler, *arguments)


def test_a_run_given_up_is_quarantined(chlorides, clean_dir):
    squeezed = chlorides[0].copy()
    squeezed.translate_sites([0], [0.30, 0, 0])
    document = make(maker(), [squeezed, chlorides[0]])
    assert [run.verdict.completed for run in document.runs] == [False, True]
    assert document.failed[0].verdict.message
    assert set(document.frames.family) == {"LiCl-001"}
    assert document.runs[0].n_chosen == 0


def test_too_many_given_up(chlorides, clean_dir):
    squeezed = chlorides[0].copy()
    squeezed.translate_sites([0], [0.30, 0, 0])
    with pytest.raises(
        DynamicsError, match=r"1 of 1 runs were given up, at least 50% must complete: LiCl-000: atoms too close"
    ):
        make(maker(), squeezed)


def test_bad_input(chlorides, clean_dir):
    with pytest.raises(InputError, match="at least one"):
        make(maker(), [])
    with pytest.raises(InputError, match=r"a run of 0.03 ps records 10 after the first 0.01 ps"):
        maker(frames=FrameChoice(discard_ps=0.01, n_frames=30))
    with pytest.raises(InputError, match="min_completed_fraction=2.0 must be between 0 and 1"):
        maker(min_completed_fraction=2.0)
    with pytest.raises(InputError, match="min_batch_fraction=nan"):
        SampleJoinMaker(min_batch_fraction=float("nan"))
    with pytest.raises(InputError, match="no engine 'lammps'"):
        maker(engine="lammps")
    with pytest.raises(InputError, match="dtype 'float16' is not known"):
        maker(dtype="float16")
    with pytest.raises(InputError, match="batch_size=0"):
        SamplingMaker(batch_size=0)
    disordered = chlorides[0].copy()
    disordered.replace(0, {"Li": 0.5, "Na": 0.5})
    with pytest.raises(StructureError, match="disordered"):
        make(maker(), disordered)
    foreign = chlorides[0].copy()
    foreign.replace_species({"Li": "Na"})
    with pytest.raises(ModelCoverageError, match="Na"):
        make(maker(), foreign)
