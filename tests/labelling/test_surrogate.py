"""The surrogate's labels against finite differences of its own energy."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.errors import ModelIntegrityError, ModelNotFoundError
from disolyte.labelling.labels import Failure, Label
from disolyte.labelling.schema import RejectionKind
from disolyte.labelling.surrogate import check_r2scan_weights, predict_r2scan

pytest.importorskip("chgnet")


def salt(length_ang):
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(length_ang), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="module")
def crystal():
    """A rattled, sheared halide: no force and no stress component vanishes by symmetry."""
    structure = salt(5.3)
    structure.replace(0, "In")
    structure.replace(4, "Br")
    rng = np.random.default_rng(3)
    shear = np.eye(3) + 0.02 * rng.standard_normal((3, 3))
    structure = Structure(structure.lattice.matrix @ shear, structure.species, structure.frac_coords)
    structure.translate_sites(range(8), [0.01, 0.02, 0.03])
    for index, shift in enumerate(rng.normal(0, 0.08, (8, 3))):
        structure.translate_sites(index, shift, frac_coords=False)
    return structure


def energies(structures):
    return [label.energy_ev for label in predict_r2scan(structures)]


def moved(structure, atom, axis, step):
    copy = structure.copy()
    copy.translate_sites(atom, step * np.eye(3)[axis], frac_coords=False)
    return copy


def strained(structure, i, j, step):
    """The crystal after the symmetric strain ε_ij = ε_ji."""
    strain = np.zeros((3, 3))
    strain[i, j] += step / 2
    strain[j, i] += step / 2
    return Structure(structure.lattice.matrix @ (np.eye(3) + strain), structure.species, structure.frac_coords)


def test_forces_are_minus_the_gradient(crystal):
    label = predict_r2scan([crystal])[0]
    step = 0.01
    for atom, axis in [(0, 0), (3, 1), (4, 2), (7, 0)]:
        plus, minus = energies([moved(crystal, atom, axis, step), moved(crystal, atom, axis, -step)])
        assert label.forces_ev_per_ang[atom, axis] == pytest.approx(-(plus - minus) / (2 * step), abs=0.01)
    assert np.abs(label.forces_ev_per_ang).max() > 0.1
    assert np.abs(label.forces_ev_per_ang.sum(axis=0)).max() < 1e-3


def test_stress_has_unit_and_sign_of_ase(crystal):
    # σ_ij = (1/V) dE/dε_ij: positive where the crystal pulls back on being stretched
    label = predict_r2scan([crystal])[0]
    step = 0.004
    for i, j in [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)]:
        plus, minus = energies([strained(crystal, i, j, step), strained(crystal, i, j, -step)])
        expected = (plus - minus) / (2 * step) / crystal.volume
        assert label.stress_ev_per_ang3[i, j] == pytest.approx(expected, abs=3e-4)
    assert np.abs(label.stress_ev_per_ang3).max() > 3e-3
    stretched, squeezed = predict_r2scan([salt(5.5), salt(4.7)])  # equilibrium is near 5.1 Å
    assert np.trace(stretched.stress_ev_per_ang3) > 0 > np.trace(squeezed.stress_ev_per_ang3)


def test_energy_is_per_cell_and_a_batch_keeps_order(crystal):
    double = crystal.copy()
    double.make_supercell([2, 1, 1])
    single = salt(5.2)
    batch = predict_r2scan([double, crystal, single, crystal, double], batch_size=2)
    alone = [predict_r2scan([structure])[0] for structure in (double, crystal, single)]
    for found, expected in zip(batch, [alone[0], alone[1], alone[2], alone[1], alone[0]], strict=True):
        assert found.energy_ev == pytest.approx(expected.energy_ev, abs=1e-4)
        assert np.allclose(found.forces_ev_per_ang, expected.forces_ev_per_ang, atol=1e-4)
    assert alone[0].energy_ev == pytest.approx(2 * alone[1].energy_ev, abs=1e-3)
    # r2SCAN counts more of the core than PBE: -27 eV would be the PBE energy of this cell
    assert -60 < alone[2].energy_ev < -45


def test_lonely_atom_fails_alone(crystal):
    lonely = Structure(Lattice.cubic(30), ["Li"], [[0, 0, 0]])
    first, failed, last = predict_r2scan([crystal, lonely, crystal])
    assert isinstance(first, Label)
    assert isinstance(last, Label)
    assert isinstance(failed, Failure)
    assert failed.kind is RejectionKind.CALCULATION_FAILED
    assert "isolated" in failed.reason


def test_weights_are_checked_before_they_are_read(tmp_path):
    with pytest.raises(ModelNotFoundError, match="chgnet"):
        check_r2scan_weights(tmp_path / "missing")
    (tmp_path / "other").write_bytes(b"not the weights")
    with pytest.raises(ModelIntegrityError, match="SHA-256"):
        check_r2scan_weights(tmp_path / "other")
