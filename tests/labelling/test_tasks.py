"""From VASP's units, sign and order of atoms to ours."""

from types import SimpleNamespace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.labelling.label_settings import LabelSettings, task_settings
from disolyte.labelling.labels import Failure, Label
from disolyte.labelling.schema import RejectionKind
from disolyte.labelling.tasks import label_from_task, match_atoms

SCAN = LabelSettings(functional="SCAN", encut_ev=520, ediff_ev=1e-5)


@pytest.fixture
def frame():
    """Atoms in an order that no input set would write, one of them outside the cell."""
    rng = np.random.default_rng(0)
    species = ["Cl", "Li", "Cl", "Li", "In", "Cl", "Li", "Br"]
    grid = [[i / 2, j / 2, k / 2] for i in range(2) for j in range(2) for k in range(2)]
    structure = Structure(Lattice.monoclinic(5, 6, 7, 100), species, grid)
    for index, shift in enumerate(rng.normal(0, 0.2, (8, 3))):
        structure.translate_sites(index, shift, frac_coords=False, to_unit_cell=False)
    structure.translate_sites([3], [1, 0, -2], to_unit_cell=False)
    return structure


def make_task(frame, **changes):
    """What the label is read from in a TaskDoc of a single point; forces name the atom by its x coordinate."""
    written = frame.get_sorted_structure()
    for site in written:
        site.to_unit_cell(in_place=True)
    forces = np.zeros((len(frame), 3))
    places = {site.frac_coords.round(6).tobytes(): index for index, site in enumerate(written)}
    for index, site in enumerate(frame):
        forces[places[site.to_unit_cell().frac_coords.round(6).tobytes()]] = [index, 0.1 * index, -1]
    step = SimpleNamespace(
        e_fr_energy=-40.5,
        e_0_energy=-40.0,
        forces=forces.tolist(),
        stress=[[10.0, 1.0, 0.0], [1.0, -20.0, 0.0], [0.0, 0.0, 1602.1766]],
        structure=written,
    )
    task = {
        "state": "successful",
        "run_type": "SCAN",
        "dir_name": "host:/run/7",
        "structure": written,
        "input": SimpleNamespace(incar={"METAGGA": "SCAN", "ENCUT": 520, "EDIFF": 1e-5}),
        "calcs_reversed": [SimpleNamespace(output=SimpleNamespace(ionic_steps=[step]))],
        "output": SimpleNamespace(energy=-40.0, forces=forces.tolist(), stress=step.stress, structure=written),
    }
    return SimpleNamespace(**{**task, **changes})


def test_units_sign_and_order_of_atoms(frame):
    label = label_from_task(make_task(frame), frame, settings=SCAN)
    assert isinstance(label, Label)
    assert label.energy_ev == -40.5, "forces are the gradient of the free energy"
    assert (label.forces_ev_per_ang[:, 0] == np.arange(8)).all(), "each atom got its own force back"
    # 1602.1766 kbar = 1 eV/Å³; VASP's stress is positive under compression
    assert label.stress_ev_per_ang3[2, 2] == pytest.approx(-1.0, abs=1e-7)
    assert label.stress_ev_per_ang3[1, 1] == pytest.approx(20 / 1602.1766, rel=1e-6)
    assert label.stress_ev_per_ang3[0, 1] < 0


def test_falls_back_on_the_summary_without_ionic_steps(frame):
    task = make_task(frame, calcs_reversed=[SimpleNamespace(output=SimpleNamespace(ionic_steps=None))])
    label = label_from_task(task, frame, settings=SCAN)
    assert label.energy_ev == -40.0
    assert (label.forces_ev_per_ang[:, 0] == np.arange(8)).all()


def failure(task, frame):
    found = label_from_task(task, frame, settings=SCAN)
    assert isinstance(found, Failure)
    assert "host:/run/7" in found.reason
    return found


def test_unconverged_and_incomplete_are_refused(frame):
    assert failure(make_task(frame, state="failed"), frame).kind is RejectionKind.UNCONVERGED
    incomplete = make_task(frame, calcs_reversed=[], output=None)
    assert failure(incomplete, frame).kind is RejectionKind.CALCULATION_FAILED
    nan = make_task(frame)
    nan.calcs_reversed[0].output.ionic_steps[0].forces[1][2] = float("nan")
    assert failure(nan, frame).kind is RejectionKind.NOT_FINITE


@pytest.mark.parametrize(
    ("run_type", "incar"),
    [
        ("PBE", {"ENCUT": 520, "EDIFF": 1e-5}),
        ("r2SCAN", {"ENCUT": 520, "EDIFF": 1e-5}),
        ("SCAN", {"ENCUT": 400, "EDIFF": 1e-5}),
        ("SCAN", {"ENCUT": 520, "EDIFF": 1e-3}),
        ("SCAN", {}),
    ],
)
def test_other_settings_are_refused(frame, run_type, incar):
    task = make_task(frame, run_type=run_type, input=SimpleNamespace(incar=incar))
    found = failure(task, frame)
    assert found.kind is RejectionKind.WRONG_SETTINGS
    assert isinstance(label_from_task(task, frame), Label), "unless no settings are asked for"


def test_tighter_convergence_is_accepted(frame):
    task = make_task(frame, input=SimpleNamespace(incar={"ENCUT": 520, "EDIFF": 1e-7}))
    assert isinstance(label_from_task(task, frame, settings=SCAN), Label)
    assert task_settings(task).label_method == SCAN.label_method == "VASP SCAN, ENCUT 520 eV"


def test_label_of_another_structure_is_refused(frame):
    other = frame.copy()
    other.translate_sites([2], [0, 0, 0.05], frac_coords=False)
    assert failure(make_task(other), frame).kind is RejectionKind.STRUCTURE_MISMATCH
    squeezed = frame.copy()
    squeezed.apply_strain(-0.01)
    assert failure(make_task(squeezed), frame).kind is RejectionKind.STRUCTURE_MISMATCH
    swapped = frame.copy()
    swapped.replace(0, "Br")
    swapped.replace(7, "Cl")
    assert failure(make_task(swapped), frame).kind is RejectionKind.STRUCTURE_MISMATCH


def test_match_atoms_finds_the_permutation(frame):
    permutation = np.random.default_rng(1).permutation(8)
    shuffled = Structure.from_sites([frame[int(index)] for index in permutation])
    order = match_atoms(frame, shuffled)
    assert (permutation[order] == np.arange(8)).all()
    assert match_atoms(frame, frame.copy().remove_sites([0])) is None
