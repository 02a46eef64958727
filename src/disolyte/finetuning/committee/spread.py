"""How far the members of a committee are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import InputError
from disolyte.models.loaded import Predictions


@dataclass(frozen=True)
class CommitteePredictions(Predictions):
    """What a committee says of a list of structures, in their order: the members' mean, and how far they are apart.

    Spreads are standard deviations over the members, with N - 1 in the denominator, times the scale that calibration
    found; see :class:`~disolyte.finetuning.committee.predictor.Committee`.
    """

    energy_spreads_ev: NDArray[np.float64]
    """Spread of the potential energy, shape (n,)."""
    force_spreads_ev_per_ang: list[NDArray[np.float64]]
    """Spread of a force component of each atom, root mean square over its three; one array of shape (n_atoms,) each."""
    stress_spreads_ev_per_ang3: NDArray[np.float64]
    """Spread of each stress component, shape (n, 3, 3); no scale is fitted to it."""

    @property
    def energy_spreads_ev_per_atom(self) -> NDArray[np.float64]:
        """Spread of the energy per atom, shape (n,)."""
        return self.energy_spreads_ev / np.array([len(spreads) for spreads in self.force_spreads_ev_per_ang])

    @property
    def frame_force_spreads_ev_per_ang(self) -> NDArray[np.float64]:
        """Spread of the forces of each structure: root mean square over its atoms, shape (n,)."""
        return np.array([float(np.sqrt(np.mean(spreads**2))) for spreads in self.force_spreads_ev_per_ang])

    @property
    def largest_force_spreads_ev_per_ang(self) -> NDArray[np.float64]:
        """Spread of the force on the atom on which the members agree least, shape (n,)."""
        return np.array([float(spreads.max()) for spreads in self.force_spreads_ev_per_ang])


def combine_predictions(
    members: Sequence[Predictions], *, energy_scale: float = 1.0, force_scale: float = 1.0
) -> CommitteePredictions:
    """Mean and spread of the members' predictions.

    Parameters
    ----------
    members
        Predictions of each member on the same structures.
    energy_scale, force_scale
        Factors on the spreads, from calibration.

    Raises
    ------
    InputError
        If there is only one member.
    """
    if len(members) < 2:
        raise InputError(f"{len(members)} prediction(s) have no spread; a committee needs at least 2 members, better 4")
    energies = np.array([member.energies_ev for member in members])
    stresses = np.array([member.stresses_ev_per_ang3 for member in members])
    forces, spreads = [], []
    for parts in zip(*(member.forces_ev_per_ang for member in members), strict=True):
        stacked = np.array(parts)
        forces.append(stacked.mean(axis=0))
        spreads.append(force_scale * np.sqrt(stacked.var(axis=0, ddof=1).mean(axis=1)))
    return CommitteePredictions(
        energies_ev=energies.mean(axis=0),
        forces_ev_per_ang=forces,
        stresses_ev_per_ang3=stresses.mean(axis=0),
        energy_spreads_ev=energy_scale * energies.std(axis=0, ddof=1),
        force_spreads_ev_per_ang=spreads,
        stress_spreads_ev_per_ang3=stresses.std(axis=0, ddof=1),
    )
