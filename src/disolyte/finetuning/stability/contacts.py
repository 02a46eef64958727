"""Shortest distances of each pair of elements, and the floors that they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.geometry import get_distances

from disolyte.finetuning.stability.schema import PairFloor

Pair = tuple[str, str]

LABELLED_CEILING: Final = 0.8
"""Highest floor that labels can make, as a share of the sum of covalent radii: few frames hold the closest approach of
ions that sit far apart, such as two lithium ions in the middle of a jump."""


def shortest_distances_ang(frames: Iterable[Atoms]) -> dict[Pair, float]:
    """Shortest distance of each pair of elements over all frames, nearest images included.

    Parameters
    ----------
    frames
        Frames of any sizes.

    Returns
    -------
    dict
        Distance by pair of symbols, in alphabetical order; pairs that occur.
    """
    found: dict[Pair, float] = {}
    for atoms in frames:
        _, distances = get_distances(atoms.get_positions(), cell=atoms.cell, pbc=atoms.pbc)
        np.fill_diagonal(distances, np.inf)
        symbols = np.array(atoms.get_chemical_symbols())
        for first, second in combinations_with_replacement(sorted(set(symbols.tolist())), 2):
            nearest = float(distances[np.ix_(symbols == first, symbols == second)].min())
            if np.isfinite(nearest):
                found[first, second] = min(nearest, found.get((first, second), np.inf))
    return found


def pair_floors(
    pairs: Iterable[Pair], labelled: Sequence[Atoms], *, labelled_fraction: float, contact_fraction: float
) -> list[PairFloor]:
    """Floor of each pair: from labelled frames where it occurs, else from covalent radii.

    Parameters
    ----------
    pairs
        Pairs of symbols.
    labelled
        Frames with labels, which a model was trained on: closer than there it extrapolates.
    labelled_fraction
        Share of the shortest labelled distance; the floor is never above :data:`LABELLED_CEILING`.
    contact_fraction
        Share of the sum of covalent radii.
    """
    seen = shortest_distances_ang(labelled)
    floors = []
    for pair in sorted(set(pairs)):
        radii = sum(float(covalent_radii[atomic_numbers[symbol]]) for symbol in pair)
        shortest = seen.get(pair)
        floor = (
            contact_fraction * radii
            if shortest is None
            else min(labelled_fraction * shortest, LABELLED_CEILING * radii)
        )
        floors.append(PairFloor(elements=pair, floor_ang=floor, labelled_ang=shortest))
    return floors
