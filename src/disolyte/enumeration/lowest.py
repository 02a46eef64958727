"""The lowest orderings by Coulomb energy or by any function, by looking at all or by a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.ewald import CoulombEnergies
from disolyte.enumeration.isovalent import IsovalentReduction
from disolyte.enumeration.problem import ColouringProblem, Weighting
from disolyte.enumeration.ranking import LowestKeeper, rank_blocks
from disolyte.errors import InputError

EnergyFunction = Callable[[NDArray[np.int8]], NDArray[np.float64]]
"""Energies in eV, shape (n,), of a batch of occupations, shape (n, n_sites)."""

EXHAUSTIVE_LIMIT = 20_000_000
"""Largest number of distinct orderings that are all looked at."""

EXHAUSTIVE_FUNCTION_LIMIT = 200_000
"""The same for energies that come from a function, which is slower as a rule."""

_N_REPLICAS = 128
_N_STEPS = 400


class LowestRows(NamedTuple):
    """Distinct orderings by energy."""

    rows: NDArray[np.int8]
    """Rows of the problem, shape (n, n_columns)."""
    energies_ev: NDArray[np.float64]
    """Ascending, shape (n,)."""
    stabiliser_orders: NDArray[np.int64]
    """Shape (n,)."""
    exhaustive: bool
    """Whether all orderings were looked at."""


def lowest_by_coulomb(
    problem: ColouringProblem,
    reduction: IsovalentReduction,
    coulomb: CoulombEnergies,
    columns: NDArray[np.int64],
    n: int,
    seed: int,
    limit: int,
) -> LowestRows:
    """The orderings of lowest Coulomb energy.

    Parameters
    ----------
    problem
        All orderings.
    reduction
        The same, with species of equal charge merged.
    coulomb
        Energies of the cell.
    columns
        Site of each column of the problem's rows.
    n
        Number of orderings; all if there are fewer.
    seed
        Seed of the search and of ties.
    limit
        Largest number of (charge) orderings that are all looked at, unless more are wanted.
    """
    if reduction.is_trivial:
        rows, energies, orders, exhaustive = _lowest_charges(problem, coulomb, columns, n, seed, limit)
        return LowestRows(rows, energies, orders, exhaustive)
    merged = reduction.coulomb(coulomb)
    if reduction.problem is None:
        rows = np.zeros((1, 0), dtype=np.int8)
        energies, exhaustive = np.array([merged.fixed_energy_ev]), True
    else:
        rows, energies, _, exhaustive = _lowest_charges(reduction.problem, merged, reduction.columns(), n, seed, limit)
    parts, energies = reduction.refine(rows, energies, n, seed)
    rows, orders = problem.canonicalise(np.concatenate([parts[index] for index in problem.sequence], axis=1))
    return LowestRows(rows, energies, orders, exhaustive)


def _lowest_charges(
    problem: ColouringProblem, coulomb: CoulombEnergies, columns: NDArray[np.int64], n: int, seed: int, limit: int
) -> LowestRows:
    if problem.n_distinct <= max(limit, n):
        keeper = LowestKeeper(n, seed)
        rank_blocks(problem.iter_blocks(65536), coulomb, columns, keeper)
        energies, rows, orders = keeper.collect()
        return LowestRows(rows, energies, orders, exhaustive=True)
    from disolyte.enumeration.search import search_lowest

    rows, energies, orders = search_lowest(problem, coulomb, columns, n, seed)
    return LowestRows(rows, energies, orders, exhaustive=False)


def lowest_by_function(problem: ColouringProblem, energy: EnergyFunction, n: int, seed: int, limit: int) -> LowestRows:
    """The orderings of lowest energy by a function of a batch of the problem's rows.

    Parameters
    ----------
    problem
        All orderings.
    energy
        Energies in eV of rows of the problem.
    n
        Number of orderings; all if there are fewer.
    seed
        Seed of the search and of ties.
    limit
        Largest number of orderings that are all looked at, unless more are wanted.

    Raises
    ------
    InputError
        If the function does not return one finite number per row.
    """
    keeper = LowestKeeper(n, seed)
    if problem.n_distinct <= max(limit, n):
        for rows, orders in problem.iter_rows(8192):
            energies = _checked(energy, rows)
            where, keys = keeper.candidates(energies)
            keeper.add(keys, energies[where], rows[where], orders[where])
        energies, rows, orders = keeper.collect()
        return LowestRows(rows, energies, orders, exhaustive=True)
    rows, energies, orders = _search_by_function(problem, energy, n, seed)
    return LowestRows(rows, energies, orders, exhaustive=False)


def _search_by_function(
    problem: ColouringProblem, energy: EnergyFunction, n: int, seed: int
) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.int64]]:
    """Annealing of replicas side by side, one swap each per call of the function."""
    from disolyte.enumeration.pool import DistinctPool

    rng = np.random.default_rng(seed)
    pool = DistinctPool(problem, n)
    rows = problem.draw_with_repetition(max(_N_REPLICAS, n), seed, Weighting.DEGENERACY)
    energies = _checked(energy, rows)
    pool.add(rows, energies)
    chosen = np.argsort(energies, kind="stable")[:_N_REPLICAS]
    hottest = max(2 * float(np.std(energies)) / np.sqrt(rows.shape[1]), 1e-6)
    rows, energies = rows[chosen], energies[chosen]
    ends = np.repeat(np.cumsum(problem.widths), problem.widths)
    widths = np.repeat(problem.widths, problem.widths)
    replicas = np.arange(len(rows))
    for temperature in hottest * np.geomspace(1, 2e-3, _N_STEPS):
        first = rng.integers(rows.shape[1], size=len(rows))
        second = ends[first] - 1 - rng.integers(widths[first])
        trial = rows.copy()
        trial[replicas, first], trial[replicas, second] = rows[replicas, second], rows[replicas, first]
        new = _checked(energy, trial)
        pool.add(trial, new)
        accepted = rng.random(len(rows)) < np.exp(np.minimum(0, (energies - new) / temperature))
        rows[accepted], energies[accepted] = trial[accepted], new[accepted]
    while pool.size < n:
        rows = problem.draw_with_repetition(n, int(rng.integers(2**63)), Weighting.DEGENERACY)
        pool.add(rows, _checked(energy, rows))
    return pool.lowest()


def _checked(energy: EnergyFunction, rows: NDArray[np.int8]) -> NDArray[np.float64]:
    energies = np.asarray(energy(rows), dtype=float)
    if energies.shape != (len(rows),) or not np.all(np.isfinite(energies)):
        raise InputError(
            f"the energy function returned shape {energies.shape} with {np.sum(~np.isfinite(energies))} non-finite "
            f"values for {len(rows)} orderings; it must return one finite energy in eV for each"
        )
    return energies
