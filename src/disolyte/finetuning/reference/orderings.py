"""Ordered cells drawn from disordered systems, from the electrostatically best to the random.

An ordering is drawn by Metropolis swaps of species within each pool of sites, with the Coulomb energy of the oxidation
states, at a temperature that is drawn anew each time. Cold draws are those that a ranking by Ewald energy finds, hot
ones are random; mobile ions never sit on sites that lie too close to each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Species, Structure

from disolyte.errors import StructureError
from disolyte.finetuning.reference.argyrodite import argyrodite
from disolyte.systems import DisorderedSystem, GridPoint, disordered_structure, get_system

CLOSEST_MOBILE_ANG: Final = 2.1
"""Sites of mobile ions nearer than this are never filled together."""

FEWEST_ATOMS: Final = 20
MOST_SITES: Final = 80
"""Cells are doubled until they hold at least so many atoms, and repeated only up to so many sites."""

COULOMB_KT_EV: Final = (0.3, 10.0)
"""Range of the temperature of the swaps; unscreened energies of formal charges are some ten times too large."""

_SWAPS_PER_SITE: Final = 30
_OVERLAP_EV: Final = 1000.0
_ATTEMPTS: Final = 50


class Orderings(Protocol):
    """What ordered cells are drawn from."""

    @property
    def n_kinds(self) -> int:
        """Number of kinds of cells; successive indices go through them in turn."""
        ...

    def draw(self, index: int, rng: np.random.Generator, repeat: tuple[int, int, int]) -> Atoms:
        """Cell number ``index``, of ``repeat`` units if that is not too large."""
        ...


class SystemOrderings:
    """Ordered cells of shipped systems, in turn, at random compositions of their grids.

    Parameters
    ----------
    keys
        Keys of the systems; one named twice is drawn twice as often. ``"argyrodite"`` is this recipe's own.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.systems = {key: argyrodite() if key == "argyrodite" else get_system(key) for key in dict.fromkeys(keys)}
        self._cells: dict[tuple[Any, ...], SiteCell] = {}

    @property
    def n_kinds(self) -> int:
        """Number of systems in a turn."""
        return len(self.keys)

    def draw(self, index: int, rng: np.random.Generator, repeat: tuple[int, int, int]) -> Atoms:
        """Ordering of the next system at a random composition and a random temperature of the swaps."""
        key = self.keys[index % len(self.keys)]
        points = self.systems[key].points()
        low, high = np.log(COULOMB_KT_EV)
        kt_ev = float(np.exp(rng.uniform(low, high)))
        return self.draw_at(key, points[rng.integers(len(points))], rng, kt_ev=kt_ev, repeat=repeat)

    def draw_at(
        self,
        key: str,
        point: GridPoint,
        rng: np.random.Generator,
        *,
        kt_ev: float,
        repeat: tuple[int, int, int] = (1, 1, 1),
        fewest_atoms: int = FEWEST_ATOMS,
    ) -> Atoms:
        """Ordering of one composition at a given temperature of the swaps."""
        wanted = (key, point.formula, repeat, fewest_atoms)
        if wanted not in self._cells:
            self._cells[wanted] = SiteCell.of(self.systems[key], point, repeat, fewest_atoms)
        atoms = self._cells[wanted].draw(rng, kt_ev)
        atoms.info |= {"system": key, "composition": point.formula}
        return atoms


@dataclass(frozen=True)
class SiteCell:
    """Sites of a disordered cell, what may sit on them, and their Coulomb matrix."""

    structure: Structure
    """Disordered, species with oxidation states, site property ``sublattice``."""
    mobile_ion: str
    """Element whose ions balance the charge."""
    coulomb_ev: NDArray[np.float64]
    """Energy of unit charges on two sites, shape (n_sites, n_sites); sites too near for two mobile ions stand out."""

    @classmethod
    def of(
        cls, system: DisorderedSystem, point: GridPoint, repeat: tuple[int, int, int], fewest_atoms: int
    ) -> SiteCell:
        """Primitive cell of one composition, repeated, and doubled along its shortest vector while it is too small."""
        structure = disordered_structure(system, point).get_primitive_structure(use_site_props=True)
        if len(structure) * np.prod(repeat) <= MOST_SITES:
            structure.make_supercell(repeat)
        while structure.composition.num_atoms < fewest_atoms - 0.5:
            shortest = int(np.argmin(structure.lattice.abc))
            structure.make_supercell([2 if axis == shortest else 1 for axis in range(3)])
        charged = Structure(structure.lattice, ["H+"] * len(structure), structure.frac_coords)
        coulomb_ev = np.array(EwaldSummation(charged).total_energy_matrix)
        mobile = np.array([system.mobile_ion in {entry.element.symbol for entry in site.species} for site in structure])
        near = structure.distance_matrix < CLOSEST_MOBILE_ANG
        np.fill_diagonal(near, val=False)
        coulomb_ev[near & mobile[:, None] & mobile[None, :]] += _OVERLAP_EV / 2
        return cls(structure, system.mobile_ion, coulomb_ev)

    @cached_property
    def pools(self) -> list[NDArray[np.int64]]:
        """Sites of each disordered sublattice."""
        labels = np.array(self.structure.site_properties["sublattice"])
        pools = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
        return [pool for pool in pools if not self.structure[int(pool[0])].is_ordered]

    def draw(self, rng: np.random.Generator, kt_ev: float) -> Atoms:
        """Ordering by Metropolis swaps at ``kt_ev``; its charges balance.

        Raises
        ------
        StructureError
            If no ordering is neutral and keeps mobile ions apart.
        """
        for _ in range(_ATTEMPTS):
            species = self._random_species(rng)
            charges = np.array([_charge(entry) for entry in species])
            if abs(charges.sum()) > 1e-6 or self._anneal(species, charges, rng, kt_ev) > _OVERLAP_EV / 2:
                continue
            filled = [i for i, entry in enumerate(species) if entry is not None]
            return Atoms(
                [species[i].element.symbol for i in filled],
                scaled_positions=self.structure.frac_coords[filled],
                cell=self.structure.lattice.matrix,
                pbc=True,
            )
        raise StructureError(
            f"no neutral ordering of {self.structure.formula} was found that keeps {self.mobile_ion} ions "
            f"{CLOSEST_MOBILE_ANG} Å apart; use a larger cell"
        )

    def _random_species(self, rng: np.random.Generator) -> list[Any]:
        """Species or vacancy (None) of each site: amounts rounded at random, then mobile ions balance the charge."""
        species: list[Any] = [next(iter(site.species)) for site in self.structure]
        mobile: list[tuple[int, Species]] = []
        for pool in self.pools:
            shares: dict[Any, float] = dict(self.structure[int(pool[0])].species.items())
            shares[None] = 1.0 - sum(shares.values())
            rounded = _round_at_random(np.array(list(shares.values())) * len(pool), rng)
            placed = [entry for entry, n in zip(shares, rounded, strict=True) for _ in range(n)]
            for site, k in zip(pool.tolist(), rng.permutation(len(pool)), strict=True):
                species[site] = placed[k]
            mobile += [
                (site, entry)
                for entry in shares
                if entry is not None and entry.element.symbol == self.mobile_ion
                for site in pool.tolist()
            ]
        self._balance(species, mobile, rng)
        return species

    def _balance(self, species: list[Any], mobile: list[tuple[int, Species]], rng: np.random.Generator) -> None:
        """Take mobile ions out of, or put them on, random sites of theirs, until the charges balance or sites end."""
        excess = sum(_charge(entry) for entry in species)
        for k in rng.permutation(len(mobile)):
            site, ion = mobile[k]
            if excess * ion.oxi_state > 1e-6 and species[site] == ion:
                species[site] = None
                excess -= ion.oxi_state
            elif excess * ion.oxi_state < -1e-6 and species[site] is None:
                species[site] = ion
                excess += ion.oxi_state

    def _anneal(
        self, species: list[Any], charges: NDArray[np.float64], rng: np.random.Generator, kt_ev: float
    ) -> float:
        """Metropolis swaps in place; returns the Coulomb energy at their end."""
        field = self.coulomb_ev @ charges
        n_swaps = _SWAPS_PER_SITE * sum(len(pool) for pool in self.pools)
        weights = np.array([len(pool) for pool in self.pools], dtype=float)
        for which in rng.choice(len(self.pools), n_swaps, p=weights / weights.sum()) if n_swaps else ():
            i, j = rng.choice(self.pools[which], 2, replace=False)
            if species[i] == species[j]:
                continue
            change = charges[j] - charges[i]
            stiffness = self.coulomb_ev[i, i] + self.coulomb_ev[j, j] - 2 * self.coulomb_ev[i, j]
            difference_ev = 2 * change * (field[i] - field[j]) + change**2 * stiffness
            if difference_ev <= 0 or rng.random() < np.exp(-difference_ev / kt_ev):
                species[i], species[j] = species[j], species[i]
                charges[i], charges[j] = charges[j], charges[i]
                field += change * (self.coulomb_ev[:, i] - self.coulomb_ev[:, j])
        return float(charges @ field)


def _charge(species: Any) -> float:
    return 0.0 if species is None else float(species.oxi_state)


def _round_at_random(amounts: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Whole numbers of the same sum, each the one below or above its amount."""
    below = np.floor(amounts + 1e-9)
    remainders = np.clip(amounts - below, 0.0, None)
    n_up = round(float(remainders.sum()))
    if n_up:
        up = rng.choice(len(amounts), n_up, replace=False, p=remainders / remainders.sum())
        below[up] += 1
    return below.astype(np.int64)
