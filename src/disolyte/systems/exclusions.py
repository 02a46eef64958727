"""Partially occupied sites too close for two ions.

Refined structures describe an ion that moves between two places by two half-filled sites. Ordering them site by site
also makes orderings in which both are filled: the Coulomb energy puts these last, but random ones are full of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import PeriodicSite, Structure
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from disolyte.errors import StructureError

EXCLUSION_ANG: Final = 2.0
"""Two ions of one kind are never closer than this."""

_FULL: Final = 1 - 1e-6


class Exclusion(NamedTuple):
    """Two partially occupied kinds of sites of which neighbours cannot both be filled."""

    sublattices: tuple[str, str]
    """Their sublattices."""
    distance_ang: float
    """Shortest distance."""
    n_pairs: int
    """Pairs closer than the limit in the cell."""

    def __str__(self) -> str:
        one, other = self.sublattices
        sites = f"sites of {one!r}" if one == other else f"sites of {one!r} and {other!r}"
        return (
            f"{self.n_pairs} pairs of partially occupied {sites} are {self.distance_ang:.2f} Å apart or little more: "
            "orderings of high energy and random ones fill both (merge_within_ang makes one site of two)"
        )


def find_exclusions(structure: Structure, within_ang: float = EXCLUSION_ANG) -> list[Exclusion]:
    """Pairs of sublattices with partially occupied sites that are too close.

    Parameters
    ----------
    structure
        Disordered structure. Sites are named by the site property ``sublattice``, or by their labels.
    within_ang
        Distance below which two sites exclude each other.
    """
    labels = structure.site_properties.get("sublattice") or structure.labels
    shortest: dict[tuple[str, str], float] = {}
    numbers: dict[tuple[str, str], int] = {}
    partial = _partial_sites(structure)
    distances = structure.distance_matrix[np.ix_(partial, partial)]
    for i, j in np.argwhere(np.triu(distances < within_ang, k=1)):
        one, other = sorted((labels[partial[i]], labels[partial[j]]))
        shortest[one, other] = min(shortest.get((one, other), np.inf), float(distances[i, j]))
        numbers[one, other] = numbers.get((one, other), 0) + 1
    return [Exclusion(pair, distance, numbers[pair]) for pair, distance in shortest.items()]


def merge_close_sites(structure: Structure, within_ang: float) -> Structure:
    """Structure in which close, partially occupied sites of equal species are one site between them.

    Parameters
    ----------
    structure
        Disordered structure.
    within_ang
        Sites closer than this are merged; their occupancies add up.

    Returns
    -------
    Structure
        Its property ``caveats`` also tells what was merged.

    Raises
    ------
    StructureError
        If a merged site would hold more than one ion.
    """
    partial = _partial_sites(structure)
    kinds = [frozenset(structure[int(i)].species) for i in partial]
    close = structure.distance_matrix[np.ix_(partial, partial)] < within_ang
    close &= np.array([[one == other for other in kinds] for one in kinds], dtype=bool).reshape(close.shape)
    _, groups = connected_components(csr_array(close), directed=False)
    merged: dict[int, PeriodicSite] = {}
    dropped: set[int] = set()
    for group in np.unique(groups):
        members = partial[groups == group]
        if len(members) > 1:
            merged[int(members[0])] = _merge([structure[int(i)] for i in members], within_ang)
            dropped.update(int(i) for i in members[1:])
    caveats = [*structure.properties.get("caveats", []), *_describe_merged(structure, merged, dropped)]
    return Structure.from_sites(
        [merged.get(index, site) for index, site in enumerate(structure) if index not in dropped],
        properties={**structure.properties, "caveats": caveats},
    )


def _describe_merged(structure: Structure, merged: Mapping[int, PeriodicSite], dropped: Set[int]) -> list[str]:
    if not merged:
        return []
    names = ", ".join(dict.fromkeys(str(structure.labels[index]) for index in sorted({*merged, *dropped})))
    n_full = sum(site.species.num_atoms > _FULL for site in merged.values())
    told = (
        f"{len(merged) + len(dropped)} partially occupied sites ({names}) were merged into {len(merged)} at the "
        "middle of each group (merge_within_ang)"
    )
    lost = f"{n_full} of these are full now, so the disorder between their positions is gone from all orderings"
    return [f"{told}; {lost}" if n_full else told]


def _partial_sites(structure: Structure) -> NDArray[np.int64]:
    return np.flatnonzero([site.species.num_atoms < _FULL for site in structure])


def _merge(sites: list[PeriodicSite], within_ang: float) -> PeriodicSite:
    first = sites[0]
    offsets = np.array([site.frac_coords - first.frac_coords for site in sites])
    offsets -= np.round(offsets)
    species: dict[Any, float] = {}
    for site in sites:
        for name, amount in site.species.items():
            species[name] = species.get(name, 0.0) + float(amount)
    total = sum(species.values())
    if total > 1 + 1e-3:
        raise StructureError(
            f"{len(sites)} sites of {first.species_string} within {within_ang:g} Å of each other hold {total:.3g} ions "
            "together, more than one: merge within a shorter distance"
        )
    if total > 1:
        species = {name: amount / total for name, amount in species.items()}
    return PeriodicSite(
        species,
        (first.frac_coords + offsets.mean(axis=0)) % 1.0,
        first.lattice,
        label=first.label,
        properties=first.properties,
    )
