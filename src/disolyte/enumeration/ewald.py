"""Electrostatic energies of many orderings of one cell at once.

E = ½ qᵀ M q, with one matrix M per cell: the Ewald sums of unit point charges, with the term of a neutralising
background, so that charged cells have the energy that pymatgen's ``EwaldSummation`` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import constants
from scipy.special import erfc

COULOMB_EV_ANG: Final = constants.e / (4 * np.pi * constants.epsilon_0) * 1e10
"""e²/(4πε₀), eV Å."""

_SHARPNESS: Final = 5.7
"""Argument at which erfc(x) and exp(-x²) count as zero; the neglected terms are below 1e-13."""


def pair_matrix_ev(lattice_ang: NDArray[np.float64], frac_coords: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix of the electrostatic energy, E = ½ qᵀ M q with charges in units of e.

    Parameters
    ----------
    lattice_ang
        Lattice vectors as rows, shape (3, 3).
    frac_coords
        Fractional coordinates of all sites, shape (n, 3).

    Returns
    -------
    ndarray, shape (n, n)
        Symmetric, eV. The diagonal is the energy of a charge with its own images and with the background.
    """
    volume = abs(np.linalg.det(lattice_ang))
    cutoff = volume ** (1 / 3)
    alpha = _SHARPNESS / cutoff
    difference = frac_coords[:, None, :] - frac_coords[None, :, :]
    difference -= np.round(difference)
    matrix = _real_space(lattice_ang, difference, alpha, cutoff)
    matrix += _reciprocal_space(lattice_ang, frac_coords, alpha, volume)
    matrix -= np.pi / (volume * alpha**2)
    matrix[np.diag_indices_from(matrix)] -= 2 * alpha / np.sqrt(np.pi)
    return COULOMB_EV_ANG * matrix


def _real_space(
    lattice: NDArray[np.float64], difference: NDArray[np.float64], alpha: float, cutoff: float
) -> NDArray[np.float64]:
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil(cutoff / heights + 0.5).astype(int)
    vectors = difference.reshape(-1, 3) @ lattice
    farthest = np.linalg.norm(vectors, axis=1).max()
    total = np.zeros(len(vectors))
    for image in np.ndindex(*(2 * reach + 1)):
        offset = (np.array(image) - reach) @ lattice
        if np.linalg.norm(offset) > cutoff + farthest:
            continue
        squared = ((vectors + offset) ** 2).sum(axis=1)
        near = np.flatnonzero((squared < cutoff**2) & (squared > 1e-12))
        distance = np.sqrt(squared[near])
        total[near] += erfc(alpha * distance) / distance
    return total.reshape(difference.shape[:2])


def _reciprocal_space(
    lattice: NDArray[np.float64], frac_coords: NDArray[np.float64], alpha: float, volume: float
) -> NDArray[np.float64]:
    longest = 2 * _SHARPNESS * alpha
    reach = np.floor(longest / (2 * np.pi) * np.linalg.norm(lattice, axis=1)).astype(int)
    index = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    index = index[len(index) // 2 + 1 :]  # one of every pair G, -G
    squared = ((2 * np.pi * index @ np.linalg.inv(lattice).T) ** 2).sum(axis=1)
    index, squared = index[squared < longest**2], squared[squared < longest**2]
    phase = 2 * np.pi * frac_coords @ index.T
    weight = np.sqrt(np.exp(-squared / (4 * alpha**2)) / squared)
    waves = np.concatenate([np.cos(phase) * weight, np.sin(phase) * weight], axis=1)
    return 8 * np.pi / volume * (waves @ waves.T)


class CoulombEnergies:
    """Energies of orderings of one cell.

    Parameters
    ----------
    matrix_ev
        Pair matrix of all sites, shape (n, n).
    site_charges
        Charge of every species that may sit on each site, padded with zeros, shape (n, n_species).
    is_fixed
        Sites that hold their first species in every ordering, shape (n,).
    """

    def __init__(
        self, matrix_ev: NDArray[np.float64], site_charges: NDArray[np.float64], is_fixed: NDArray[np.bool_]
    ) -> None:
        self.matrix_ev = matrix_ev
        self.site_charges = site_charges
        self.fixed_charges = np.where(is_fixed, site_charges[:, 0], 0.0)
        self.fixed_field_ev = matrix_ev @ self.fixed_charges
        self.fixed_energy_ev = 0.5 * float(self.fixed_charges @ self.fixed_field_ev)
        self.varying = np.flatnonzero(~is_fixed)
        self._inner = 0.5 * matrix_ev[np.ix_(self.varying, self.varying)]

    def charges(self, sites: NDArray[np.int64], rows: NDArray[np.int8]) -> NDArray[np.float64]:
        """Charges on some sites, shape of ``rows`` (n_orderings, n_sites)."""
        return self.site_charges[sites[None, :], rows]

    def energies_ev(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """Energy of every ordering, eV per cell.

        Parameters
        ----------
        occupations
            Index of the species on every site, shape (n_orderings, n).

        Returns
        -------
        ndarray, shape (n_orderings,)
        """
        energies = np.empty(len(occupations))
        field = self.fixed_field_ev[self.varying]
        for start in range(0, len(occupations), 8192):
            charges = self.charges(self.varying, np.asarray(occupations[start : start + 8192])[:, self.varying])
            energies[start : start + 8192] = np.einsum("ni,ni->n", charges @ self._inner + field, charges)
        return energies + self.fixed_energy_ev


def build_coulomb(
    lattice_ang: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
    site_species: Sequence[tuple[str, ...]],
    states: Mapping[str, float],
) -> CoulombEnergies:
    """Energies of the orderings of a cell.

    Parameters
    ----------
    lattice_ang, frac_coords
        The cell: vectors as rows (3, 3), and the sites' coordinates (n_sites, 3).
    site_species
        Species that may sit on each site; ``""`` is a vacancy, fixed sites have one.
    states
        Charge of each species.
    """
    charges = np.zeros((len(site_species), max(len(species) for species in site_species)))
    for site, species in enumerate(site_species):
        charges[site, : len(species)] = [states.get(name, 0.0) for name in species]
    fixed = np.array([len(species) == 1 for species in site_species])
    return CoulombEnergies(pair_matrix_ev(lattice_ang, frac_coords), charges, fixed)
