"""Parent structures from positions or CIFs, site by site alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from pymatgen.core import Element, Structure
from scipy.optimize import linear_sum_assignment

from disolyte.errors import InputError, StructureError
from disolyte.systems.exclusions import merge_close_sites
from disolyte.systems.formulas import element_symbol
from disolyte.systems.structure_files import read_structure_file, site_names
from disolyte.systems.structures import WyckoffSite, parent_structure

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHORTEST_ANG: Final = 0.3
"""Sites closer than this are one site given twice."""

MAX_SHIFT_ANG: Final = 1.7
"""Longest way of a site from one end member's parent to another's."""

LENGTHS_ANG: Final = (0.5, 500.0)
"""Shortest and longest lattice vector."""

ANGLES_DEG: Final = (10.0, 170.0)
"""Smallest and largest lattice angle."""


class LoadedParent(NamedTuple):
    """A parent structure, and what came with it."""

    structure: Structure
    """One species per site; site property ``sublattice``."""
    occupancies: dict[str, dict[str, float]]
    """Occupancy of each element on each sublattice; ordered sublattices, too."""
    names: Mapping[str, str] = MappingProxyType({})
    """Sublattice by each label of its sites in a CIF, which labels every species of a shared site."""
    formula_units: int | None = None
    """Formula units in the cell, where a CIF states them."""


def build_inline_parent(
    space_group: int | str, lattice: Sequence[float], sites: Sequence[tuple[str, str, Sequence[float]]]
) -> LoadedParent:
    """Parent structure from one site of each position.

    Parameters
    ----------
    space_group
        Number or symbol.
    lattice
        a, b, c in Å; alpha, beta, gamma in degrees.
    sites
        Sublattice, element and fractional coordinates of each position.

    Raises
    ------
    StructureError
        If there is no such space group or lattice, or sites fall onto each other.
    """
    _check_lattice(lattice)
    for index, (_, element, _) in enumerate(sites):
        if not Element.is_valid_symbol(element):
            raise StructureError(f"{element!r} is no element").at("sites", index, "element")
    positions = [WyckoffSite(label, element, _triple(position)) for label, element, position in sites]
    try:
        structure = parent_structure(space_group, lattice, positions)
    except (ValueError, KeyError) as error:
        text = str(error)
        field = "lattice" if "attice" in text else "space_group"
        raise StructureError(f"space group {space_group!r} with lattice {list(lattice)}: {text}").at(field) from error
    _check_distances(structure)
    return LoadedParent(structure, _occupancies(structure, structure.site_properties["sublattice"]))


def load_cif_parent(path: Path, sublattices: Mapping[str, str], merge_within_ang: float = 0.0) -> LoadedParent:
    """Parent structure from a file.

    Parameters
    ----------
    path
        The file.
    sublattices
        Sublattice of each site label; of the others it is the label itself. A site that several species share has a
        label for each: any of them will do.
    merge_within_ang
        Partially occupied sites of equal species closer than this become one site.

    Raises
    ------
    StructureError
        If the file cannot be read, a label is not in it, two labels of one site are given different sublattices, or
        sites fall onto each other.
    """
    try:
        structure = read_structure_file(path)
    except InputError as error:
        error.at("cif")
        raise
    names, formula_units = site_names(path, structure), structure.properties.get("formula_units_per_cell")
    structure = merge_close_sites(structure, merge_within_ang)
    names = {label: site for label, site in names.items() if site in structure.labels}
    _check_distances(structure)
    chosen = _sublattice_by_label(path, names, sublattices)
    labels = [chosen[str(label)] for label in structure.labels]
    parent = Structure(
        structure.lattice,
        [element_symbol(next(iter(site.species))) for site in structure],
        structure.frac_coords,
        site_properties={"sublattice": labels},
    )
    return LoadedParent(parent, _occupancies(structure, labels), chosen, formula_units)


def _sublattice_by_label(path: Path, names: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Sublattice of every label of a file; sites that nothing is given for are sublattices of their own."""
    known = ", ".join(_describe_site(names, label) for label in dict.fromkeys(names.values()))
    chosen: dict[str, str] = {}
    for label, sublattice in given.items():
        if label not in names:
            raise StructureError(f"{path} has no site labelled {label!r}; it has {known}").at("sublattices", label)
        if chosen.setdefault(names[label], sublattice) != sublattice:
            raise StructureError(
                f"the site {_describe_site(names, names[label])} is given the sublattices {chosen[names[label]]!r} and "
                f"{sublattice!r}: give it one"
            ).at("sublattices", label)
    return {label: chosen.get(site, site) for label, site in names.items()}


def _describe_site(names: Mapping[str, str], label: str) -> str:
    """All labels of a site, as ``Cl1 = Br1``."""
    return " = ".join([label, *(other for other, site in names.items() if site == label and other != label)])


def join_occupancies(
    parents: Sequence[LoadedParent], given: Mapping[str, Mapping[str, str | float]]
) -> dict[str, dict[str, str]]:
    """Occupancies as expressions: the given ones, and those of the parents for other disordered sublattices.

    A sublattice is given by its name, or by any of its labels in the first parent's CIF.

    Raises
    ------
    StructureError
        If a sublattice is given twice, or is not given and its sites, or the parents, differ in its occupancy.
    """
    joined: dict[str, dict[str, str]] = {}
    for label, species in given.items():
        name = label if label in parents[0].occupancies else parents[0].names.get(label, label)
        if name in joined:
            raise StructureError(f"{label!r} and another label name the sublattice {name!r}: give it once").at(
                "occupancies", label
            )
        joined[name] = {element: f"{value}" for element, value in species.items()}
    for label, own in parents[0].occupancies.items():
        if label in joined:
            continue
        alike = all(parent.occupancies.get(label) == own for parent in parents)
        if not own or not alike:
            raise StructureError(
                f"the sites of sublattice {label!r} differ in their occupancy"
                f"{'' if alike else ' between the parent structures'}: give it under 'occupancies'"
            ).at("occupancies")
        if list(own.values()) != [1.0]:
            joined[label] = {element: f"{occupancy:.12g}" for element, occupancy in own.items()}
    return joined


def align_sites(parents: Sequence[LoadedParent]) -> list[LoadedParent]:
    """Parents with their sites in the order of the first one's.

    Each site goes to the nearest of its sublattice, in fractional coordinates.

    Raises
    ------
    StructureError
        If the sublattices have different numbers of sites, or a site would move too far.
    """
    first = parents[0].structure
    labels = np.array(first.site_properties["sublattice"])
    aligned = [parents[0]]
    for index, parent in enumerate(parents[1:], start=1):
        own = np.array(parent.structure.site_properties["sublattice"])
        if sorted(labels) != sorted(own):
            raise StructureError(
                f"the parent structures differ in their sublattices: {_count(labels)} and {_count(own)}"
            ).at("parents", index)
        order = np.empty(len(labels), dtype=int)
        for label in dict.fromkeys(labels.tolist()):
            here, there = np.flatnonzero(labels == label), np.flatnonzero(own == label)
            ways = _ways_ang(first, parent.structure, here, there)
            rows, columns = linear_sum_assignment(ways**2)
            order[here[rows]] = there[columns]
            longest = ways[rows, columns].max()
            if longest > MAX_SHIFT_ANG:
                raise StructureError(
                    f"a site of sublattice {label!r} lies {longest:.2f} Å from its place in the first parent "
                    f"structure; at most {MAX_SHIFT_ANG} Å are interpolated: give both in one setting and origin"
                ).at("parents", index)
        structure = Structure.from_sites([parent.structure[int(site)] for site in order])
        aligned.append(parent._replace(structure=structure))
    return aligned


def _ways_ang(
    first: Structure, second: Structure, here: NDArray[np.int64], there: NDArray[np.int64]
) -> NDArray[np.float64]:
    difference = second.frac_coords[None, there] - first.frac_coords[here, None]
    difference -= np.round(difference)
    lattice = (first.lattice.matrix + second.lattice.matrix) / 2
    ways: NDArray[np.float64] = np.linalg.norm(difference @ lattice, axis=-1)
    return ways


def _count(labels: NDArray[np.str_]) -> str:
    names, numbers = np.unique(labels, return_counts=True)
    return ", ".join(f"{number} {name}" for name, number in zip(names, numbers, strict=True))


def _check_lattice(lattice: Sequence[float]) -> None:
    for index, (value, (low, high)) in enumerate(zip(lattice, [LENGTHS_ANG] * 3 + [ANGLES_DEG] * 3, strict=True)):
        if not low <= value <= high:
            unit = "Å" if index < 3 else "degrees"
            raise StructureError(f"{value:g} must lie within {low:g} and {high:g} {unit}").at("lattice", index)
    cosines = np.cos(np.radians(lattice[3:]))
    if 1 + 2 * cosines.prod() - (cosines**2).sum() < 1e-4:
        raise StructureError(f"the angles {list(lattice[3:])} span no volume").at("lattice")


def _check_distances(structure: Structure) -> None:
    distances = structure.distance_matrix + np.diag([np.inf] * len(structure))
    pair = np.unravel_index(int(distances.argmin()), distances.shape)
    if distances[pair] < SHORTEST_ANG:
        one, other = (f"{structure[int(i)].species_string} at {structure[int(i)].frac_coords.round(4)}" for i in pair)
        raise StructureError(
            f"the sites {one} and {other} are {distances[pair]:.2g} Å apart; at least {SHORTEST_ANG} Å are needed"
        ).at("sites")


def _occupancies(structure: Structure, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Occupancies of each sublattice; none where its sites differ, for then the file of the system must state them."""
    occupancies: dict[str, dict[str, float]] = {}
    for label, site in zip(labels, structure, strict=True):
        own = {element_symbol(species): float(amount) for species, amount in site.species.items()}
        if occupancies.setdefault(label, own) != own:
            occupancies[label] = {}
    return occupancies


def _triple(position: Sequence[float]) -> tuple[float, float, float]:
    x, y, z = position
    return (x, y, z)
