"""Many systems at once on torch-sim's states and integration steps.

torch-sim's velocity Verlet moves the atoms, and its model interface gives the forces; the heat baths are ours
(:mod:`~disolyte.dynamics.heat_baths` says why). What a system does depends neither on its companions nor on when they
leave. torch-sim 0.3 is the last for Python 3.11, 0.6 the newest for later ones; of both, only :class:`MDState`,
``momentum_step``, ``position_step`` and the model interface are used, which they have alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from ase import units
from numpy.typing import NDArray
from torch_sim.integrators.md import MDState, momentum_step, position_step

from disolyte.dynamics.batched_forces import BatchedForces
from disolyte.dynamics.heat_baths import HEAT_BATHS
from disolyte.dynamics.member import Member, pack_generator
from disolyte.dynamics.protocol import Engine
from disolyte.dynamics.recorder import Recorder
from disolyte.dynamics.trajectory import Chunk, SystemState
from disolyte.dynamics.watchdog import Verdict, Watchdog
from disolyte.errors import DynamicsError

if TYPE_CHECKING:
    from disolyte.models import LoadedModel


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says that a device, or the machine, has no memory left."""
    hints = ("out of memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(hint in str(error) for hint in hints)


class Batch:
    """Systems that share a thermostat and a time step, as one state on the device.

    Parameters
    ----------
    model
        The model.
    members
        The systems, with their states.
    """

    def __init__(self, model: LoadedModel, members: Sequence[Member]) -> None:
        self.model = model
        self.members = list(members)
        self.generators = [member.state.generator() for member in members]
        self.step = members[0].state.step
        structures = [member.atoms for member in members]
        self._forces = BatchedForces(model, structures)
        self._sizes = [len(atoms) for atoms in structures]
        self._index = torch.repeat_interleave(torch.arange(len(members)), torch.tensor(self._sizes)).to(model.device)
        masses = self._tensor(np.concatenate([atoms.get_masses() for atoms in structures]))
        self._masses = masses[:, None]
        self._system_masses = self._per_system(masses)[:, None]
        protocol = members[0].protocol
        self._dt = protocol.time_step_fs * units.fs
        self._bath = HEAT_BATHS[protocol.thermostat](members, self.generators, model.device)
        # Not periodic for torch-sim, so that it leaves the positions unwrapped; the model knows the cells.
        self._state = MDState(
            positions=self._tensor(np.concatenate([member.state.positions_ang for member in members])),
            momenta=self._tensor(np.concatenate([member.state.momenta for member in members])),
            energy=self._tensor([0.0] * len(members)),
            forces=torch.zeros((len(masses), 3), dtype=torch.float64, device=model.device),
            masses=masses,
            cell=self._tensor(np.array([np.array(atoms.cell).T for atoms in structures])),
            pbc=False,
            system_idx=self._index,
            atomic_numbers=torch.tensor(np.concatenate([atoms.numbers for atoms in structures])).to(model.device),
        )
        self._compute_forces()

    def _tensor(self, values: NDArray[np.float64] | list[float]) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float64, device=self.model.device)

    def _per_system(self, per_atom: torch.Tensor) -> torch.Tensor:
        shape = (len(self.members), *per_atom.shape[1:])
        return torch.zeros(shape, dtype=torch.float64, device=self.model.device).index_add_(0, self._index, per_atom)

    def _compute_forces(self) -> None:
        output = self._forces(self._state)
        self._state.energy, self._state.forces = output["energy"], output["forces"]

    def _kinetic_ev(self) -> torch.Tensor:
        return 0.5 * self._per_system((self._state.momenta.square() / self._masses).sum(dim=1))

    def advance(self) -> None:
        """Make one time step with all systems."""
        state, dt = self._state, self._dt
        self._scale(self._bath.scale_before(self._kinetic_ev()))
        momentum_step(state, dt / 2)
        position_step(state, dt / 2)
        state.momenta = self._bath.kick(state.momenta, self._masses, self._index)
        self._rest_centres_of_mass()
        position_step(state, dt / 2)
        self._compute_forces()
        momentum_step(state, dt / 2)
        self._scale(self._bath.scale_after(self._kinetic_ev()))
        self._rest_centres_of_mass()
        self.step += 1

    def _scale(self, factor: torch.Tensor) -> None:
        self._state.momenta = self._state.momenta * factor[self._index, None]

    def _rest_centres_of_mass(self) -> None:
        velocities = self._per_system(self._state.momenta) / self._system_masses
        self._state.momenta = self._state.momenta - self._masses * velocities[self._index]

    def observe(self) -> NDArray[np.float64]:
        """Potential energy, kinetic energy and largest force of each system, shape (n_systems, 3)."""
        force = self._state.forces.square().sum(dim=1)
        largest = torch.zeros_like(self._state.energy).scatter_reduce_(0, self._index, force, "amax").sqrt()
        return torch.stack([self._state.energy, self._kinetic_ev(), largest], dim=1).cpu().numpy()

    def positions_ang(self) -> list[NDArray[np.float64]]:
        """Unwrapped positions, one array of shape (n_atoms, 3) per system."""
        return np.split(self._state.positions.cpu().numpy().copy(), np.cumsum(self._sizes)[:-1])

    def states(self, start_energies_ev: Sequence[float]) -> list[SystemState]:
        """State of each system, to go on from."""
        momenta = np.split(self._state.momenta.cpu().numpy().copy(), np.cumsum(self._sizes)[:-1])
        columns = zip(
            self.positions_ang(), momenta, self.generators, start_energies_ev, self._bath.variables(), strict=True
        )
        return [
            SystemState(self.step, positions, momentum, pack_generator(generator), start_energy_ev, variables)
            for positions, momentum, generator, start_energy_ev, variables in columns
        ]


class TorchSimEngine:
    """Advances many systems by a chunk.

    Parameters
    ----------
    model
        The model.
    watchdog
        Limits to hold.
    """

    def __init__(self, model: LoadedModel, watchdog: Watchdog) -> None:
        self.model = model
        self.watchdog = watchdog
        self._largest_batch = sys.maxsize

    def advance(self, members: list[Member], n_steps: int) -> list[Chunk]:
        """Make ``n_steps`` steps with all members, fewer with those on which the watchdog barks.

        A batch too large for the device starts the chunk again in two halves, and later chunks with batches that fit.

        Parameters
        ----------
        members
            Systems that share thermostat, time step and the step where they are.
        n_steps
            Number of steps.

        Raises
        ------
        DynamicsError
            If not even a single system fits the device.
        """
        if len(members) > self._largest_batch:
            return self._advance_halves(members, n_steps)
        try:
            return self._advance(members, n_steps)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if len(members) == 1:
                raise DynamicsError(
                    f"a system of {len(members[0].atoms)} atoms does not fit the memory of {self.model.device}; "
                    "use a smaller cell, a smaller model or float32"
                ) from error
        self._largest_batch = len(members) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return self._advance_halves(members, n_steps)

    def _advance_halves(self, members: list[Member], n_steps: int) -> list[Chunk]:
        half = -(-len(members) // 2)
        return [*self.advance(members[:half], n_steps), *self.advance(members[half:], n_steps)]

    def _advance(self, members: list[Member], n_steps: int) -> list[Chunk]:
        begin = time.perf_counter()
        batch = Batch(self.model, members)
        seen = batch.observe().tolist()
        recorders = [
            Recorder(member, self.watchdog, numbers[0] if member.state.step == 0 else member.state.start_energy_ev)
            for member, numbers in zip(members, seen, strict=True)
        ]
        verdicts = [recorder.record_first(*numbers) for recorder, numbers in zip(recorders, seen, strict=True)]
        ends: dict[int, tuple[SystemState, Verdict | None]] = {}
        alive = list(range(len(members)))
        target = batch.step + n_steps
        while True:
            finished = batch.step == target
            if finished or any(verdicts):
                states = batch.states([recorders[i].start_energy_ev for i in alive])
                now = dict(zip(alive, zip(states, verdicts, strict=True), strict=True))
                ends |= {i: end for i, end in now.items() if finished or end[1]}
                if not (alive := [i for i in alive if i not in ends]):
                    break
                batch = Batch(self.model, [replace(members[i], state=now[i][0]) for i in alive])
            batch.advance()
            verdicts = self._look(batch, [recorders[i] for i in alive])
        wall_s = (time.perf_counter() - begin) / len(members)
        return [
            recorder.chunk(ends[i][0], engine=Engine.TORCH_SIM, wall_s=wall_s, verdict=ends[i][1])
            for i, recorder in enumerate(recorders)
        ]

    @staticmethod
    def _look(batch: Batch, recorders: list[Recorder]) -> list[Verdict | None]:
        numbers = batch.observe().tolist()
        return [
            recorder.look(batch.step, energy_ev, kinetic_ev, force, positions)
            for recorder, (energy_ev, kinetic_ev, force), positions in zip(
                recorders, numbers, batch.positions_ang(), strict=True
            )
        ]
