import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from disolyte.dynamics import Engine, MDProtocol, Reason, Watchdog, run_md
from disolyte.errors import InputError


def protocol(**changes):
    return MDProtocol(**{"temperature_k": 300.0, "time_step_fs": 4.0, "n_steps": 40, "record_every": 5, **changes})


def test_nve_keeps_the_energy(copper, tmp_path):
    (run,) = run_md([copper], [protocol(n_steps=500, time_step_fs=2.0, thermostat="nve", seed=1)], EMT(), tmp_path)
    kinetic = 0.5 * (3 * 32 - 3) * 8.617333e-5 * run.temperatures_k
    total = run.energies_ev + kinetic
    assert np.ptp(total) / 32 < 2e-4
    slope = np.polyfit(run.times_fs / 1000, total / 32, 1)[0]
    assert abs(slope) < 5e-5  # eV per atom and ps
    assert run.temperatures_k.std() > 5  # potential and kinetic energy are exchanged at all


def test_first_velocities(copper, tmp_path):
    (run,) = run_md([copper], [protocol(seed=7)], EMT(), tmp_path)
    assert run.temperatures_k[0] == pytest.approx(300.0)
    momentum = run.last.end.momenta.sum(axis=0)
    np.testing.assert_allclose(momentum, 0.0, atol=1e-9)


def test_positions_are_unwrapped_and_continuous(tmp_path):
    """Hot atoms that start at the boundary cross it; no step is as long as a cell."""
    atoms = bulk("Cu", "fcc", a=3.65, cubic=True)
    (run,) = run_md(
        [atoms], [protocol(temperature_k=2500.0, n_steps=600, record_every=1, time_step_fs=2.0)], EMT(), tmp_path,
        watchdog=Watchdog(contact_fraction=0.1),
    )  # fmt: skip
    positions = run.positions_ang()
    assert positions.shape == (601, 4, 3)
    fractional = positions @ np.linalg.inv(run.cell_ang)
    assert (np.floor(fractional[-1] + 1e-6) != 0).any()
    assert np.abs(np.diff(positions, axis=0)).max() < 0.5


def test_frames_and_times(copper, tmp_path):
    (run,) = run_md([copper], [protocol(n_steps=23, record_every=4)], EMT(), tmp_path, chunk_frames=2)
    assert run.steps.tolist() == [0, 4, 8, 12, 16, 20]
    assert run.times_fs.tolist() == [0, 16, 32, 48, 64, 80]
    assert run.n_frames == run.protocol.n_frames == 6
    assert [chunk.steps.tolist() for chunk in run.iter_chunks()] == [[0, 4, 8], [12, 16], [20]]
    np.testing.assert_array_equal(run.atoms(-1).positions.astype(np.float32), run.positions_ang()[5])
    assert run.verdict.reason is Reason.COMPLETED
    assert run.verdict.step == 23
    assert run.engine is Engine.ASE


def test_second_call_does_nothing(copper, tmp_path):
    class Counting(EMT):
        calls = 0

        def calculate(self, *args, **kwargs):
            type(self).calls += 1
            super().calculate(*args, **kwargs)

    run_md([copper], [protocol()], Counting(), tmp_path)
    before = Counting.calls
    (run,) = run_md([copper], [protocol()], Counting(), tmp_path)
    assert Counting.calls == before > 40
    assert run.n_frames == 9


def test_seed_decides(copper, tmp_path):
    protocols = [
        protocol(seed=1, thermostat="bussi"),
        protocol(seed=1, thermostat="bussi"),
        protocol(seed=2, thermostat="bussi"),
    ]
    first, second, third = run_md([copper] * 3, protocols, EMT(), tmp_path)
    np.testing.assert_array_equal(first.positions_ang(), second.positions_ang())
    assert not np.allclose(first.positions_ang()[-1], third.positions_ang()[-1])


def test_numbers_must_match(copper, tmp_path):
    with pytest.raises(InputError, match="2 systems but 1 protocols"):
        run_md([copper, copper], [protocol()], EMT(), tmp_path)
    with pytest.raises(InputError, match="cannot drive the ASE calculator EMT"):
        run_md([copper], [protocol()], EMT(), tmp_path, engine=Engine.TORCH_SIM)
