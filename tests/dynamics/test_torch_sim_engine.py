import numpy as np
import pytest
import torch

from disolyte.dynamics import Engine, MDProtocol, Reason, Thermostat, choose_engine, engine_choice, run_md
from disolyte.dynamics.member import Member, start_state
from disolyte.dynamics.watchdog import Watchdog, closest_contact
from disolyte.errors import DynamicsError, InputError, MissingExtraError

pytest.importorskip("torch_sim")

from disolyte.dynamics.torch_sim_engine import Batch


def protocol(**changes):
    return MDProtocol(**{"temperature_k": 40.0, "time_step_fs": 5.0, "n_steps": 60, "record_every": 5, **changes})


def test_forces_equal_those_of_ase(argon, argon_model):
    one = protocol()
    squeezed = argon.copy()
    squeezed.set_cell(argon.cell * 0.95, scale_atoms=True)
    batch = Batch(argon_model, [Member(atoms, one, start_state(atoms, one)) for atoms in (argon, squeezed)])
    energies = batch.observe()[:, 0]
    for index, atoms in enumerate((argon, squeezed)):
        atoms.calc = argon_model.calculator()
        assert energies[index] == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
        np.testing.assert_allclose(batch._state.forces[32 * index : 32 * index + 32], atoms.get_forces(), atol=1e-9)


@pytest.mark.parametrize("thermostat", [t for t in Thermostat if t is not Thermostat.LANGEVIN])
def test_same_trajectory_as_ase(argon, argon_model, tmp_path, thermostat):
    """The same equations and random numbers: neighbour lists kept for several steps change nothing."""
    one = protocol(thermostat=thermostat, n_steps=120, temperature_k=60.0, seed=4)
    (ours,) = run_md([argon], [one], argon_model, tmp_path / "torch", engine=Engine.TORCH_SIM)
    (theirs,) = run_md([argon], [one], argon_model, tmp_path / "ase", engine=Engine.ASE)
    np.testing.assert_allclose(ours.positions_ang(), theirs.positions_ang(), atol=1e-4)
    np.testing.assert_allclose(ours.energies_ev, theirs.energies_ev, atol=1e-5)
    assert ours.engine is Engine.TORCH_SIM


def test_nve_keeps_the_energy(argon, argon_model, tmp_path):
    (run,) = run_md([argon], [protocol(n_steps=1000, thermostat="nve")], argon_model, tmp_path, engine=Engine.TORCH_SIM)
    total = run.energies_ev + 0.5 * (3 * 32 - 3) * 8.617333e-5 * run.temperatures_k
    assert np.ptp(total) / 32 < 2e-5
    assert abs(np.polyfit(run.times_fs / 1000, total / 32, 1)[0]) < 3e-6


def test_collapsing_system_ends_alone(argon, collapsing, argon_model, tmp_path):
    """One of eight collapses; the other seven do what they do without it."""
    systems = [argon] * 3 + [collapsing] + [argon] * 4
    protocols = [protocol(seed=seed, thermostat="langevin", record_every=2) for seed in range(8)]
    watchdog = Watchdog(contact_fraction=0.5)
    runs = run_md(systems, protocols, argon_model, tmp_path / "eight", engine=Engine.TORCH_SIM, watchdog=watchdog)
    assert [run.verdict.completed for run in runs] == [True] * 3 + [False] + [True] * 4
    bad = runs[3]
    assert bad.verdict.reason in {Reason.FORCE_SPIKE, Reason.TEMPERATURE_SPIKE, Reason.TOO_CLOSE, Reason.ENERGY_DRIFT}
    assert bad.verdict.message
    assert 0 < bad.n_frames < 31
    assert bad.steps[-1] < bad.verdict.step
    last = bad.atoms(-1)
    assert closest_contact(last.positions, last.numbers, np.array(last.cell), last.pbc).fraction >= 0.5
    assert np.isfinite(bad.energies_ev).all()
    rest = run_md(systems[:3], protocols[:3], argon_model, tmp_path / "three", engine=Engine.TORCH_SIM)
    for run, alone in zip(runs[:3], rest, strict=True):
        np.testing.assert_allclose(run.positions_ang(), alone.positions_ang(), atol=1e-5)


def test_systems_of_all_lengths_and_lagging_ones(argon, argon_model, tmp_path):
    """After a kill systems may stand at different steps: each gets all its frames, once."""
    protocols = [protocol(seed=seed, n_steps=n_steps, thermostat="bussi") for seed, n_steps in enumerate([60, 35, 60])]
    whole = run_md([argon] * 3, protocols, argon_model, tmp_path / "whole", engine=Engine.TORCH_SIM, chunk_frames=3)
    runs = run_md([argon] * 3, protocols, argon_model, tmp_path / "cut", engine=Engine.TORCH_SIM, chunk_frames=3)
    for run, n_lost in zip(runs, [1, 2, 3], strict=True):
        for path in run.chunk_paths[-n_lost:]:
            path.unlink()
    runs = run_md([argon] * 3, protocols, argon_model, tmp_path / "cut", engine=Engine.TORCH_SIM, chunk_frames=3)
    for run, other in zip(runs, whole, strict=True):
        assert run.steps.tolist() == other.steps.tolist() == list(range(0, run.protocol.n_steps + 1, 5))
        np.testing.assert_allclose(run.positions_ang(), other.positions_ang(), atol=1e-5)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")])
def test_batch_too_large_for_the_device_is_split(argon, argon_model, tmp_path, error):
    """The model runs out of memory in the middle of a chunk, as a device does: the batch is split, nothing is lost."""
    one = [protocol(n_steps=20, seed=seed, thermostat="langevin") for seed in range(5)]
    whole = run_md([argon] * 5, one, argon_model, tmp_path / "whole", engine=Engine.TORCH_SIM, chunk_frames=2)
    argon_model.module.fails(error, above=2, after_calls=3)
    split = run_md([argon] * 5, one, argon_model, tmp_path / "split", engine=Engine.TORCH_SIM, chunk_frames=2)
    for run, other in zip(split, whole, strict=True):
        assert run.verdict.completed
        assert run.steps.tolist() == [0, 5, 10, 15, 20]
        np.testing.assert_allclose(run.positions_ang(), other.positions_ang(), atol=1e-6)
    # Once it is known how much fits, no later chunk tries more.
    assert argon_model.module.n_failed == 1


def test_system_too_large_for_the_device(argon, argon_model, tmp_path):
    argon_model.module.fails(torch.OutOfMemoryError("CUDA out of memory"), above=0, after_calls=0)
    with pytest.raises(DynamicsError, match="32 atoms does not fit the memory of cpu"):
        run_md([argon] * 2, [protocol()] * 2, argon_model, tmp_path, engine=Engine.TORCH_SIM)


def test_other_failures_are_not_taken_for_lack_of_memory(argon, argon_model, tmp_path):
    argon_model.module.fails(RuntimeError("shapes differ"), above=0, after_calls=0)
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_md([argon] * 2, [protocol()] * 2, argon_model, tmp_path, engine=Engine.TORCH_SIM)


def test_choice_of_the_engine(argon, argon_model, monkeypatch):
    assert choose_engine(Engine.AUTO, [argon] * 2, argon_model) is Engine.TORCH_SIM
    assert choose_engine(Engine.AUTO, [argon], argon_model) is Engine.ASE
    assert choose_engine(Engine.TORCH_SIM, [argon], argon_model) is Engine.TORCH_SIM
    argon_model.device = "cuda:0"
    assert choose_engine(Engine.AUTO, [argon], argon_model) is Engine.TORCH_SIM
    slab = argon.copy()
    slab.pbc = [True, True, False]
    assert choose_engine(Engine.AUTO, [slab, argon], argon_model) is Engine.ASE
    with pytest.raises(InputError, match="periodic in three directions"):
        choose_engine(Engine.TORCH_SIM, [slab], argon_model)


@pytest.mark.parametrize(("version", "error"), [((0, 7, 1), InputError), (None, MissingExtraError)])
def test_versions_of_torch_sim(argon, argon_model, monkeypatch, version, error):
    monkeypatch.setattr(engine_choice, "torch_sim_version", lambda: version)
    assert choose_engine(Engine.AUTO, [argon] * 2, argon_model) is Engine.ASE
    with pytest.raises(error, match="install"):
        choose_engine(Engine.TORCH_SIM, [argon] * 2, argon_model)
