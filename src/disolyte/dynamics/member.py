"""One system of a run: what does not change, and the state that does."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from disolyte.dynamics.protocol import MDProtocol
from disolyte.dynamics.trajectory import SystemState
from disolyte.units import BOLTZMANN_EV_PER_K


@dataclass
class Member:
    """One system of a run.

    Attributes
    ----------
    atoms
        First structure. Its positions, cell and masses are used, its momenta and calculator are not.
    protocol
        What is done with it.
    state
        Where it is.
    """

    atoms: Atoms
    protocol: MDProtocol
    state: SystemState

    @property
    def n_free(self) -> int:
        """Degrees of freedom with the centre of mass at rest."""
        return 3 * len(self.atoms) - 3

    def temperature_k(self, kinetic_energy_ev: float) -> float:
        """Instantaneous temperature of a kinetic energy."""
        return 2.0 * kinetic_energy_ev / (self.n_free * BOLTZMANN_EV_PER_K)


def pack_generator(generator: np.random.Generator) -> str:
    """State of a random generator as JSON."""
    return json.dumps(generator.bit_generator.state)


def start_state(atoms: Atoms, protocol: MDProtocol) -> SystemState:
    """State at step 0: velocities drawn from the protocol's seed, centre of mass at rest, scaled to the temperature."""
    generator = np.random.default_rng(protocol.seed)
    masses = atoms.get_masses()[:, None]
    momenta = generator.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * protocol.temperature_k)
    momenta -= masses * momenta.sum(axis=0) / masses.sum()
    kinetic_ev = kinetic_energy_ev(momenta, masses)
    momenta *= np.sqrt(0.5 * (3 * len(atoms) - 3) * units.kB * protocol.temperature_k / kinetic_ev)
    return SystemState(
        step=0, positions_ang=atoms.get_positions(), momenta=momenta, rng_state=pack_generator(generator)
    )


def kinetic_energy_ev(momenta: NDArray[np.float64], masses: NDArray[np.float64]) -> float:
    """Kinetic energy of momenta in ASE's units, shape (n, 3), and masses, shape (n, 1)."""
    return float(0.5 * np.sum(momenta**2 / masses))
