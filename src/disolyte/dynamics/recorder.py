"""Collects the frames of one system between two writes, and asks the watchdog."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from disolyte.dynamics.member import Member
from disolyte.dynamics.protocol import Engine, Thermostat
from disolyte.dynamics.trajectory import Chunk, SystemState
from disolyte.dynamics.watchdog import Reason, Verdict, Watchdog
from disolyte.units import BOLTZMANN_EV_PER_K


class Recorder:
    """Frames of one system in one chunk.

    Parameters
    ----------
    member
        The system, with its state at the start of the chunk.
    watchdog
        Limits to hold.
    start_energy_ev
        Potential energy of the system at step 0.
    """

    def __init__(self, member: Member, watchdog: Watchdog, start_energy_ev: float) -> None:
        self.member = member
        self.watchdog = watchdog
        self.start_energy_ev = start_energy_ev
        self._steps: list[int] = []
        self._positions: list[NDArray[np.float32]] = []
        self._energies: list[float] = []
        self._temperatures: list[float] = []

    def record_first(self, energy_ev: float, kinetic_ev: float, max_force_ev_per_ang: float) -> Verdict | None:
        """Look at the structure at step 0 and record it; later chunks begin with a frame recorded before."""
        state = self.member.state
        if state.step > 0:
            return None
        return self.look(0, energy_ev, kinetic_ev, max_force_ev_per_ang, state.positions_ang)

    def look(
        self,
        step: int,
        energy_ev: float,
        kinetic_ev: float,
        max_force_ev_per_ang: float,
        positions_ang: NDArray[np.float64],
    ) -> Verdict | None:
        """Look at one step, and record it if its turn has come and nothing is wrong.

        Parameters
        ----------
        step
            Step just made.
        energy_ev, kinetic_ev
            Potential and kinetic energy.
        max_force_ev_per_ang
            Largest force on an atom.
        positions_ang
            Unwrapped positions, shape (n_atoms, 3).

        Returns
        -------
        Verdict or None
            How the run ends, if it ends here: something is wrong, or all steps are made.
        """
        member, atoms = self.member, self.member.atoms
        temperature_k = member.temperature_k(kinetic_ev)
        recorded = step % member.protocol.record_every == 0
        verdict = self.watchdog.check_step(
            step,
            n_atoms=len(atoms),
            target_k=member.protocol.temperature_k,
            temperature_k=temperature_k,
            energy_ev=energy_ev,
            start_energy_ev=self.start_energy_ev,
            max_force_ev_per_ang=max_force_ev_per_ang,
            total_drift_ev=self._total_drift_ev(energy_ev, kinetic_ev),
        )
        if recorded and (
            verdict is None or step == 0
        ):  # atoms that overlap from the start are the cause, not the force
            verdict = self._check_geometry(step, positions_ang) or verdict
        if recorded and verdict is None:
            self._steps.append(step)
            self._positions.append(positions_ang.astype(np.float32))
            self._energies.append(energy_ev)
            self._temperatures.append(temperature_k)
        if verdict is None and step == member.protocol.n_steps:
            return Verdict(reason=Reason.COMPLETED, step=step)
        return verdict

    def _total_drift_ev(self, energy_ev: float, kinetic_ev: float) -> float:
        """Change of the total energy since step 0, when the kinetic one was that of the temperature; 0 in a bath."""
        if self.member.protocol.thermostat is not Thermostat.NVE:
            return 0.0
        start_kinetic_ev = 0.5 * self.member.n_free * BOLTZMANN_EV_PER_K * self.member.protocol.temperature_k
        return energy_ev + kinetic_ev - self.start_energy_ev - start_kinetic_ev

    def _check_geometry(self, step: int, positions_ang: NDArray[np.float64]) -> Verdict | None:
        atoms = self.member.atoms
        return self.watchdog.check_frame(
            step,
            positions_ang,
            start_positions_ang=atoms.positions,
            numbers=atoms.numbers,
            cell_ang=np.array(atoms.cell),
            pbc=atoms.pbc,
        )

    def chunk(self, end: SystemState, *, engine: Engine, wall_s: float, verdict: Verdict | None) -> Chunk:
        """Frames recorded so far, with the state at their end."""
        n_atoms = len(self.member.atoms)
        return Chunk(
            steps=np.array(self._steps, dtype=np.int64),
            positions_ang=np.array(self._positions, dtype=np.float32).reshape(-1, n_atoms, 3),
            energies_ev=np.array(self._energies, dtype=np.float64),
            temperatures_k=np.array(self._temperatures, dtype=np.float64),
            end=end,
            engine=engine,
            wall_s=wall_s,
            verdict=verdict,
        )
