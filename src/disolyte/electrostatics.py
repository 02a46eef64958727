"""Electrostatic energy of point charges in a periodic cell, as one matrix of the sites.

E = ½ qᵀ M q: the Ewald sums of unit point charges, with the term of a neutralising background, so that charged cells
have the energy that pymatgen's ``EwaldSummation`` gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import constants
from scipy.special import erfc

COULOMB_EV_ANG: Final = constants.e / (4 * np.pi * constants.epsilon_0) * 1e10
"""e²/(4πε₀), eV Å."""

_SHARPNESS: Final = 5.7
"""Argument at which erfc(x) and exp(-x²) count as zero; the neglected terms are below 1e-13."""


def pair_matrix_ev(
    lattice_ang: NDArray[np.float64], frac_coords: NDArray[np.float64], rows: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Matrix of the electrostatic energy, E = ½ qᵀ M q with charges in units of e.

    Parameters
    ----------
    lattice_ang
        Lattice vectors as rows, shape (3, 3).
    frac_coords
        Fractional coordinates of all sites, shape (n, 3).
    rows
        Sites whose rows are wanted; all if not given. Those of one cell are enough for a supercell.

    Returns
    -------
    ndarray, shape (n_rows, n)
        Rows of a symmetric matrix, eV. The diagonal is the energy of a charge with its own images and with the
        background.
    """
    chosen = np.arange(len(frac_coords)) if rows is None else np.asarray(rows, dtype=np.int64)
    volume = abs(np.linalg.det(lattice_ang))
    cutoff = volume ** (1 / 3)
    alpha = _SHARPNESS / cutoff
    difference = frac_coords[chosen, None, :] - frac_coords[None, :, :]
    difference -= np.round(difference)
    matrix = _real_space(lattice_ang, difference, alpha, cutoff)
    matrix += _reciprocal_space(lattice_ang, frac_coords, chosen, alpha, volume)
    matrix -= np.pi / (volume * alpha**2)
    matrix[np.arange(len(chosen)), chosen] -= 2 * alpha / np.sqrt(np.pi)
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
    lattice: NDArray[np.float64],
    frac_coords: NDArray[np.float64],
    rows: NDArray[np.int64],
    alpha: float,
    volume: float,
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
    return 8 * np.pi / volume * (waves[rows] @ waves.T)
