import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from disolyte.dynamics import MDProtocol, run_md
from disolyte.sampling import FrameBatch, FrameChoice, apply_strain, choose_frames, draw_strain, production_frames


@pytest.fixture
def run(tmp_path):
    """300 fs of hot copper, a frame every 4 fs."""
    atoms = bulk("Cu", "fcc", a=3.65, cubic=True).repeat((2, 2, 1))
    protocol = MDProtocol(
        temperature_k=1200.0, n_steps=150, time_step_fs=2.0, record_every=2, thermostat="bussi", seed=1
    )
    return run_md([atoms], [protocol], EMT(), tmp_path)[0]


def choose(run, seed=0, **changes):
    return choose_frames(
        run, FrameChoice(**{"discard_ps": 0.1, "n_frames": 20, **changes}), np.random.default_rng(seed)
    )


def test_frames_come_from_what_is_kept(run):
    frames = choose(run).atoms
    steps = [atoms.info["md_step"] for atoms in frames]
    assert len(set(steps)) == len(steps) == 20
    assert min(steps) * 2.0 > 100.0
    assert steps[:5] == [a.info["md_step"] for a in choose(run, n_frames=5).atoms]
    assert [a.info["md_step"] for a in choose(run, seed=1).atoms] != steps
    assert [a.info["md_step"] for a in choose(run).atoms] == steps


def test_a_frame_at_the_limit_is_thrown_away():
    steps = np.arange(0, 15_001, 50)
    kept = steps[production_frames(steps, 1.0, 5.0)]
    assert kept[0] == 5050
    assert len(kept) == 200


def test_frames_are_those_of_the_run_strained(run):
    """Undo the recorded strain, and the recorded frame is there again."""
    for atoms in choose(run).atoms:
        xx, yy, zz, yz, xz, xy = atoms.info["strain"]
        deform = np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        np.testing.assert_allclose(np.array(atoms.cell), run.cell_ang @ deform, atol=1e-10)
        fractional = atoms.get_scaled_positions()
        frame = run.positions_ang()[np.flatnonzero(run.steps == atoms.info["md_step"])[0]]
        shift = fractional - frame @ np.linalg.inv(run.cell_ang)
        np.testing.assert_allclose(shift - np.round(shift), 0.0, atol=1e-6)


def test_strain_stays_within_its_bound_and_fills_it():
    generator = np.random.default_rng(0)
    strains = np.array([draw_strain(generator, 0.03) for _ in range(4000)])
    np.testing.assert_array_equal(strains, strains.transpose(0, 2, 1))
    principal = np.linalg.eigvalsh(strains)
    assert np.abs(principal).max() <= 0.03 + 1e-12
    assert np.abs(principal).max() > 0.0299
    assert principal.std() == pytest.approx(0.03 / np.sqrt(3), rel=0.03)  # uniform
    along = strains[:, [0, 1, 2], [0, 1, 2]].std(axis=0)
    skew = strains[:, [1, 0, 0], [2, 2, 1]].std(axis=0)
    np.testing.assert_allclose(along, along.mean(), rtol=0.05)  # no direction is preferred
    np.testing.assert_allclose(skew, skew.mean(), rtol=0.05)


def test_strain_scales_positions():
    atoms = bulk("Cu", cubic=True)
    strained = apply_strain(atoms, np.diag([0.01, 0.0, -0.02]))
    np.testing.assert_allclose(strained.positions, atoms.positions * [1.01, 1.0, 0.98])
    assert strained.get_volume() == pytest.approx(atoms.get_volume() * 1.01 * 0.98)
    np.testing.assert_array_equal(atoms.positions, bulk("Cu", cubic=True).positions)


def test_duplicates_are_passed_over(run):
    all_of_them = choose(run, n_frames=1000)
    assert len(all_of_them.atoms) == 50
    assert all_of_them.n_duplicates == 0
    few = choose(run, n_frames=1000, duplicate_rms_ang=0.15)
    assert 1 < len(few.atoms) < 50
    assert len(few.atoms) + few.n_duplicates == 50
    positions = np.array([run.positions_ang()[run.steps == atoms.info["md_step"]][0] for atoms in few.atoms])
    rms = np.sqrt(np.mean(np.sum((positions[:, None] - positions[None]) ** 2, axis=3), axis=2))
    assert rms[~np.eye(len(rms), dtype=bool)].min() >= 0.15


def test_unphysical_frames_are_passed_over(run):
    chosen = choose(run, n_frames=1000, contact_fraction=0.88)
    assert chosen.n_unphysical > 0
    assert len(chosen.atoms) + chosen.n_unphysical == 50


def test_batch_keeps_everything(run):
    frames = [*choose(run).atoms[:3], bulk("NaCl", "rocksalt", a=5.6)]
    for number, atoms in enumerate(frames):
        atoms.info |= {"family": f"f{number}", "composition": "Cu"}
    batch = FrameBatch.from_atoms(frames)
    assert len(batch) == 4
    again = FrameBatch.model_validate_json(batch.model_dump_json())
    for atoms, other in zip(frames, again.to_atoms(), strict=True):
        np.testing.assert_array_equal(atoms.positions, other.positions)
        np.testing.assert_array_equal(atoms.numbers, other.numbers)
        np.testing.assert_array_equal(np.array(atoms.cell), np.array(other.cell))
        assert other.info["family"] == atoms.info["family"]
        assert other.info["md_step"] == atoms.info.get("md_step", 0)
        assert other.info["strain"] == atoms.info.get("strain", [0.0] * 6)
    both = FrameBatch.concatenate([batch, again])
    assert both.family == batch.family * 2
    assert FrameBatch.concatenate([]).to_atoms() == []
