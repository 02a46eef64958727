"""One system at a time with ASE's integrators and any ASE calculator.

A chunk depends on nothing but the state at its start: integrator and calculator are set up afresh for each, so that a
run that was killed and resumed equals one that was not, bit by bit.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.constraints import FixCom
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT, NoseHooverChainThermostat
from ase.md.nvtberendsen import NVTBerendsen
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray

from disolyte.dynamics.member import Member, pack_generator
from disolyte.dynamics.protocol import Engine, Thermostat
from disolyte.dynamics.recorder import Recorder
from disolyte.dynamics.trajectory import Chunk, SystemState
from disolyte.dynamics.watchdog import Watchdog


class Integrator(Protocol):
    """What all of ASE's integrators can do."""

    def step(self) -> object:
        """Make one step."""


class AseEngine:
    """Advances one system by a chunk.

    Parameters
    ----------
    calculator
        Any ASE calculator.
    watchdog
        Limits to hold.
    """

    def __init__(self, calculator: Calculator, watchdog: Watchdog) -> None:
        self.calculator = calculator
        self.watchdog = watchdog

    def advance(self, members: list[Member], n_steps: int) -> list[Chunk]:
        """Make ``n_steps`` steps with each member, or fewer where the watchdog barks."""
        return [self._advance_one(member, n_steps) for member in members]

    def _advance_one(self, member: Member, n_steps: int) -> Chunk:
        begin = time.perf_counter()
        generator = member.state.generator()
        atoms, dynamics = self._set_up(member, generator)
        energy_ev = float(atoms.get_potential_energy())
        start_energy_ev = energy_ev if member.state.step == 0 else member.state.start_energy_ev
        recorder = Recorder(member, self.watchdog, start_energy_ev)
        step = member.state.step
        verdict = recorder.record_first(energy_ev, atoms.get_kinetic_energy(), _largest(atoms))
        while verdict is None and step < member.state.step + n_steps:
            dynamics.step()
            step += 1
            energy_ev = float(atoms.get_potential_energy())
            verdict = recorder.look(step, energy_ev, atoms.get_kinetic_energy(), _largest(atoms), atoms.positions)
        end = SystemState(
            step=step,
            positions_ang=atoms.get_positions(),
            momenta=atoms.get_momenta(),
            rng_state=pack_generator(generator),
            start_energy_ev=start_energy_ev,
            thermostat=_chain_of(dynamics),
        )
        return recorder.chunk(end, engine=Engine.ASE, wall_s=time.perf_counter() - begin, verdict=verdict)

    def _set_up(self, member: Member, generator: np.random.Generator) -> tuple[Atoms, Integrator]:
        atoms = member.atoms.copy()
        atoms.set_constraint(FixCom())
        atoms.positions[:] = member.state.positions_ang
        atoms.set_momenta(member.state.momenta, apply_constraint=False)
        self.calculator.reset()
        atoms.calc = self.calculator
        return atoms, _integrator(atoms, member, generator)


def _integrator(atoms: Atoms, member: Member, generator: np.random.Generator) -> Integrator:
    protocol = member.protocol
    step, relaxation = protocol.time_step_fs * units.fs, protocol.thermostat_time_fs * units.fs
    target_k = protocol.temperature_k
    match protocol.thermostat:
        case Thermostat.NVE:
            return VelocityVerlet(atoms, step)
        case Thermostat.BERENDSEN:
            return NVTBerendsen(atoms, step, temperature_K=target_k, taut=relaxation, fixcm=False)
        case Thermostat.BUSSI:
            return Bussi(atoms, step, temperature_K=target_k, taut=relaxation, rng=generator)
        case Thermostat.LANGEVIN:
            return Langevin(atoms, step, temperature_K=target_k, friction=1 / relaxation, fixcm=False, rng=generator)
        case Thermostat.NOSE_HOOVER:
            return _nose_hoover(atoms, member, step, relaxation)


def _nose_hoover(atoms: Atoms, member: Member, step: float, relaxation: float) -> NoseHooverChainNVT:
    """Nosé–Hoover chain of 3N − 3 degrees of freedom: ASE's counts 3N, and would hold T N/(N − 1) instead of T."""
    target_k = member.protocol.temperature_k
    dynamics = NoseHooverChainNVT(atoms, step, temperature_K=target_k, tdamp=relaxation)
    dynamics._thermostat = NoseHooverChainThermostat(len(atoms) - 1, dynamics.masses, target_k, relaxation)
    if member.state.thermostat.size:
        dynamics._thermostat._eta[:], dynamics._thermostat._p_eta[:] = member.state.thermostat
    return dynamics


def _chain_of(dynamics: Integrator) -> NDArray[np.float64]:
    if isinstance(dynamics, NoseHooverChainNVT):
        return np.array([dynamics._thermostat._eta, dynamics._thermostat._p_eta])
    return np.zeros(0)


def _largest(atoms: Atoms) -> float:
    """Largest force, eV/Å. NaN stays NaN."""
    return float(np.sqrt(np.max(np.sum(atoms.get_forces(apply_constraint=False) ** 2, axis=1))))
