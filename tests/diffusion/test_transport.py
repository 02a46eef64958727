"""Numbers beside the diffusivity: tensor, planes, Haven ratio, conductivity, drift."""

import numpy as np
import pytest

from disolyte.diffusion import planar_diffusivity
from disolyte.errors import TransportError
from disolyte.units import nernst_einstein_s_per_cm

TRUE_D = 3e-5


def test_tensor_and_planes_of_a_layered_conductor(walks, analyse):
    rng = np.random.default_rng(0)
    diagonal = TRUE_D * np.array([2.0, 1.0, 0.1])
    angle = np.pi / 6
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    mobile = walks.brownian(rng, 60, 3000, TRUE_D, np.sqrt([2.0, 1.0, 0.1]))
    mobile = np.einsum("ab,ibt->iat", turn, mobile)
    result = analyse(*walks.assemble(rng, mobile))
    expected = turn @ np.diag(diagonal) @ turn.T
    error = result.diffusivity_tensor_cm2_per_s - expected
    assert np.abs(error / np.maximum(result.diffusivity_tensor_std_cm2_per_s, 1e-12)).max() < 4
    assert np.abs(error).max() < 0.15 * TRUE_D
    assert np.allclose(result.diffusivity_tensor_cm2_per_s, result.diffusivity_tensor_cm2_per_s.T)
    assert np.trace(result.diffusivity_tensor_cm2_per_s) / 3 == pytest.approx(result.diffusivity_cm2_per_s)
    assert result.planar_diffusivities_cm2_per_s["ab"] == pytest.approx(1.5 * TRUE_D, rel=0.1)
    assert result.planar_diffusivity_stds_cm2_per_s["ab"] == pytest.approx(0.04 * TRUE_D, rel=0.8)
    assert result.planar_diffusivity_cm2_per_s(turn[:, 0]) == pytest.approx(0.55 * TRUE_D, rel=0.1)


def test_plane_of_an_oblique_cell_is_that_of_its_vectors(walks, analyse):
    rng = np.random.default_rng(1)
    lattice = np.array([[20.0, 0, 0], [-10, 17, 0], [0, 6, 18]])
    result = analyse(*walks.assemble(rng, walks.brownian(rng, 20, 1500, TRUE_D, (1, 1, 0.01))), lattice_ang=lattice)
    tensor = result.diffusivity_tensor_cm2_per_s
    normal = np.cross(lattice[0], lattice[2])
    assert result.planar_diffusivities_cm2_per_s["ac"] == pytest.approx(planar_diffusivity(tensor, normal))
    assert result.volume_ang3 == pytest.approx(20 * 17 * 18)


def test_any_plane_by_its_miller_indices(walks, analyse):
    rng = np.random.default_rng(11)
    lattice = np.array([[20.0, 0, 0], [-10, 17, 0], [0, 6, 18]])
    scale = np.sqrt([1.5, 1.2, 0.3])
    result = analyse(*walks.assemble(rng, walks.brownian(rng, 30, 2000, TRUE_D, scale)), lattice_ang=lattice)
    for name, hkl in (("ab", (0, 0, 1)), ("ac", (0, 1, 0)), ("bc", (1, 0, 0))):
        value, std = result.plane(hkl)
        assert value == pytest.approx(result.planar_diffusivities_cm2_per_s[name])
        assert std == pytest.approx(result.planar_diffusivity_stds_cm2_per_s[name])
    # The plane (1 1 0) holds c and a - b.
    normal = np.cross(lattice[2], lattice[0] - lattice[1])
    assert result.plane((1, 1, 0))[0] == pytest.approx(result.planar_diffusivity_cm2_per_s(normal))
    unit = normal / np.linalg.norm(normal)
    expected = TRUE_D * (3.0 - unit @ np.diag([1.5, 1.2, 0.3]) @ unit) / 2
    value, std = result.plane((2, 2, 0))
    assert abs(value - expected) < 3 * std < 0.3 * expected
    with pytest.raises(TransportError, match="Miller"):
        result.plane((0, 0, 0))


def test_principal_axes_and_their_errors(walks, analyse):
    rng = np.random.default_rng(12)
    angle = np.pi / 5
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    mobile = np.einsum("ab,ibt->iat", turn, walks.brownian(rng, 40, 3000, TRUE_D, np.sqrt([2.5, 0.4, 0.1])))
    axes = analyse(*walks.assemble(rng, mobile)).principal_axes
    assert np.all(np.abs(axes.values_cm2_per_s - TRUE_D * np.array([2.5, 0.4, 0.1])) < 4 * axes.stds_cm2_per_s)
    assert np.degrees(np.arccos(abs(axes.directions[0] @ turn[:, 0]))) < 4 * axes.angle_stds_deg[0] < 12
    isotropic = analyse(*walks.assemble(rng, walks.brownian(rng, 10, 500, TRUE_D))).principal_axes
    assert isotropic.angle_stds_deg.min() > 10


def test_tensor_errors_hold_the_truth(walks, analyse):
    rng = np.random.default_rng(13)
    hits = []
    for _ in range(40):
        result = analyse(*walks.assemble(rng, walks.brownian(rng, 16, 600, TRUE_D, np.sqrt([1.6, 1.0, 0.4]))))
        error = np.abs(result.diffusivity_tensor_cm2_per_s - TRUE_D * np.diag([1.6, 1.0, 0.4]))
        hits.append((error <= 1.96 * result.diffusivity_tensor_std_cm2_per_s)[np.triu_indices(3)])
    assert 0.88 < np.mean(hits) < 0.995


def test_plane_needs_a_direction():
    with pytest.raises(TransportError, match="normal"):
        planar_diffusivity(np.eye(3), [0, 0, 0])


def test_haven_ratio_of_ions_that_move_as_one(walks, analyse):
    rng = np.random.default_rng(2)
    one = walks.brownian(rng, 1, 8000, TRUE_D)
    result = analyse(*walks.assemble(rng, np.repeat(one, 8, axis=0)))
    assert result.haven_ratio == pytest.approx(1 / 8, rel=0.05)
    assert result.haven_ratio_ci95[0] < 1 / 8 < result.haven_ratio_ci95[1] < 0.5
    assert result.collective_conductivity_s_per_cm == pytest.approx(8 * result.conductivity_s_per_cm, rel=0.05)


def test_haven_ratio_of_ions_that_move_against_each_other(walks, analyse):
    """Half of the ions mirror the other half, up to a small part of their own: H_R is that part's inverse."""
    rng = np.random.default_rng(3)
    half = walks.brownian(rng, 10, 8000, TRUE_D * 0.75)
    mobile = np.concatenate([half, -half]) + walks.brownian(rng, 20, 8000, TRUE_D * 0.25)
    result = analyse(*walks.assemble(rng, mobile))
    assert result.haven_ratio_ci95[0] < 4.0 < result.haven_ratio_ci95[1]
    assert result.haven_ratio_ci95[0] > 1.5


def test_haven_ratio_of_a_short_run_is_not_trusted(walks, analyse):
    rng = np.random.default_rng(4)
    result = analyse(*walks.assemble(rng, walks.brownian(rng, 20, 400, TRUE_D)))
    assert not result.haven_ratio_is_trusted
    assert np.isfinite(result.haven_ratio)


def test_conductivity_is_nernst_einstein(walks, analyse):
    rng = np.random.default_rng(5)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 20, 1000, TRUE_D))
    result = analyse(displacements, species, charge=2, temperature_k=700.0)
    expected = nernst_einstein_s_per_cm(
        result.diffusivity_cm2_per_s, n_ions=20, charge=2, volume_ang3=8000.0, temperature_k=700.0
    )
    assert result.conductivity_s_per_cm == pytest.approx(expected)
    # 20 ions of charge 2 e in 8000 Å³ at 3e-5 cm²/s and 700 K.
    assert result.conductivity_s_per_cm == pytest.approx(0.797, rel=0.2)


def test_rigid_drift_changes_nothing(walks, analyse):
    rng = np.random.default_rng(6)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 20, 1000, TRUE_D))
    wander = np.cumsum(0.3 * rng.normal(size=(1000, 1, 3)), axis=0)
    still, moved = analyse(displacements, species), analyse(displacements + wander, species)
    assert moved.diffusivity_cm2_per_s == pytest.approx(still.diffusivity_cm2_per_s, rel=1e-6)
    assert moved.collective_diffusivity_cm2_per_s == pytest.approx(still.collective_diffusivity_cm2_per_s, rel=1e-5)
    assert "mass-weighted" in moved.drift_reference


def test_runs_are_pooled(walks, analyse):
    rng = np.random.default_rng(7)
    runs = [walks.assemble(rng, walks.brownian(rng, 20, 1000, TRUE_D)) for _ in range(4)]
    species = runs[0][1]
    one, four = analyse(runs[0][0], species), analyse([run[0] for run in runs], species)
    assert four.n_runs == 4
    assert four.n_mobile == 20
    assert four.diffusivity_relative_error == pytest.approx(one.diffusivity_relative_error / 2, rel=0.35)
    low, high = four.diffusivity_ci95_cm2_per_s
    assert low < TRUE_D < high


def test_result_is_frozen_and_repeatable(walks, analyse):
    rng = np.random.default_rng(8)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 10, 500, TRUE_D))
    first, second = analyse(displacements, species), analyse(displacements.astype(np.float32), species)
    assert first.model_dump(exclude={"curves"}) == analyse(displacements, species).model_dump(exclude={"curves"})
    assert second.diffusivity_cm2_per_s == pytest.approx(first.diffusivity_cm2_per_s, rel=1e-4)
    with pytest.raises(ValueError, match="frozen"):
        first.verdict = "converged"


def test_memory_mapped_input_in_several_chunks(walks, analyse, tmp_path, monkeypatch):
    rng = np.random.default_rng(9)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 12, 600, TRUE_D))
    whole = analyse(displacements, species)
    np.save(tmp_path / "d.npy", displacements)
    monkeypatch.setattr("disolyte.diffusion.displacements.CHUNK_BYTES", 600 * 24 * 5)
    pieces = analyse(np.load(tmp_path / "d.npy", mmap_mode="r"), species)
    assert pieces.diffusivity_cm2_per_s == pytest.approx(whole.diffusivity_cm2_per_s, rel=1e-9)
    assert pieces.collective_diffusivity_cm2_per_s == pytest.approx(whole.collective_diffusivity_cm2_per_s, rel=1e-9)
