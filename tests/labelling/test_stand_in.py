"""Labels through atomate2, custodian and TaskDoc for real, with the stand-in for VASP."""

import gzip
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.io.vasp import Incar

from disolyte.dynamics import MDProtocol
from disolyte.errors import InputError, LabellingError
from disolyte.labelling.frames import select_frames
from disolyte.labelling.labels import iter_labelled_frames
from disolyte.labelling.makers import LabelMaker
from disolyte.labelling.schema import AimdDoc, LabelDoc, RejectionKind

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
bench = importlib.import_module("vasp_bench")
labellers = importlib.import_module("labellers")
cheap_potential = importlib.import_module("cheap_potential")
campaign = importlib.import_module("campaign_with_failures")

pytestmark = pytest.mark.filterwarnings("ignore:POTCAR data with symbol")


@pytest.fixture(scope="module")
def vasp():
    """The VASP part, imported once: it takes seconds."""
    from disolyte.labelling import vasp as module

    return module


@pytest.fixture
def potcars(tmp_path, monkeypatch):
    """Fake potentials of the published set."""
    from pymatgen.io.vasp import inputs

    folder = bench.write_potcars(tmp_path / "potentials")
    monkeypatch.setitem(inputs.SETTINGS, "PMG_VASP_PSP_DIR", str(folder))
    return folder


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """File that tells the stand-in when to fail."""
    file = tmp_path / "faults.json"
    file.write_text("{}")
    monkeypatch.setenv("STAND_IN_VASP_FAULTS", str(file))
    return file


def label(frames, job_store, static_maker, **fields):
    """Label frames in one process; return the document and the names of the jobs."""
    job = LabelMaker(static_maker=static_maker, minimum_fraction=0.0, **fields).make(labellers.make_sample(frames))
    run_locally(job, store=job_store, create_folders=True, log=False)
    names = [doc["name"] for doc in job_store.query(properties=["name"])]
    return LabelDoc.model_validate(job_store.get_output(job.uuid, load=True)), names


def test_the_cheap_potential_is_a_potential():
    structure = bench.salt_frames(3)[0][2]
    symbols, cell, step = [site.specie.symbol for site in structure], structure.lattice.matrix, 1e-5
    _, forces, stress = cheap_potential.evaluate(symbols, structure.cart_coords, cell)
    shifted = [structure.cart_coords.copy() for _ in range(2)]
    shifted[0][3, 1] += step
    shifted[1][3, 1] -= step
    up, down = (cheap_potential.evaluate(symbols, positions, cell)[0] for positions in shifted)
    assert forces[3, 1] == pytest.approx(-(up - down) / (2 * step), abs=1e-7)
    for strain in (np.diag([1.0, 0, 0]), np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]])):
        bent = [np.eye(3) + sign * step * strain for sign in (1, -1)]
        up, down = (cheap_potential.evaluate(symbols, structure.cart_coords @ b, cell @ b)[0] for b in bent)
        slope = (up - down) / (2 * step * structure.volume)
        assert float((stress * strain).sum()) == pytest.approx(slope, abs=1e-8), "tension is positive"


def test_labels_are_the_programs_numbers(vasp, potcars, clean_dir, job_store):
    _, frames = bench.salt_frames(3)
    labels, names = label(frames, job_store, vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs()))
    assert names.count("SCAN static") == 3
    assert labels.n_labelled == 3
    assert labels.label_method == "VASP SCAN, ENCUT 520 eV"
    energy, force, stress = campaign.largest_deviations(labels)
    assert energy < 1e-7
    assert force < 2e-7
    assert stress < 1e-9
    assert np.abs(labels.stresses_ev_per_ang3.to_array()).max() > 1e-3, "or the sign would not show"
    assert labels.frames == frames, "atoms in the order of the frame, not of the POSCAR"


@pytest.mark.parametrize(("fault", "kind"), campaign.FAULTS.items())
def test_each_failure_is_set_aside_with_its_kind(vasp, potcars, faults, clean_dir, job_store, fault, kind):
    structures, frames = bench.salt_frames(1)
    bench.write_faults(faults, structures, [fault])
    maker = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs())
    labels, names = label(frames, job_store, maker, retry_makers=[])
    assert names.count("SCAN static") == 1
    (rejection,) = labels.rejections
    assert rejection.kind.value == kind
    assert f"see {labels.provenance.dir_name.partition(':')[0]}:{clean_dir}" in rejection.reason


def test_without_a_collector_a_failure_raises(vasp, potcars, faults, clean_dir):
    structures, _ = bench.salt_frames(1)
    bench.write_faults(faults, structures, ["crash"])
    maker = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs())
    with pytest.raises(Exception, match="Validation failed"):
        maker.make.original(maker, structures[0])


def test_a_crash_that_passes_costs_one_more_attempt(vasp, potcars, faults, clean_dir, job_store):
    structures, frames = bench.salt_frames(2)
    bench.write_faults(faults, structures[:1], ["crash"], times=1)
    bench.write_faults(faults, structures[1:], ["truncate"])
    maker = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs())
    labels, names = label(frames, job_store, maker)
    assert names.count("SCAN static") == 4, "two frames, two attempts each"
    assert labels.n_labelled == 1
    assert campaign.largest_deviations(labels)[0] < 1e-7
    (rejection,) = labels.rejections
    assert rejection.kind is RejectionKind.INCOMPLETE_OUTPUT
    assert "attempt 1: " in rejection.reason
    assert "attempt 2: " in rejection.reason


def test_potentials_of_another_date_are_refused_before_vasp_runs(vasp, potcars, clean_dir, job_store):
    structures, frames = bench.salt_frames(1)
    bench.write_potcars(potcars, Li="PAW_PBE Li_sv 23Jan2001")
    with pytest.raises(InputError, match="POTCAR of Li is 'PAW_PBE Li_sv 23Jan2001'.*'PAW_PBE Li_sv 10Sep2004'"):
        vasp.ScanStaticSetGenerator().get_input_set(structures[0]).potcar  # noqa: B018
    maker = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs())
    labels, _ = label(frames, job_store, maker, retry_makers=[])
    assert "10Sep2004" in labels.rejections[0].reason
    unchecked = vasp.ScanStaticMaker(
        run_vasp_kwargs=bench.run_vasp_kwargs(), input_set_generator=vasp.ScanStaticSetGenerator(checks_potcars=False)
    )
    assert label(frames, job_store, unchecked)[0].n_labelled == 1


def test_a_pbe_run_among_scan_ones_is_refused(vasp, potcars, clean_dir, job_store):
    _, frames = bench.salt_frames(1)
    generator = vasp.ScanStaticSetGenerator(functional="PBE")
    pbe = vasp.ScanStaticMaker(
        name="PBE by mistake", input_set_generator=generator, run_vasp_kwargs=bench.run_vasp_kwargs()
    )
    scan = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs(vasp_cmd="false", vasp_gamma_cmd="false"))
    labels, names = label(frames, job_store, scan, retry_makers=[pbe])
    assert "PBE by mistake" in names
    (rejection,) = labels.rejections
    assert rejection.kind is RejectionKind.WRONG_SETTINGS
    assert "functional PBE instead of SCAN" in rejection.reason


def test_double_static_hands_orbitals_on(vasp, potcars, faults, clean_dir, job_store):
    _, frames = bench.salt_frames(1)
    maker = vasp.ScanDoubleStaticMaker()
    maker.pre_maker.run_vasp_kwargs = bench.run_vasp_kwargs()
    maker.static_maker.run_vasp_kwargs = bench.run_vasp_kwargs()
    labels, names = label(frames, job_store, maker)
    assert {"GGA pre-run", "SCAN static from GGA"} <= set(names)
    assert labels.label_method == "VASP SCAN, ENCUT 520 eV"
    assert campaign.largest_deviations(labels)[0] < 1e-7, "the energy is SCAN's"
    runs = {bool(Incar.from_str(unzipped(file)).get("METAGGA")): file.parent for file in folders()}
    assert Incar.from_str(unzipped(runs[False] / "INCAR.gz"))["LWAVE"] is True
    orbitals = next(runs[True].glob("WAVECAR*"))
    assert (unzipped(orbitals) if orbitals.suffix == ".gz" else orbitals.read_text()) == "orbitals of GGA\n"


def test_double_static_survives_a_lost_pre_run(vasp, potcars, faults, clean_dir, job_store):
    structures, frames = bench.salt_frames(1)
    bench.write_faults(faults, structures, ["crash"], times=1)
    maker = vasp.ScanDoubleStaticMaker()
    maker.pre_maker.run_vasp_kwargs = bench.run_vasp_kwargs()
    maker.static_maker.run_vasp_kwargs = bench.run_vasp_kwargs()
    labels, names = label(frames, job_store, maker, retry_makers=[])
    assert labels.n_labelled == 1
    assert names.count("SCAN static from GGA") == 1


def unzipped(file):
    return gzip.decompress(file.read_bytes()).decode()


def folders():
    return list(Path.cwd().glob("job_*/INCAR.gz"))


def test_aimd_through_vasp(potcars, faults, clean_dir, job_store):
    from disolyte.labelling.calculator_makers import VaspAimdMaker

    structures, _ = bench.salt_frames(1)
    protocol = MDProtocol(temperature_k=300, n_steps=20, time_step_fs=1.0, thermostat="nve")
    maker = VaspAimdMaker(protocol=protocol, run_vasp_kwargs=bench.run_vasp_kwargs())
    flow = maker.make(structures[0])
    run_locally(flow, store=job_store, create_folders=True, ensure_success=True, log=False)
    run = AimdDoc.model_validate(job_store.get_output(flow.output.uuid, load=True))
    assert run.verdict == "completed"
    assert run.label_method == "VASP SCAN, ENCUT 520 eV"
    positions, energies = run.positions_ang.to_array(), run.energies_ev.to_array()
    assert positions.shape == (20, 8, 3)
    assert np.abs(np.diff(positions, axis=0)).max() < 0.1, "no jumps across the border"
    kinetic = run.temperatures_k.to_array() * 1.5 * 7 * 8.617333e-5
    assert np.ptp(energies + kinetic) < 0.1 * np.ptp(kinetic), "NVE keeps the sum"
    assert run.core_seconds_per_step > 0
    incar = Incar.from_str(unzipped(folders()[0]))
    assert (incar["METAGGA"].upper(), incar["ENCUT"], incar["NSW"], incar["IBRION"]) == ("SCAN", 520, 20, 0)


def test_aimd_that_failed_says_why(potcars, faults, clean_dir, job_store):
    from emmet.core.tasks import TaskDoc

    from disolyte.labelling.aimd import aimd_from_task
    from disolyte.labelling.labels import Failure
    from disolyte.labelling.tasks import failed_task_fields

    task = TaskDoc(**failed_task_fields(Failure(RejectionKind.DISK_FULL, "the disk was full")))
    with pytest.raises(LabellingError, match="the disk was full"):
        aimd_from_task(task, MDProtocol(temperature_k=300, n_steps=20), record={})


def test_select_frames_keeps_labels_in_order(vasp, potcars, clean_dir, job_store):
    _, frames = bench.salt_frames(4)
    maker = vasp.ScanStaticMaker(run_vasp_kwargs=bench.run_vasp_kwargs())
    labels, _ = label(select_frames(frames, [2, 0]), job_store, maker, chunk_size=1)
    assert [frame.family for frame in iter_labelled_frames(labels)] == [frames.family[2], frames.family[0]]
