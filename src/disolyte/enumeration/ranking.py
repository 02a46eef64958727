"""The orderings of lowest energy among all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.chain import OrderingBlock
from disolyte.enumeration.ewald import CoulombEnergies

_BLOCK_ENTRIES = 2_000_000
"""Energies computed at once."""


@dataclass(eq=False)
class LowestKeeper:
    """Keeps the lowest ``n`` of a stream of orderings.

    Parameters
    ----------
    n
        Number of orderings to keep.
    """

    n: int
    threshold_ev: float = np.inf
    n_seen: int = 0
    _energies: list[NDArray[np.float64]] = field(default_factory=list)
    _rows: list[NDArray[np.int8]] = field(default_factory=list)
    _orders: list[NDArray[np.int64]] = field(default_factory=list)
    _held: int = 0

    def add(self, energies: NDArray[np.float64], rows: NDArray[np.int8], orders: NDArray[np.int64]) -> None:
        """Offer orderings that may be among the lowest."""
        self._energies.append(energies)
        self._rows.append(rows)
        self._orders.append(orders)
        self._held += len(energies)
        if self._held > 4 * self.n + 1024:
            self._prune()

    def _prune(self) -> None:
        energies, rows, orders = self.collect()
        self._energies, self._rows, self._orders, self._held = [energies], [rows], [orders], len(energies)
        if len(energies) == self.n:
            self.threshold_ev = float(energies[-1]) if self.n else -np.inf

    def collect(self) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
        """Energies, rows and orders of the stabilisers, by energy."""
        energies, rows, orders = (
            np.concatenate(self._energies),
            np.concatenate(self._rows),
            np.concatenate(self._orders),
        )
        chosen = np.argsort(energies, kind="stable")[: self.n]
        return energies[chosen], rows[chosen], orders[chosen]


def rank_blocks(
    blocks: Iterable[OrderingBlock], coulomb: CoulombEnergies, columns: NDArray[np.int64], keeper: LowestKeeper
) -> None:
    """Energies of all orderings of a chain, E(a, b) = E_a + E_b + aᵀ M b, the lowest kept.

    Parameters
    ----------
    blocks
        Products of heads and tails.
    coulomb
        Energies of the cell; fixed sites have species 0.
    columns
        Site of each column of the blocks, shape (n_columns,).
    keeper
        Takes the lowest.
    """
    known: dict[int, tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]] = {}
    for heads, tails, orders in blocks:
        split = heads.shape[1]
        head_sites, tail_sites = columns[:split], columns[split:]
        if id(tails) not in known:
            if len(known) > 64:
                known.clear()
            known[id(tails)] = (tails, *_part_energies(coulomb, tail_sites, tails))
        _, tail_charges, tail_energies = known[id(tails)]
        head_charges, head_energies = _part_energies(coulomb, head_sites, heads)
        head_energies += coulomb.fixed_energy_ev
        coupling = head_charges @ coulomb.matrix_ev[np.ix_(head_sites, tail_sites)]
        step = max(1, _BLOCK_ENTRIES // len(tails))
        for start in range(0, len(heads), step):
            energies = coupling[start : start + step] @ tail_charges.T
            energies += tail_energies
            energies += head_energies[start : start + step, None]
            keeper.n_seen += energies.size
            if keeper.threshold_ev == np.inf and energies.size > keeper.n:
                limit = np.partition(energies.ravel(), keeper.n)[keeper.n]
            else:
                limit = keeper.threshold_ev
            head, tail = np.nonzero(energies <= limit)
            rows = np.concatenate([heads[start + head], tails[tail]], axis=1)
            keeper.add(energies[head, tail], rows, orders[tail])


def _part_energies(
    coulomb: CoulombEnergies, sites: NDArray[np.int64], rows: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Charges on some of the sites, and their energy among themselves and with the fixed ions."""
    charges = coulomb.charges(sites, rows)
    energies = np.einsum("ni,ni->n", charges @ (0.5 * coulomb.matrix_ev[np.ix_(sites, sites)]), charges)
    return charges, energies + charges @ coulomb.fixed_field_ev[sites]
