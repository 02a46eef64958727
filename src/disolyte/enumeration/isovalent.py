"""Species of equal charge on a sublattice: one colour for the Coulomb energy, told apart afterwards.

Br⁻ and Cl⁻, or In³⁺ and Y³⁺, do not change a point-charge energy by changing places. So the charges are ordered first,
in a space that is smaller by many orders of magnitude, and each charge ordering is then refined into the orderings of
the species, which all have its energy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.batches import TIE_EV
from disolyte.enumeration.cell import Sublattice
from disolyte.enumeration.ewald import CoulombEnergies
from disolyte.enumeration.problem import ColouringProblem, Weighting


@dataclass(frozen=True, eq=False)
class ChargeColours:
    """Distinct charges on one sublattice.

    Parameters
    ----------
    charges
        The distinct charges, in elementary charges.
    colour_of_species
        Index into ``charges`` of each species.
    counts
        Number of sites of each charge.
    """

    charges: tuple[float, ...]
    colour_of_species: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def is_ordered(self) -> bool:
        """Whether all sites hold the same charge."""
        return sum(count > 0 for count in self.counts) == 1


def merge_charges(sublattice: Sublattice, states: Mapping[str, float]) -> ChargeColours:
    """Charges on a sublattice; vacancies have none."""
    # Species of which rounding left none have no charge, and need none.
    values = [states.get(name, 0.0) for name in sublattice.species]
    charges = tuple(sorted(set(values)))
    colours = tuple(charges.index(value) for value in values)
    counts = [0] * len(charges)
    for colour, count in zip(colours, sublattice.counts, strict=True):
        counts[colour] += count
    return ChargeColours(charges, colours, tuple(counts))


class IsovalentReduction:
    """Orderings of the charges of a cell, and of the species behind them.

    Parameters
    ----------
    sublattices
        The disordered sublattices.
    tables
        For each sublattice the permutations of its own sites, shape (order, m_s).
    states
        Charge of each species.
    """

    def __init__(
        self, sublattices: Sequence[Sublattice], tables: Sequence[NDArray[np.int32]], states: Mapping[str, float]
    ) -> None:
        self.sublattices = list(sublattices)
        self.tables = list(tables)
        self.colours = [merge_charges(sublattice, states) for sublattice in sublattices]
        self.varying = [index for index, entry in enumerate(self.colours) if not entry.is_ordered]
        self.problem = (
            ColouringProblem([tables[i] for i in self.varying], [self.colours[i].counts for i in self.varying])
            if self.varying
            else None
        )

    @property
    def is_trivial(self) -> bool:
        """Whether every charge on every sublattice belongs to one species."""
        return all(
            len(self._species_of(index, colour)) <= 1
            for index, entry in enumerate(self.colours)
            for colour in range(len(entry.charges))
        )

    def columns(self) -> NDArray[np.int64]:
        """Site of each column of the rows of :attr:`problem`."""
        if self.problem is None:
            return np.zeros(0, dtype=np.int64)
        return np.concatenate([self.sublattices[self.varying[index]].sites for index in self.problem.sequence])

    def coulomb(self, full: CoulombEnergies) -> CoulombEnergies:
        """Energies of the charge orderings."""
        width = max(full.site_charges.shape[1], *(len(entry.charges) for entry in self.colours))
        charges = np.zeros((len(full.site_charges), width))
        charges[:, 0] = full.site_charges[:, 0]
        fixed = np.ones(len(charges), dtype=bool)
        for sublattice, entry in zip(self.sublattices, self.colours, strict=True):
            if entry.is_ordered:
                charges[sublattice.sites, 0] = entry.charges[int(np.argmax(entry.counts))]
            else:
                charges[sublattice.sites, : len(entry.charges)] = entry.charges
                fixed[sublattice.sites] = False
        return CoulombEnergies(full.matrix_ev, charges, fixed)

    def refine(
        self, rows: NDArray[np.int8], energies: NDArray[np.float64], n: int, seed: int
    ) -> tuple[list[NDArray[np.int8]], NDArray[np.float64]]:
        """Orderings of the species behind charge orderings, from the lowest energy up.

        Where only some of the orderings of one energy are wanted, they are drawn at random, each with the same
        probability.

        Parameters
        ----------
        rows
            Distinct charge orderings by energy, columns as in :meth:`columns`, shape (n_rows, n_columns).
        energies
            Their energies, shape (n_rows,).
        n
            Number of orderings wanted.
        seed
            Seed.

        Returns
        -------
        tuple
            For each sublattice the species indices, shape (n, m_s); and the energies, shape (n,).
        """
        rng = np.random.default_rng(seed)
        parts: list[list[NDArray[np.int8]]] = []
        values: list[float] = []
        start = 0
        while start < len(rows) and len(values) < n:
            stop = start + int(np.searchsorted(energies[start:] - energies[start], TIE_EV, side="right"))
            group = [Refinement(self, row) for row in rows[start:stop]]
            for member, wanted in enumerate(_share(n - len(values), [entry.n_distinct for entry in group], rng)):
                if wanted:
                    parts.append(group[member].draw(wanted, int(rng.integers(2**63))))
                    values += [float(energies[start + member])] * wanted
            start = stop
        joined = [np.concatenate([part[index] for part in parts]) for index in range(len(self.sublattices))]
        return joined, np.array(values)

    def _species_of(self, index: int, colour: int) -> list[int]:
        """Species present on a sublattice with a given charge."""
        entry, counts = self.colours[index], self.sublattices[index].counts
        return [s for s, other in enumerate(entry.colour_of_species) if other == colour and counts[s]]

    def spread(self, row: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Colour of every site of each sublattice, from a row of :attr:`problem`."""
        colours = [
            np.full(len(s.sites), np.argmax(e.counts), dtype=np.int8)
            for s, e in zip(self.sublattices, self.colours, strict=True)
        ]
        start = 0
        for index in self.problem.sequence if self.problem else []:
            sublattice = self.varying[index]
            width = len(self.sublattices[sublattice].sites)
            colours[sublattice] = row[start : start + width]
            start += width
        return colours


class Refinement:
    """Orderings of the species behind one charge ordering, distinct under its stabiliser.

    Parameters
    ----------
    reduction
        The reduction it belongs to.
    row
        The charge ordering.
    """

    def __init__(self, reduction: IsovalentReduction, row: NDArray[np.int8]) -> None:
        self.colours = reduction.spread(row)
        self.reduction = reduction
        keeps = np.ones(len(reduction.tables[0]), dtype=bool)
        for table, colours in zip(reduction.tables, self.colours, strict=True):
            keeps &= np.all(colours[table] == colours, axis=1)
        self.parts: list[tuple[int, NDArray[np.int64], list[int]]] = []
        tables, counts = [], []
        for index, colours in enumerate(self.colours):
            for colour in range(len(reduction.colours[index].charges)):
                species = reduction._species_of(index, colour)
                if len(species) > 1:
                    sites = np.flatnonzero(colours == colour)
                    local = np.zeros(len(colours), dtype=np.int32)
                    local[sites] = np.arange(len(sites), dtype=np.int32)
                    tables.append(local[reduction.tables[index][keeps][:, sites]])
                    counts.append([reduction.sublattices[index].counts[s] for s in species])
                    self.parts.append((index, sites, species))
        self.problem = ColouringProblem(tables, counts) if tables else None

    @property
    def n_distinct(self) -> int:
        """Number of distinct orderings."""
        return self.problem.n_distinct if self.problem else 1

    def draw(self, n: int, seed: int) -> list[NDArray[np.int8]]:
        """Random distinct orderings: species index on each sublattice, shapes (n, m_s)."""
        rows = []
        for index, colours in enumerate(self.colours):
            # Where a charge belongs to one species only, the colour tells the species.
            first = [
                (self.reduction._species_of(index, c) or [0])[0]
                for c in range(len(self.reduction.colours[index].charges))
            ]
            rows.append(np.tile(np.array(first, dtype=np.int8)[colours], (n, 1)))
        if self.problem is not None:
            drawn, _ = self.problem.draw(n, seed, Weighting.UNIFORM)
            start = 0
            for position in self.problem.sequence:
                index, sites, species = self.parts[position]
                rows[index][:, sites] = np.array(species, dtype=np.int8)[drawn[:, start : start + len(sites)]]
                start += len(sites)
        return rows


def _share(wanted: int, available: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Numbers to take of each, at random in proportion to what there is, ``wanted`` in all if there are as many."""
    total = sum(available)
    if total <= wanted:
        return list(available)
    taken = rng.multinomial(wanted, [count / total for count in available])
    shares = [min(int(k), count) for k, count in zip(taken, available, strict=True)]
    for index, count in enumerate(available):
        shares[index] += min(wanted - sum(shares), count - shares[index])
    return shares
