"""Heat baths of many systems at once, each with its own temperature and random stream.

A bath scales the momenta of whole systems before and after a velocity-Verlet step, or kicks single atoms in its middle.
The equations and the order of random numbers of Berendsen's, Bussi's and the Nosé–Hoover bath are those of ASE, so
that both engines give the same trajectory. torch-sim's own integrators are not used for this: 0.3 has neither
Berendsen's nor Bussi's thermostat and one Nosé–Hoover chain for a whole batch, 0.6 has no Berendsen, and in both all
systems share one random stream, so that what a system does would depend on its companions and on when they leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import torch
from ase import units
from numpy.typing import NDArray

from disolyte.dynamics.member import Member
from disolyte.dynamics.protocol import Thermostat

CHAIN_LENGTH: Final = 3
_OUTER: Final = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
_SUBSTEPS: Final = (_OUTER, 1.0 - 2.0 * _OUTER, _OUTER)
"""Fourth-order splitting of a Nosé–Hoover half step: Yoshida, Phys. Lett. A 150, 262 (1990)."""


class HeatBath:
    """No bath at all, and the base of the others.

    Parameters
    ----------
    members
        The systems, which share thermostat and time step.
    generators
        Random generator of each system.
    device
        torch device.
    """

    def __init__(self, members: Sequence[Member], generators: Sequence[np.random.Generator], device: str) -> None:
        protocols = [member.protocol for member in members]
        self._device = device
        self._generators = list(generators)
        self._dt = protocols[0].time_step_fs * units.fs
        self._kt_ev = self._tensor([units.kB * protocol.temperature_k for protocol in protocols])
        self._relaxation = self._tensor([protocol.thermostat_time_fs * units.fs for protocol in protocols])
        self._n_free = self._tensor([float(member.n_free) for member in members])

    def _tensor(self, values: NDArray[np.float64] | list[float]) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float64, device=self._device)

    def scale_before(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """Factor on the momenta of each system before a step, shape (n_systems,).

        Parameters
        ----------
        kinetic_ev
            Kinetic energy of each system, shape (n_systems,).
        """
        return torch.ones_like(kinetic_ev)

    def scale_after(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """Return the same after a step."""
        return torch.ones_like(kinetic_ev)

    def kick(self, momenta: torch.Tensor, masses: torch.Tensor, system_index: torch.Tensor) -> torch.Tensor:
        """Momenta after a kick at half a step, shape (n_atoms, 3).

        Parameters
        ----------
        momenta, masses
            Momenta, and masses of shape (n_atoms, 1).
        system_index
            System of each atom, shape (n_atoms,).
        """
        del masses, system_index
        return momenta

    def variables(self) -> list[NDArray[np.float64]]:
        """Variables of the bath of each system, to go on from."""
        return [np.zeros(0) for _ in self._generators]


class BerendsenBath(HeatBath):
    """Berendsen et al., J. Chem. Phys. 81, 3684 (1984), the factor held within 10 % as in ASE."""

    def scale_before(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """See :class:`HeatBath`."""
        ratio = 0.5 * self._n_free * self._kt_ev / kinetic_ev
        return (1.0 + (ratio - 1.0) * self._dt / self._relaxation).clamp(min=0.0).sqrt().clamp(0.9, 1.1)


class BussiBath(HeatBath):
    """Bussi, Donadio and Parrinello, J. Chem. Phys. 126, 014101 (2007), equation A7."""

    def scale_before(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """See :class:`HeatBath`."""
        ratio = 0.5 * self._n_free * self._kt_ev / kinetic_ev
        normal = self._tensor([generator.standard_normal() for generator in self._generators])
        shapes = (0.5 * (self._n_free - 1.0)).tolist()
        pairs = zip(self._generators, shapes, strict=True)
        others = self._tensor([2.0 * generator.standard_gamma(shape) for generator, shape in pairs])
        keep = torch.exp(-self._dt / self._relaxation)
        share = (1.0 - keep) * ratio / self._n_free
        squared = keep + share * (others + normal**2) + 2.0 * normal * (keep * share).sqrt()
        return squared.clamp(min=0.0).sqrt()


class LangevinBath(HeatBath):
    """Exact Ornstein–Uhlenbeck step, the O of the BAOAB splitting: Leimkuhler and Matthews, AMRX 2013, 34 (2013)."""

    def kick(self, momenta: torch.Tensor, masses: torch.Tensor, system_index: torch.Tensor) -> torch.Tensor:
        """See :class:`HeatBath`."""
        sizes = torch.bincount(system_index).tolist()
        pairs = zip(self._generators, sizes, strict=True)
        draws = np.concatenate([generator.standard_normal((size, 3)) for generator, size in pairs])
        keep = torch.exp(-self._dt / self._relaxation)
        variance = ((1.0 - keep**2) * self._kt_ev)[system_index, None] * masses
        return keep[system_index, None] * momenta + self._tensor(draws) * variance.sqrt()


class NoseHooverBath(HeatBath):
    """Nosé–Hoover chains of three, one chain per system: Martyna et al., Mol. Phys. 87, 1117 (1996).

    The chain starts at rest.
    """

    def __init__(self, members: Sequence[Member], generators: Sequence[np.random.Generator], device: str) -> None:
        super().__init__(members, generators, device)
        rest = np.zeros((2, CHAIN_LENGTH))
        there = [member.state.thermostat if member.state.thermostat.size else rest for member in members]
        chain = self._tensor(np.array(there))
        self._positions, self._momenta = chain[:, 0].clone(), chain[:, 1].clone()
        self._masses = (self._kt_ev * self._relaxation**2)[:, None].repeat(1, CHAIN_LENGTH)
        self._masses[:, 0] *= self._n_free

    def scale_before(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """See :class:`HeatBath`."""
        factor = torch.ones_like(kinetic_ev)
        for weight in _SUBSTEPS:
            step = 0.5 * weight * self._dt
            self._push(reversed(range(CHAIN_LENGTH)), kinetic_ev * factor**2, step)
            self._positions += step * self._momenta / self._masses
            factor = factor * torch.exp(-step * self._momenta[:, 0] / self._masses[:, 0])
            self._push(range(CHAIN_LENGTH), kinetic_ev * factor**2, step)
        return factor

    def scale_after(self, kinetic_ev: torch.Tensor) -> torch.Tensor:
        """See :class:`HeatBath`."""
        return self.scale_before(kinetic_ev)

    def _push(self, links: Iterable[int], kinetic_ev: torch.Tensor, step: float) -> None:
        """Advance the momenta of the links by half of ``step``, in the order given."""
        momenta, masses = self._momenta, self._masses
        for link in links:
            damp: torch.Tensor | float = 1.0
            if link + 1 < CHAIN_LENGTH:
                damp = torch.exp(-0.25 * step * momenta[:, link + 1] / masses[:, link + 1])
            if link == 0:
                force = 2.0 * kinetic_ev - self._n_free * self._kt_ev
            else:
                force = momenta[:, link - 1] ** 2 / masses[:, link - 1] - self._kt_ev
            momenta[:, link] = damp * (damp * momenta[:, link] + 0.5 * step * force)

    def variables(self) -> list[NDArray[np.float64]]:
        """Positions and momenta of the chain of each system, shape (2, 3)."""
        return list(torch.stack([self._positions, self._momenta], dim=1).cpu().numpy())


HEAT_BATHS: Final[dict[Thermostat, type[HeatBath]]] = {
    Thermostat.NVE: HeatBath,
    Thermostat.BERENDSEN: BerendsenBath,
    Thermostat.BUSSI: BussiBath,
    Thermostat.LANGEVIN: LangevinBath,
    Thermostat.NOSE_HOOVER: NoseHooverBath,
}
"""Bath of each thermostat."""
