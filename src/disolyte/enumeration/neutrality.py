"""Roundings that leave a cell neutral."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil, floor

from disolyte.enumeration.cell import DisorderedCell
from disolyte.enumeration.composition import Occupancies, find_changes, realise_counts
from disolyte.enumeration.oxidation import CHARGE_TOLERANCE_E, charges_of_species
from disolyte.errors import CompositionError

_Counts = tuple[int, ...]


def neutralise(cell: DisorderedCell, given: Mapping[str, float]) -> DisorderedCell:
    """Cell whose occupancies are rounded to a neutral composition.

    Each occupancy that the cell cannot hold goes to the whole number of atoms below or above it; of the neutral
    combinations the one that changes the fewest sites is taken. Where oxidation states cannot be told, the cell is left
    as it is.

    Parameters
    ----------
    cell
        A cell with rounded occupancies.
    given
        Charges by species or element, of those that do not state theirs.

    Raises
    ------
    CompositionError
        If every such rounding leaves a larger charge than the occupancies themselves have. With guessed states the
        cell is left as it is.
    """
    states = charges_of_species(cell.amounts(), given)
    if states is None:
        return cell
    charges = {"": 0.0, **states.values}
    excess_e = sum(charges[name] * amount for name, amount in cell.amounts().items())
    if abs(excess_e) <= CHARGE_TOLERANCE_E:
        return cell
    fixed_e = excess_e - sum(_charge(entry.species, entry.counts, charges) for entry in cell.sublattices)
    counts, left_e = _least_charged(cell.occupancies, charges, fixed_e)
    given_e = fixed_e + sum(entry.n_sites * _charge(entry.species, entry.values, charges) for entry in cell.occupancies)
    if abs(left_e) > abs(given_e) + CHARGE_TOLERANCE_E:
        if states.source == "guessed":
            return cell
        raise CompositionError(
            f"no rounding of these occupancies to the atoms below or above leaves the cell neutral: the least charge "
            f"is {left_e:+.4g} e per cell, that of the occupancies {given_e:+.4g} e, and no more is taken. Take "
            "another supercell, or change the occupancies to those of a neutral cell"
        )
    return replace(
        cell,
        sublattices=[replace(entry, counts=new) for entry, new in zip(cell.sublattices, counts, strict=True)],
        occupancy_changes=find_changes(cell.occupancies, counts),
    )


def _least_charged(
    sublattices: Sequence[Occupancies], charges: Mapping[str, float], fixed_e: float
) -> tuple[list[_Counts], float]:
    """Counts of least charge, and of these the ones that change the fewest sites; and their charge."""
    best: dict[float, tuple[float, list[_Counts]]] = {round(fixed_e, 6): (0.0, [])}
    for entry in sublattices:
        options = [
            (_n_changed(entry, counts), _charge(entry.species, counts, charges), counts) for counts in _roundings(entry)
        ]
        reached: dict[float, tuple[float, list[_Counts]]] = {}
        for (total_e, (n_changed, chosen)), (more, charge_e, counts) in itertools.product(best.items(), options):
            key, candidate = round(total_e + charge_e, 6), (n_changed + more, [*chosen, counts])
            reached[key] = min(reached.get(key, candidate), candidate)
        best = reached
    left_e = min(best, key=lambda charge_e: (abs(charge_e), best[charge_e]))
    return best[left_e][1], left_e


def _roundings(entry: Occupancies) -> list[_Counts]:
    """Whole numbers of atoms below or above each occupancy that add up to the sites; the exact ones if there are."""
    exact = realise_counts(entry, entry.n_sites)
    if exact is not None:
        return [exact]
    numbers = [round(value * entry.n_sites, 6) for value in entry.values]
    combinations = itertools.product(*(range(floor(number), ceil(number) + 1) for number in numbers))
    return [counts for counts in combinations if sum(counts) == entry.n_sites]


def _n_changed(entry: Occupancies, counts: _Counts) -> float:
    """Sites whose species changes."""
    return sum(abs(n - value * entry.n_sites) for n, value in zip(counts, entry.values, strict=True)) / 2


def _charge(species: Sequence[str], amounts: Sequence[float], charges: Mapping[str, float]) -> float:
    return sum(charges[name] * amount for name, amount in zip(species, amounts, strict=True))
