"""Electrostatic energies of many orderings of one cell at once.

E = ½ qᵀ M q, with one matrix M per cell, as :func:`disolyte.electrostatics.pair_matrix_ev` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from disolyte.electrostatics import pair_matrix_ev


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
