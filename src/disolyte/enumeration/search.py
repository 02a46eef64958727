"""Orderings of low Coulomb energy in spaces too large to look at all of them.

Replicas are annealed by swaps of two ions of a sublattice, ΔE = d(φ_a − φ_b) + d²(M_aa + M_bb)/2 − d² M_ab with
d = q_b − q_a; then all orderings that one swap makes of the lowest are looked at, until nothing new comes up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.compiled import compiled
from disolyte.enumeration.ewald import CoulombEnergies
from disolyte.enumeration.pool import DistinctPool
from disolyte.enumeration.problem import ColouringProblem, Weighting

N_REPLICAS = 64
N_STAGES = 48
ATTEMPTS_PER_COLUMN = 50
"""Swaps tried per stage and replica, for each column."""
COLDEST = 0.002
"""Last temperature over the first one."""
MAX_ROUNDS = 12
"""Rounds of annealing from new random orderings, at most."""
MAX_ATTEMPTS = 60_000_000
"""Swaps tried in all, at most: large cells get fewer rounds."""
QUIET_ROUNDS = 3
"""The search ends after so many rounds that bring nothing new among the lowest."""
MARGIN = 200
"""Orderings kept beyond those asked for, at least."""
_EXPANDED_AT_ONCE = 250
_MAX_EXPANSIONS = 400
_NEIGHBOUR_CAPACITY = 400_000
_SAME_EV = 1e-7


def search_lowest(
    problem: ColouringProblem, coulomb: CoulombEnergies, columns: NDArray[np.int64], n: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.int64]]:
    """Distinct orderings of low energy: rows, energies in eV, orders of the stabilisers.

    Parameters
    ----------
    problem
        The space of orderings.
    coulomb
        Energies of the cell.
    columns
        Site of each column of the problem's rows, shape (n_columns,).
    n
        Number of orderings wanted.
    seed
        Seed.
    """
    landscape = _Landscape(problem, coulomb, columns)
    # More are kept than are asked for: some low orderings are reached only by way of higher ones.
    pool = DistinctPool(problem, n + max(MARGIN, n // 2))
    rng = np.random.default_rng(seed)
    expanded: set[bytes] = set()
    quiet = 0
    per_round = N_REPLICAS * N_STAGES * ATTEMPTS_PER_COLUMN * len(columns)
    for _ in range(min(MAX_ROUNDS, max(2, MAX_ATTEMPTS // per_round))):
        before = {row.tobytes() for row in pool.lowest()[0][:n]}
        _anneal_round(landscape, pool, rng)
        _expand(landscape, pool, expanded)
        new = {row.tobytes() for row in pool.lowest()[0][:n]} - before
        quiet = 0 if new else quiet + 1
        if quiet == QUIET_ROUNDS:
            break
    while pool.size < n:  # more than the swaps have reached
        rows = problem.draw_with_repetition(n, int(rng.integers(2**63)), Weighting.DEGENERACY)
        pool.add(rows, landscape.energies_ev(rows))
    rows, _, orders = pool.lowest()
    return rows[:n], landscape.energies_ev(rows[:n]), orders[:n]


def _anneal_round(landscape: _Landscape, pool: DistinctPool, rng: np.random.Generator) -> None:
    """Anneal replicas from random orderings; what they hold and their best go to the pool at every temperature."""
    rows = pool.problem.draw_with_repetition(N_REPLICAS, int(rng.integers(2**63)), Weighting.DEGENERACY)
    state = rng.integers(1, 2**63, size=N_REPLICAS, dtype=np.uint64)
    n_attempts = ATTEMPTS_PER_COLUMN * len(landscape.columns)
    hottest = landscape.typical_change_ev(rows)
    for temperature in hottest * np.geomspace(1, COLDEST, N_STAGES):
        rows, best = landscape.anneal(rows, temperature, n_attempts, state)
        for found in (rows, best):
            pool.add(found, landscape.energies_ev(found))


def _expand(landscape: _Landscape, pool: DistinctPool, expanded: set[bytes]) -> None:
    """Look at all swaps of the lowest orderings until nothing new comes up."""
    for _ in range(_MAX_EXPANSIONS):
        lowest, energies, _ = pool.lowest()
        fresh = [k for k, row in enumerate(lowest) if row.tobytes() not in expanded][:_EXPANDED_AT_ONCE]
        if not fresh:
            break
        expanded.update(lowest[k].tobytes() for k in fresh)
        pool.add(*landscape.neighbours(lowest[fresh], energies[fresh], pool.limit_ev()))


class _Landscape:
    """Energies and swaps of the rows of a problem."""

    def __init__(self, problem: ColouringProblem, coulomb: CoulombEnergies, columns: NDArray[np.int64]) -> None:
        self.columns = columns
        self.coulomb = coulomb
        self.matrix = np.ascontiguousarray(coulomb.matrix_ev[np.ix_(columns, columns)])
        self.field = coulomb.fixed_field_ev[columns]
        ends = np.cumsum(problem.widths)
        self.start = np.repeat(ends - problem.widths, problem.widths).astype(np.int64)
        self.width = np.repeat(problem.widths, problem.widths).astype(np.int64)

    def charges(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        return self.coulomb.charges(self.columns, rows)

    def energies_ev(self, rows: NDArray[np.int8]) -> NDArray[np.float64]:
        charges = self.charges(rows)
        inner = np.einsum("ni,ni->n", charges @ (0.5 * self.matrix) + self.field, charges)
        return inner + self.coulomb.fixed_energy_ev

    def typical_change_ev(self, rows: NDArray[np.int8]) -> float:
        """Spread of the energies of random orderings per swapped pair."""
        spread = float(np.std(self.energies_ev(rows)))
        return max(2 * spread / np.sqrt(len(self.columns)), 1e-3)

    def anneal(
        self, rows: NDArray[np.int8], temperature_ev: float, n_attempts: int, state: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Rows after ``n_attempts`` swaps at one temperature, and the best row of each replica."""
        rows = rows.copy()
        best = rows.copy()
        charges = self.charges(rows)
        potential = charges @ self.matrix + self.field
        _anneal(rows, best, charges, potential, self.matrix, self.start, self.width, temperature_ev, n_attempts, state)
        return rows, best

    def neighbours(
        self, rows: NDArray[np.int8], energies: NDArray[np.float64], limit_ev: float
    ) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """All rows that one swap makes of the given ones, below a limit, and their energies."""
        charges = self.charges(rows)
        potential = charges @ self.matrix + self.field
        swaps = np.empty((_NEIGHBOUR_CAPACITY, 3), dtype=np.int64)
        changes = np.empty(_NEIGHBOUR_CAPACITY)
        bounds = limit_ev - energies - _SAME_EV
        n_found = _neighbours(rows, charges, potential, self.matrix, self.start, self.width, bounds, swaps, changes)
        which, first, second = swaps[:n_found].T
        new = rows[which]
        new[np.arange(n_found), first] = rows[which, second]
        new[np.arange(n_found), second] = rows[which, first]
        return new, energies[which] + changes[:n_found]


_SHIFT_13, _SHIFT_7, _SHIFT_17, _SHIFT_11 = (np.uint64(k) for k in (13, 7, 17, 11))
_UNIT = 1.0 / 2**53


@compiled
def _anneal(  # type: ignore[no-untyped-def]
    rows, best, charges, potential, matrix, start, width, temperature, n_attempts, state
) -> Any:
    n_columns = rows.shape[1]
    for replica in range(rows.shape[0]):
        random = state[replica]
        energy = 0.0
        lowest = 0.0
        for _ in range(n_attempts):
            # xorshift64 (Marsaglia 2003): one draw for the first site, one for the second, one for acceptance.
            random ^= random << _SHIFT_13
            random ^= random >> _SHIFT_7
            random ^= random << _SHIFT_17
            a = int((random >> _SHIFT_11) * _UNIT * n_columns)
            random ^= random << _SHIFT_13
            random ^= random >> _SHIFT_7
            random ^= random << _SHIFT_17
            b = start[a] + int((random >> _SHIFT_11) * _UNIT * width[a])
            d = charges[replica, b] - charges[replica, a]
            if d == 0.0:
                continue
            change = d * (potential[replica, a] - potential[replica, b])
            change += d * d * (0.5 * (matrix[a, a] + matrix[b, b]) - matrix[a, b])
            if change > 0.0:
                random ^= random << _SHIFT_13
                random ^= random >> _SHIFT_7
                random ^= random << _SHIFT_17
                if (random >> _SHIFT_11) * _UNIT >= np.exp(-change / temperature):
                    continue
            for column in range(n_columns):
                potential[replica, column] += d * (matrix[a, column] - matrix[b, column])
            charges[replica, a], charges[replica, b] = charges[replica, b], charges[replica, a]
            rows[replica, a], rows[replica, b] = rows[replica, b], rows[replica, a]
            energy += change
            if energy < lowest - 1e-9:
                lowest = energy
                for column in range(n_columns):
                    best[replica, column] = rows[replica, column]
        state[replica] = random


@compiled
def _neighbours(  # type: ignore[no-untyped-def]
    rows, charges, potential, matrix, start, width, bounds, swaps, changes
) -> Any:
    n_found = 0
    for row in range(rows.shape[0]):
        for a in range(rows.shape[1]):
            for b in range(a + 1, start[a] + width[a]):
                d = charges[row, b] - charges[row, a]
                if d == 0.0 or n_found == swaps.shape[0]:
                    continue
                change = d * (potential[row, a] - potential[row, b])
                change += d * d * (0.5 * (matrix[a, a] + matrix[b, b]) - matrix[a, b])
                if change < bounds[row]:
                    swaps[n_found, 0] = row
                    swaps[n_found, 1] = a
                    swaps[n_found, 2] = b
                    changes[n_found] = change
                    n_found += 1
    return n_found
