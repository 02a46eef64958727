"""Energies of swaps: of point charges, of a model, or sums of several terms.

All chains advance together, so that a model sees them as one batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from disolyte.electrostatics import pair_matrix_ev
from disolyte.thermodynamics.energies import EnergyModel
from disolyte.thermodynamics.montecarlo.sites import SwapSites


class SwapEnergies(Protocol):
    """Energies of several chains, and what swaps change in them."""

    def start(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """Take the species on all varying sites, shape (n_chains, n_varying); energies in eV, shape (n_chains,)."""

    def propose(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Change in energy, eV, if each chain swapped its species on two varying sites; shapes (n_chains,)."""

    def accept(self, accepted: NDArray[np.bool_]) -> None:
        """Carry the proposed swaps out in the chains that accepted, shape (n_chains,)."""


class CoulombSwaps:
    r"""Point charges: :math:`\Delta E = \delta(\phi_i - \phi_j) + \tfrac12 \delta^2 (M_{ii} + M_{jj} - 2 M_{ij})`.

    With the potential :math:`\phi = M q` at hand and :math:`\delta = q_j - q_i`, a proposal costs the same whatever the
    size of the cell; an accepted one costs two rows of M.

    Parameters
    ----------
    sites
        Sites of the supercell.
    charges
        Charge of each species.
    """

    def __init__(self, sites: SwapSites, charges: Mapping[str, float]) -> None:
        self._charges = np.array([charges[name] for name in sites.species])
        n_home, n_cells = len(sites.allowed), sites.n_cells
        rows = pair_matrix_ev(sites.lattice_ang, sites.frac_coords, rows=range(n_home))
        rows = rows.reshape(n_home, n_cells, n_home)
        is_fixed = np.array([len(entry) == 1 for entry in sites.allowed])
        fixed = np.where(is_fixed, [charges[entry[0]] for entry in sites.allowed], 0.0)
        potential = rows.sum(axis=1) @ fixed
        self._fixed_energy = 0.5 * n_cells * float(fixed @ potential)
        self._fixed_potential = np.tile(potential[~is_fixed], n_cells)
        self._matrix = _expand(rows[np.ix_(~is_fixed, np.ones(n_cells, bool), ~is_fixed)], sites.repeats)
        self._diagonal = np.diag(self._matrix).copy()

    def start(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        self._q = self._charges[occupations]
        inner = self._q @ self._matrix
        self._phi = inner + self._fixed_potential
        self._chains = np.arange(len(occupations))
        return (self._q * (0.5 * inner + self._fixed_potential)).sum(axis=1) + self._fixed_energy

    def propose(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        chains = self._chains
        delta = self._q[chains, second] - self._q[chains, first]
        self._swap = (first, second, delta)
        self_energy = self._diagonal[first] + self._diagonal[second] - 2 * self._matrix[first, second]
        return delta * (self._phi[chains, first] - self._phi[chains, second]) + 0.5 * delta**2 * self_energy

    def accept(self, accepted: NDArray[np.bool_]) -> None:
        """See :class:`SwapEnergies`."""
        first, second, delta = (values[accepted] for values in self._swap)
        chains = self._chains[accepted]
        self._q[chains, first] += delta
        self._q[chains, second] -= delta
        self._phi[chains] += delta[:, None] * (self._matrix[first] - self._matrix[second])


class ModelSwaps:
    """Energies of a model, of the ions on the sites as they are, all chains in one batch.

    Parameters
    ----------
    sites
        Sites of the supercell.
    model
        The model.
    max_atoms
        Atoms in one pass of the model.
    """

    def __init__(self, sites: SwapSites, model: EnergyModel, max_atoms: int) -> None:
        self._sites, self._model, self._max_atoms = sites, model, max_atoms
        self._species_numbers = np.array([atomic_numbers[name or "X"] for name in sites.species])
        self._numbers = np.array(
            [atomic_numbers[entry[0] or "X"] for entry in sites.allowed] * sites.n_cells, dtype=np.int64
        )

    def start(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        self._occupations = occupations.copy()
        self._energies = self._predict(self._occupations)
        return self._energies.copy()

    def propose(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        self._proposed = self._occupations.copy()
        chains = np.arange(len(first))
        self._proposed[chains, first] = self._occupations[chains, second]
        self._proposed[chains, second] = self._occupations[chains, first]
        self._proposed_energies = self._predict(self._proposed)
        return self._proposed_energies - self._energies

    def accept(self, accepted: NDArray[np.bool_]) -> None:
        """See :class:`SwapEnergies`."""
        self._occupations[accepted] = self._proposed[accepted]
        self._energies[accepted] = self._proposed_energies[accepted]

    def _predict(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        return self._model.predict_energies([self._atoms(row) for row in occupations], max_atoms=self._max_atoms)

    def _atoms(self, occupations: NDArray[np.int8]) -> Atoms:
        numbers = self._numbers.copy()
        numbers[self._sites.varying] = self._species_numbers[occupations]
        kept = numbers > 0
        return Atoms(
            numbers=numbers[kept],
            scaled_positions=self._sites.frac_coords[kept],
            cell=self._sites.lattice_ang,
            pbc=True,
        )


class WeightedSwaps:
    """Weighted sum of several energies.

    Parameters
    ----------
    parts
        The energies.
    weights
        Their weights.
    """

    def __init__(self, parts: Sequence[SwapEnergies], weights: Sequence[float]) -> None:
        self._parts, self._weights = list(parts), np.array(weights, dtype=float)

    def start(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        return self._weights @ np.array([part.start(occupations) for part in self._parts])

    def propose(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`SwapEnergies`."""
        return self._weights @ np.array([part.propose(first, second) for part in self._parts])

    def accept(self, accepted: NDArray[np.bool_]) -> None:
        """See :class:`SwapEnergies`."""
        for part in self._parts:
            part.accept(accepted)


def _expand(rows: NDArray[np.float64], repeats: tuple[int, int, int]) -> NDArray[np.float64]:
    """Pair matrix of the supercell from the rows of one cell, (n_home, n_cells, n_home): it depends on differences."""
    cells = np.array(list(np.ndindex(*repeats)))
    shifts = (cells[None, :, :] - cells[:, None, :]) % np.array(repeats)
    index = np.ravel_multi_index(tuple(np.moveaxis(shifts, -1, 0)), repeats)
    n_home, n_cells = rows.shape[0], len(cells)
    blocks = rows[:, index, :]  # (home, from, to, home)
    return blocks.transpose(1, 0, 2, 3).reshape(n_cells * n_home, n_cells * n_home)
