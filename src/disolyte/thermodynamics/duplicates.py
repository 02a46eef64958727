"""Structures that are copies of one another by symmetry, whatever cell they are given in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

ENERGY_TOLERANCE_EV_PER_FU: Final = 2e-3
"""Energies of copies differ by less: single precision, and what is left of forces after relaxation."""


def find_distinct(
    structures: Sequence[Structure],
    energies_ev_per_fu: Sequence[float],
    *,
    tolerance_ev_per_fu: float = ENERGY_TOLERANCE_EV_PER_FU,
) -> list[int]:
    """Indices of the structures that are no copy of an earlier one.

    Orderings of one composition come from several supercells, so that a small cell's ordering turns up again in a
    larger one. Only structures of like energy are compared, which keeps the comparison fast.

    Parameters
    ----------
    structures
        Structures of one composition.
    energies_ev_per_fu
        Their energies, in ascending order.
    tolerance_ev_per_fu
        Difference in energy beyond which two structures cannot be copies.

    Returns
    -------
    list of int
        Indices, ascending.
    """
    # Tight: two orderings may differ by one lithium ion on a neighbouring site, a small distance on average.
    matcher = StructureMatcher(ltol=0.02, stol=0.05, angle_tol=1.0, primitive_cell=False, scale=False)
    primitive: dict[int, Structure] = {}
    distinct: list[int] = []
    for index, energy in enumerate(energies_ev_per_fu):
        primitive[index] = structures[index].get_primitive_structure(tolerance=0.05)
        near = [earlier for earlier in distinct if energy - energies_ev_per_fu[earlier] <= tolerance_ev_per_fu]
        if not any(_is_copy(matcher, primitive[earlier], primitive[index]) for earlier in near):
            distinct.append(index)
        for earlier in set(primitive) - {*near, index}:
            del primitive[earlier]
    return distinct


def _is_copy(matcher: StructureMatcher, first: Structure, second: Structure) -> bool:
    return len(first) == len(second) and matcher.fit(first, second)
