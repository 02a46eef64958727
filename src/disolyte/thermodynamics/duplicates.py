"""Structures that are copies of one another by symmetry, whatever cell they are given in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

ENERGY_TOLERANCE_EV_PER_FU: Final = 2e-3
"""Energies of copies differ by less: single precision, and what is left of forces after relaxation."""

PAIR_CUTOFF_ANG: Final = 7.0
"""Reach of the pair sums that tell structures apart."""

PAIR_TOLERANCE: Final = 5e-3
"""Relative difference of pair sums up to which structures are compared in full."""


def find_distinct(
    structures: Sequence[Structure],
    energies_ev_per_fu: Sequence[float],
    *,
    tolerance_ev_per_fu: float = ENERGY_TOLERANCE_EV_PER_FU,
) -> list[int]:
    """Indices of the structures that are no copy of an earlier one.

    Orderings of one composition come from several supercells, so that a small cell's ordering turns up again in a
    larger one. Copies have equal energies and equal sums over pairs of atoms; the few that agree in both are compared
    by pymatgen's :class:`~pymatgen.analysis.structure_matcher.StructureMatcher`.

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
    matcher = StructureMatcher(ltol=0.02, stol=0.05, angle_tol=1.0, primitive_cell=True, scale=False)
    sums = [pair_sums(structure) for structure in structures]
    distinct: list[int] = []
    for index, energy in enumerate(energies_ev_per_fu):
        near = (
            earlier
            for earlier in distinct
            if energy - energies_ev_per_fu[earlier] <= tolerance_ev_per_fu and _are_close(sums[earlier], sums[index])
        )
        if not any(matcher.fit(structures[earlier], structures[index]) for earlier in near):
            distinct.append(index)
    return distinct


def pair_sums(structure: Structure) -> NDArray[np.float64]:
    r"""Sums over pairs of atoms that do not depend on the choice of cell.

    Parameters
    ----------
    structure
        Ordered structure.

    Returns
    -------
    ndarray
        :math:`\frac{1}{N} \sum_{i,j} (1 - d_{ij}/r_c)^3 (d_{ij}/r_c)^k` for each pair of elements and k = 0, 3, 6,
        shape (3 * n_pairs,).
    """
    numbers = np.array(structure.atomic_numbers)
    centres, neighbours, _, distances = structure.get_neighbor_list(PAIR_CUTOFF_ANG)
    elements = np.unique(numbers)
    first, second = np.sort([numbers[centres], numbers[neighbours]], axis=0)
    reduced = distances / PAIR_CUTOFF_ANG
    terms = [(1 - reduced) ** 3 * reduced**power for power in (0, 3, 6)]
    pairs = [(first == a) & (second == b) for a, b in combinations_with_replacement(elements, 2)]
    return np.array([term[pair].sum() for pair in pairs for term in terms]) / len(structure)


def _are_close(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return first.shape == second.shape and np.allclose(first, second, rtol=PAIR_TOLERANCE, atol=1e-4)
