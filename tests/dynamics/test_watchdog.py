import os

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from pydantic import ValidationError

from disolyte.dynamics import MDProtocol, Reason, Watchdog, run_md
from disolyte.dynamics.watchdog import closest_contact
from disolyte.errors import RunFolderInUseError, StructureError
from disolyte.ownership import own_folder


def check(**changes):
    numbers = {"n_atoms": 20, "target_k": 800.0, "temperature_k": 900.0, "energy_ev": -80.0, "start_energy_ev": -81.0,
               "max_force_ev_per_ang": 4.0}  # fmt: skip
    return Watchdog().check_step(5, **(numbers | changes))


def test_contact_across_the_boundary_of_a_skew_cell():
    cell = np.array([[6.0, 0, 0], [2.5, 5.0, 0], [1.0, -1.5, 7.0]])
    generator = np.random.default_rng(0)
    atoms = Atoms("Li8Cl8", generator.random((16, 3)) @ cell, cell=cell, pbc=True)
    first, second, distances = neighbor_list("ijd", atoms, 2.4)
    from ase.data import covalent_radii

    radii = covalent_radii[atoms.numbers]
    fractions = np.where(first == second, np.inf, distances / (radii[first] + radii[second]))
    unwrapped = atoms.positions + generator.integers(-3, 4, (16, 3)) @ cell
    contact = closest_contact(unwrapped, atoms.numbers, cell, atoms.pbc)
    assert contact.fraction == pytest.approx(fractions.min())
    assert contact.distance_ang == pytest.approx(distances[np.argmin(fractions)])


def test_free_directions_have_no_images():
    positions = np.array([[0.1, 0, 0], [9.9, 0, 0]])
    numbers, cell = np.array([3, 3]), np.eye(3) * 10
    assert closest_contact(positions, numbers, cell, np.array([False] * 3)).distance_ang == pytest.approx(9.8)
    assert closest_contact(positions, numbers, cell, np.array([True] * 3)).distance_ang == pytest.approx(0.2)


def test_free_directions_need_no_vector():
    positions = np.array([[0.1, 0, 0], [9.9, 0, 0]])
    cell = np.diag([10.0, 10.0, 0.0])
    slab = closest_contact(positions, np.array([3, 3]), cell, np.array([True, True, False]))
    assert slab.distance_ang == pytest.approx(0.2)


def test_mobile_elements_must_exist():
    with pytest.raises(ValidationError, match=r"Li\+, not symbols of elements"):
        Watchdog(mobile_elements=("Li+",))


def test_a_good_step_passes():
    assert check() is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"energy_ev": float("nan")}, Reason.NON_FINITE),
        ({"max_force_ev_per_ang": float("inf")}, Reason.NON_FINITE),
        ({"max_force_ev_per_ang": 201.0}, Reason.FORCE_SPIKE),
        ({"temperature_k": 4800.0}, Reason.TEMPERATURE_SPIKE),
        ({"energy_ev": -102.0}, Reason.ENERGY_DRIFT),
        ({"energy_ev": -60.0}, Reason.ENERGY_DRIFT),
        ({"total_drift_ev": -1.1}, Reason.ENERGY_DRIFT),
    ],
)
def test_bad_steps(changes, reason):
    verdict = check(**changes)
    assert verdict.reason is reason
    assert verdict.step == 5
    assert verdict.message


def test_small_cells_may_fluctuate_more():
    watchdog = Watchdog(temperature_ratio=2.0)
    assert watchdog.temperature_limit_k(800.0, 4) > watchdog.temperature_limit_k(800.0, 400) > 1600.0


def test_framework_loss_does_not_mind_mobile_atoms_or_drift():
    watchdog = Watchdog(framework_msd_ang2=1.0, mobile_elements=("Li",), contact_fraction=0.0)
    start = np.arange(18.0).reshape(6, 3) * 3
    numbers = np.array([3, 3, 17, 17, 17, 17])
    cell, pbc = np.eye(3) * 60, np.array([True] * 3)

    def verdict(positions):
        return watchdog.check_frame(10, positions, start_positions_ang=start, numbers=numbers, cell_ang=cell, pbc=pbc)

    moved = start + 5.0
    moved[:2] += 20.0
    assert verdict(moved) is None
    moved[2] += 4.0
    assert verdict(moved).reason is Reason.FRAMEWORK_LOST


def test_total_energy_must_stay_without_a_thermostat(copper, tmp_path):
    """Steps of 10 fs do not conserve the energy of hot copper to 0.1 meV an atom; in a bath nobody looks."""
    strict = Watchdog(conserved_drift_ev_per_atom=1e-4)
    protocols = [
        MDProtocol(temperature_k=900.0, n_steps=20, time_step_fs=10.0, record_every=5, thermostat=thermostat)
        for thermostat in ("nve", "bussi")
    ]
    free, held = run_md([copper] * 2, protocols, EMT(), tmp_path, watchdog=strict)
    assert free.verdict.reason is Reason.ENERGY_DRIFT
    assert "total energy" in free.verdict.message
    assert held.verdict.completed


def test_melting_ends_a_run(copper, tmp_path):
    """Copper far above its melting point leaves its sites; the frames until then are kept."""
    protocol = MDProtocol(temperature_k=6000.0, n_steps=400, time_step_fs=5.0, record_every=10, thermostat="langevin")
    watchdog = Watchdog(
        framework_msd_ang2=2.0, contact_fraction=0.2, temperature_ratio=10.0, energy_drift_ev_per_atom=5
    )
    (run,) = run_md([copper], [protocol], EMT(), tmp_path, watchdog=watchdog)
    assert run.verdict.reason is Reason.FRAMEWORK_LOST
    assert 0 < run.steps[-1] < run.verdict.step < 400
    assert "framework's MSD" in run.verdict.message


def test_overlap_at_the_start_ends_that_system_alone(copper, tmp_path):
    bad = copper.copy()
    bad.positions[1] = bad.positions[0] + [0.5, 0, 0]
    protocol = MDProtocol(temperature_k=300.0, n_steps=10, record_every=5)
    first, second = run_md([bad, copper], [protocol, protocol], EMT(), tmp_path)
    assert first.verdict.reason is Reason.TOO_CLOSE
    assert "Cu–Cu at 0.50 Å" in first.verdict.message
    assert first.n_frames == 0
    assert second.verdict.completed


@pytest.mark.parametrize(("symbols", "distance_ang", "fits"), [("VO", 1.45, True), ("LiIn", 1.6, False)])
def test_short_bonds_pass_and_swallowed_ions_do_not(symbols, distance_ang, fits):
    """A vanadyl bond shrunk by vibration is chemistry; lithium inside indium is the fault of a model."""
    pair = Atoms(symbols, [[0, 0, 0], [0, 0, distance_ang]], cell=[15] * 3, pbc=True)
    contact = closest_contact(pair.positions, pair.numbers, np.array(pair.cell), pair.pbc)
    assert (contact.fraction >= Watchdog().contact_fraction) is fits


def test_what_cannot_start(copper, tmp_path):
    protocol = MDProtocol(temperature_k=300.0, n_steps=10)
    with pytest.raises(StructureError, match="use a supercell"):
        run_md([Atoms("Cu", cell=[3, 3, 3], pbc=True)], [protocol], EMT(), tmp_path / "one")
    copper.positions[3, 1] = np.nan
    with pytest.raises(StructureError, match="not finite"):
        run_md([copper], [protocol], EMT(), tmp_path / "nan")


def test_one_process_at_a_time(copper, tmp_path):
    protocol = MDProtocol(temperature_k=300.0, n_steps=4, record_every=2)
    with own_folder(tmp_path / "md"), pytest.raises(RunFolderInUseError, match=f"in use by process {os.getpid()}"):
        run_md([copper], [protocol], EMT(), tmp_path / "md")
    (run,) = run_md([copper], [protocol], EMT(), tmp_path / "md")
    assert run.verdict.completed
