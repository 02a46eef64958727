"""SCAN labels with GPAW, on a real cell."""

import importlib.util

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.dynamics import MDProtocol
from disolyte.errors import InputError, MissingExtraError
from disolyte.labelling.calculator_makers import AimdCode, AimdMaker, GpawScanStaticMaker
from disolyte.labelling.gpaw import GpawSettings, gpaw_calculator, label_with_gpaw
from disolyte.labelling.labels import Failure
from disolyte.labelling.schema import RejectionKind

HAS_GPAW = importlib.util.find_spec("gpaw") is not None
needs_gpaw = pytest.mark.skipif(not HAS_GPAW, reason="GPAW is not installed")
COARSE = GpawSettings(encut_ev=400, kpoint_spacing_per_ang=1.1, ediff_ev=1e-6)


def licl(shift_ang=(0.10, -0.05, 0.07), strain=0.0):
    """The two-atom cell, its chlorine off its place."""
    primitive = Lattice(0.5 * 5.13 * (1 + strain) * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]))
    structure = Structure(primitive, ["Cl", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    structure.translate_sites([0], np.array(shift_ang) * (1 + strain), frac_coords=False, to_unit_cell=False)
    return structure


def test_settings_are_those_of_the_published_labels():
    settings = GpawSettings()
    assert (settings.functional, settings.encut_ev, settings.ediff_ev) == ("SCAN", 520, 1e-5)
    assert settings.kpoint_spacing_per_ang == 0.2
    assert settings.label_method == "GPAW SCAN, ENCUT 520 eV"
    assert GpawScanStaticMaker.role == "dft"


@pytest.mark.skipif(HAS_GPAW, reason="GPAW is installed")
def test_missing_gpaw_names_the_extra(clean_dir):
    maker = GpawScanStaticMaker()
    with pytest.raises(MissingExtraError, match=r"pip install 'disolyte\[gpaw\]'"):
        maker.make.original(maker, licl())


@needs_gpaw
def test_calculator_has_an_actual_gamma_mesh_and_needs_a_cell(clean_dir):
    atoms = licl().to_ase_atoms()
    calculator = gpaw_calculator(atoms, GpawSettings())
    # 2π√3/5.13 Å = 2.12 Å⁻¹ along each reciprocal vector
    assert "size=(11, 11, 11), gamma=True" in str(calculator.params.kpts)
    atoms.pbc = [True, True, False]
    with pytest.raises(InputError, match="periodic in all three directions"):
        gpaw_calculator(atoms, GpawSettings())


@needs_gpaw
@pytest.mark.slow
def test_scan_forces_and_stress_are_derivatives(clean_dir):
    maker = GpawScanStaticMaker(settings=COARSE)
    document = maker.make.original(maker, licl())
    assert document.label_method == "GPAW SCAN, ENCUT 400 eV"
    assert not document.is_surrogate
    forces = document.forces_ev_per_ang.to_array()
    assert np.abs(forces.sum(axis=0)).max() < 0.02

    def energy_ev(**changes):
        return label_with_gpaw(licl(**changes).to_ase_atoms(), COARSE).energy_ev

    step_ang = 0.02
    up, down = (energy_ev(shift_ang=(0.10 + sign * step_ang, -0.05, 0.07)) for sign in (1, -1))
    assert forces[0, 0] == pytest.approx(-(up - down) / (2 * step_ang), abs=0.003)
    assert forces[0, 0] < -0.03, "pushed back, and well above the tolerance"

    stress = document.stresses_ev_per_ang3.to_array()[0]
    strain = 0.01
    # plane waves change in number with the cell: the derivative at a fixed cutoff keeps some Pulay stress
    slope = (energy_ev(strain=strain) - energy_ev(strain=-strain)) / (2 * strain)
    volume = licl().volume
    assert np.trace(stress) == pytest.approx(slope / volume, abs=0.02)


@needs_gpaw
@pytest.mark.slow
def test_lost_convergence_is_a_failure_with_its_kind(clean_dir):
    failure = label_with_gpaw(licl().to_ase_atoms(), COARSE.model_copy(update={"max_iterations": 2}))
    assert isinstance(failure, Failure)
    assert failure.kind is RejectionKind.UNCONVERGED
    assert "gpaw.txt" in failure.reason


@needs_gpaw
@pytest.mark.slow
def test_aimd_with_gpaw(clean_dir):
    protocol = MDProtocol(temperature_k=300, n_steps=3, time_step_fs=2.0, record_every=1, thermostat="nve")
    maker = AimdMaker(settings=COARSE.model_copy(update={"ediff_ev": 1e-4, "encut_ev": 300.0}), protocol=protocol)
    run = maker.make.original(maker, licl())
    assert run.verdict == "completed"
    assert run.positions_ang.to_array().shape == (4, 2, 3)
    assert run.label_method == "GPAW SCAN, ENCUT 300 eV"
    assert run.core_seconds_per_step > 0


def test_aimd_with_the_surrogate_keeps_energy_and_says_what_it_is(clean_dir):
    pytest.importorskip("chgnet")
    protocol = MDProtocol(temperature_k=300, n_steps=20, time_step_fs=1.0, record_every=2, thermostat="nve", seed=3)
    maker = AimdMaker(code=AimdCode.SURROGATE, protocol=protocol)
    run = maker.make.original(maker, licl() * (2, 2, 2))
    assert run.is_surrogate
    assert "surrogate" in run.caveats[0]
    assert run.frame_interval_fs == 2.0
    assert run.positions_ang.to_array().shape == (11, 16, 3)
    kinetic = run.temperatures_k.to_array() * 1.5 * 15 * 8.617333e-5
    total = run.energies_ev.to_array() + kinetic
    assert np.ptp(total) < 0.1 * np.ptp(kinetic)
