"""Whole numbers of atoms from occupancies: exact, or rounded on request and reported."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from disolyte.enumeration.disorder import OCCUPANCY_NOISE
from disolyte.errors import CompositionError

MAX_SUGGESTED_CELLS = 64
"""Largest supercell, in cells, that an error message suggests."""


class Rounding(StrEnum):
    """What to do with an occupancy that the cell cannot hold."""

    REFUSE = "refuse"
    """Raise an error that names the nearest occupancies and the supercells that would do."""
    NEAREST = "nearest"
    """Take the nearest whole numbers of atoms, neutral ones where charges are known, and report every change."""


class OccupancyChange(NamedTuple):
    """An occupancy that differs from the given one."""

    sublattice: str
    species: str
    given: float
    realised: float

    def __str__(self) -> str:
        return f"{self.species or 'vacancy'} on {self.sublattice}: {self.given:.6g} → {self.realised:.6g}"


class Occupancies(NamedTuple):
    """Mean occupancies of a sublattice."""

    name: str
    species: tuple[str, ...]
    values: tuple[float, ...]
    n_sites: int


def print_tolerance(value: float) -> float:
    """Half a unit in the last decimal of a printed occupancy.

    0.333 stands for 1/3 and 0.917 for 11/12. With fewer than three decimals a value is taken as it is: 0.5 is 1/2.

    Examples
    --------
    >>> f"{print_tolerance(0.333):.2g}", f"{print_tolerance(0.5):.2g}", f"{print_tolerance(1 / 3):.2g}"
    ('0.0005', '1e-06', '1e-06')
    """
    for decimals in (1, 2, 3, 4, 5):
        if abs(value - round(value, decimals)) < 1e-9:
            return 0.5005 * 10.0**-decimals if decimals >= 3 else OCCUPANCY_NOISE
    return OCCUPANCY_NOISE


def realise_counts(entry: Occupancies, n_sites: int) -> tuple[int, ...] | None:
    """Numbers of atoms that occupancies mean on ``n_sites`` sites, or None if they are not whole numbers.

    Parameters
    ----------
    entry
        Species with the vacancy, if any, last.
    n_sites
        Number of sites.
    """
    counts = [round(value * n_sites) for value in entry.values]
    tolerances = [print_tolerance(value) for value in entry.values]
    if entry.species[-1] == "":
        counts[-1] = n_sites - sum(counts[:-1])
        tolerances[-1] = max(sum(tolerances[:-1]), tolerances[-1])
    pairs = zip(counts, entry.values, tolerances, strict=True)
    if sum(counts) != n_sites or any(n < 0 or abs(n / n_sites - x) > tolerance for n, x, tolerance in pairs):
        return None
    return tuple(counts)


def round_counts(entry: Occupancies) -> tuple[int, ...]:
    """Nearest whole numbers of atoms that add up to the number of sites (largest remainders)."""
    exact = [value * entry.n_sites for value in entry.values]
    counts = [int(x + OCCUPANCY_NOISE) for x in exact]
    by_remainder = sorted(range(len(exact)), key=lambda c: counts[c] - exact[c])
    for position in range(entry.n_sites - sum(counts)):
        counts[by_remainder[position % len(exact)]] += 1
    return tuple(counts)


def resolve_counts(
    sublattices: Sequence[Occupancies], n_cells: int, rounding: Rounding
) -> tuple[list[tuple[int, ...]], list[OccupancyChange]]:
    """Numbers of atoms of every species on every sublattice.

    Parameters
    ----------
    sublattices
        Occupancies of the sublattices of the supercell.
    n_cells
        Number of input cells in the supercell.
    rounding
        What to do with occupancies that are not whole numbers of atoms.

    Returns
    -------
    tuple
        The counts, and every occupancy that was changed by more than noise.

    Raises
    ------
    CompositionError
        If an occupancy cannot be realised and must not be rounded.
    """
    resolved: list[tuple[int, ...]] = []
    refused = []
    for entry in sublattices:
        counts = realise_counts(entry, entry.n_sites)
        if counts is None:
            refused.append(entry)
            counts = round_counts(entry)
        resolved.append(counts)
    if refused and rounding is Rounding.REFUSE:
        raise CompositionError(_refusal(sublattices, refused, n_cells))
    return resolved, find_changes(sublattices, resolved)


def find_changes(sublattices: Sequence[Occupancies], counts: Sequence[Sequence[int]]) -> list[OccupancyChange]:
    """Every occupancy that numbers of atoms change by more than noise.

    Parameters
    ----------
    sublattices
        Occupancies of the sublattices of a supercell.
    counts
        Numbers of atoms of every species on every sublattice.
    """
    return [
        OccupancyChange(entry.name, species, value, count / entry.n_sites)
        for entry, numbers in zip(sublattices, counts, strict=True)
        for species, value, count in zip(entry.species, entry.values, numbers, strict=True)
        if abs(count / entry.n_sites - value) > OCCUPANCY_NOISE
    ]


def _refusal(sublattices: Sequence[Occupancies], refused: Sequence[Occupancies], n_cells: int) -> str:
    lines = []
    for entry in refused:
        parts = []
        for species, value in zip(entry.species, entry.values, strict=True):
            exact = value * entry.n_sites
            low = int(exact + OCCUPANCY_NOISE)
            if species and abs(exact - round(exact)) > OCCUPANCY_NOISE:
                near = " or ".join(
                    f"{n / entry.n_sites:.6g} ({n}/{entry.n_sites})" for n in (low, min(low + 1, entry.n_sites))
                )
                parts.append(f"{species} {value:.6g} is {exact:.4g} atoms, nearest realisable {near}")
        lines.append(
            f"sublattice {entry.name} of {entry.n_sites} sites: " + "; ".join(parts or ["they do not add up to 1"])
        )
    return (
        "the cell cannot hold these occupancies: "
        + " | ".join(lines)
        + f". {_suggest_supercells(sublattices, n_cells)}, or ask for rounding='nearest' (--round), which is reported"
    )


def _suggest_supercells(sublattices: Sequence[Occupancies], n_cells: int) -> str:
    found: list[str] = []
    for factor in range(1, MAX_SUGGESTED_CELLS + 1):
        sizes = [entry.n_sites * factor // n_cells for entry in sublattices]
        if all(realise_counts(entry, size) for entry, size in zip(sublattices, sizes, strict=True)):
            found.append("×".join(map(str, compact_factors(factor))))
        if len(found) == 3:
            break
    if not found:
        return f"No supercell of up to {MAX_SUGGESTED_CELLS} input cells holds them: change the occupancies"
    return f"Supercells of the input cell that would do: {', '.join(found)} (or others of these sizes)"


def compact_factors(number: int) -> tuple[int, int, int]:
    """Three factors of a number, as alike as possible.

    Examples
    --------
    >>> compact_factors(12)
    (2, 2, 3)
    """
    triples = [
        (a, b, number // (a * b))
        for a in range(1, number + 1)
        if number % a == 0
        for b in range(a, number // a + 1)
        if (number // a) % b == 0 and number // (a * b) >= b
    ]
    return min(triples, key=lambda triple: triple[2] - triple[0])
