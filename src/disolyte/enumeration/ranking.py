"""The orderings of lowest energy among all of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.chain import OrderingBlock
from disolyte.enumeration.ewald import CoulombEnergies

_BLOCK_ENTRIES = 500_000
"""Energies computed at once; they stay in the processor's cache."""

_TIE_NOISE_EV = 1e-7
"""Orderings whose energies differ by less are taken in random order, so that ties are broken without bias."""


class LowestKeeper:
    """Keeps the lowest ``n`` of a stream of orderings; ties at the end are broken at random.

    Parameters
    ----------
    n
        Number of orderings to keep.
    seed
        Seed of the ties.
    """

    def __init__(self, n: int, seed: int) -> None:
        self.n = n
        self.limit_ev = np.inf
        self._rng = np.random.default_rng(seed)
        self._parts: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]] = []
        self._held = 0

    def candidates(self, energies: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Positions of the energies that may be among the lowest, and the keys they are sorted by."""
        if self.limit_ev == np.inf and len(energies) > self.n:
            self.limit_ev = float(np.partition(energies, self.n - 1)[self.n - 1]) + 2 * _TIE_NOISE_EV
        where = np.flatnonzero(energies <= self.limit_ev)
        keys = energies[where] + _TIE_NOISE_EV * self._rng.random(len(where))
        kept = keys <= self.limit_ev
        return where[kept], keys[kept]

    def add(
        self,
        keys: NDArray[np.float64],
        energies: NDArray[np.float64],
        rows: NDArray[np.int8],
        orders: NDArray[np.int64],
    ) -> None:
        """Take in orderings that :meth:`candidates` let through."""
        self._parts.append((keys, energies, rows, orders))
        self._held += len(keys)
        if self._held > 2 * self.n + 1024:
            self._prune()

    def _prune(self) -> None:
        keys, energies, rows, orders = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        if len(keys) > self.n:
            chosen = np.argpartition(keys, self.n - 1)[: self.n]
            keys, energies, rows, orders = keys[chosen], energies[chosen], rows[chosen], orders[chosen]
            self.limit_ev = float(keys.max())
        self._parts, self._held = [(keys, energies, rows, orders)], len(keys)

    def collect(self) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int64]]:
        """Energies, rows and third column of the lowest, by energy."""
        self._prune()
        _, energies, rows, orders = self._parts[0]
        chosen = np.argsort(energies, kind="stable")
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
        Energies of the cell.
    columns
        Site of each column of the blocks, shape (n_columns,).
    keeper
        Takes the lowest.
    """
    known: dict[int, tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float64]]] = {}
    for heads, tails, orders in blocks:
        head_sites, tail_sites = columns[: heads.shape[1]], columns[heads.shape[1] :]
        if id(tails) not in known:
            if len(known) > 16:
                known.clear()
            # The tails are held along with their energies, so that their id stays theirs.
            known[id(tails)] = (tails, *_part_energies(coulomb, tail_sites, tails))
        _, tail_charges, tail_energies = known[id(tails)]
        head_charges, head_energies = _part_energies(coulomb, head_sites, heads)
        # One product gives all three terms: the energies ride along as two more columns.
        left = np.column_stack(
            [
                head_charges @ coulomb.matrix_ev[np.ix_(head_sites, tail_sites)],
                head_energies + coulomb.fixed_energy_ev,
                np.ones(len(heads)),
            ]
        )
        right = np.column_stack([tail_charges, np.ones(len(tails)), tail_energies]).T
        step = max(1, _BLOCK_ENTRIES // len(tails))
        for start in range(0, len(heads), step):
            energies = (left[start : start + step] @ right).ravel()
            where, keys = keeper.candidates(energies)
            if len(where):
                head, tail = np.divmod(where, len(tails))
                rows = np.concatenate([heads[start + head], tails[tail]], axis=1)
                keeper.add(keys, energies[where], rows, orders[tail])


def _part_energies(
    coulomb: CoulombEnergies, sites: NDArray[np.int64], rows: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Charges on some of the sites, and their energy among themselves and with the fixed ions."""
    charges = coulomb.charges(sites, rows)
    energies = np.einsum("ni,ni->n", charges @ (0.5 * coulomb.matrix_ev[np.ix_(sites, sites)]), charges)
    return charges, energies + charges @ coulomb.fixed_field_ev[sites]
