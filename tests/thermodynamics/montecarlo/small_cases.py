"""Cases small enough to count all their states."""

import itertools

import numpy as np
from pymatgen.core import Lattice, Structure

from disolyte.systems import disordered_structure, get_system
from disolyte.units import BOLTZMANN_EV_PER_K


def rock_salt(cations=None):
    """Disordered rock salt of one formula unit, LiScO2 / 2."""
    cations = cations or {"Li+": 0.5, "Sc3+": 0.5}
    return Structure(
        Lattice(4.5 * np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])),
        [cations, {"O2-": 1.0}],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        site_properties={"sublattice": ["M", "O"]},
    )


def halide(formula="Li3InCl6", x=None):
    """A lithium halide, or one off the grid with both metals and one halogen."""
    system = get_system("liybc")
    if x is None:
        return disordered_structure(system, system.point(formula))
    disordered = disordered_structure(system, system.point("Li3In0.5Y0.5Br6"))
    disordered.replace_species({"Br-": "Cl-"})
    return disordered


def all_occupations(sites):
    """Every distribution of the species, shape (n_states, n_varying)."""
    per_sublattice = []
    labels = np.array([sites.sublattices[site % len(sites.allowed)] for site in sites.varying])
    for label in dict.fromkeys(block.sublattice for block in sites.blocks):
        where = np.flatnonzero(labels == label)
        blocks = [block for block in sites.blocks if block.sublattice == label]
        assert len(blocks) == 2
        first, second = (sites.species.index(block.species) for block in blocks)
        per_sublattice.append(
            [(where, chosen, first, second) for chosen in itertools.combinations(where, blocks[0].size)]
        )
    states = []
    for choice in itertools.product(*per_sublattice):
        row = np.empty(len(sites.varying), dtype=np.int8)
        for where, chosen, first, second in choice:
            row[where] = second
            row[list(chosen)] = first
        states.append(row)
    return np.array(states)


class Exact:
    """Boltzmann's distribution over all states of a small supercell."""

    def __init__(self, sites, energies, temperature_k):
        self.occupations = all_occupations(sites)
        self.energies_ev = np.asarray(energies.start(self.occupations))
        self.kt_ev = BOLTZMANN_EV_PER_K * temperature_k
        weights = np.exp(-(self.energies_ev - self.energies_ev.min()) / self.kt_ev)
        self.probabilities = weights / weights.sum()
        self.mean_ev = float(self.probabilities @ self.energies_ev)
        self.variance_ev2 = float(self.probabilities @ (self.energies_ev - self.mean_ev) ** 2)
        self._numbers = {row.tobytes(): number for number, row in enumerate(self.occupations)}

    def counts(self, occupations):
        """How often each state was visited."""
        numbers = [self._numbers[np.ascontiguousarray(row).tobytes()] for row in occupations]
        return np.bincount(numbers, minlength=len(self.occupations))
