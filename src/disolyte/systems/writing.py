"""Systems written as YAML files, for people to read and change."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from pymatgen.core import Structure

from disolyte.systems.formulas import element_symbol
from disolyte.systems.schema import DisorderedSystem
from disolyte.systems.structures import COINCIDENCE_ANG, WyckoffSite, find_symmetry, parent_structure

DECIMALS: Final = 8
"""Decimals of lattice parameters and coordinates."""


def write_system(system: DisorderedSystem, path: Path) -> None:
    """Write a system to one YAML file.

    Parameters
    ----------
    system
        The system. Its parents are written by positions where a space group in its standard setting makes them, and
        site by site otherwise.
    path
        The file; it is overwritten.
    """
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(_styled(_to_fields(system)), file)


def _to_fields(system: DisorderedSystem) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "key": system.key,
        "title": system.title,
        "mobile_ion": system.mobile_ion,
        "oxidation_states": {element: _short(state) for element, state in system.oxidation_states.items()},
        "formula_units_per_cell": system.formula_units_per_cell,
        "parents": [_to_positions(parent) for parent in system.parents],
        "occupancies": system.occupancies,
        "ranking_charges": system.ranking_charges,
        "grid": _to_axes([{axis: _short(x) for axis, x in values.items()} for values in system.grid]),
        "constraints": system.constraints,
        "end_members": [{axis: _short(value) for axis, value in member.items()} for member in system.end_members],
        "supercells": [list(supercell) for supercell in system.supercells],
        "charge_tolerance_e": system.charge_tolerance_e,
        "references": system.references,
        "caveats": system.caveats,
    }
    return {name: value for name, value in fields.items() if value not in ([], {})}


def _to_positions(structure: Structure) -> dict[str, Any]:
    """Space group, lattice and one site of each position; all sites in P1 where that does not give the same crystal."""
    labels = structure.site_properties["sublattice"]
    lattice = [round(float(value), DECIMALS) for value in structure.lattice.parameters]
    sites = [
        WyckoffSite(label, element_symbol(site.specie), (float(x), float(y), float(z)))
        for label, site, (x, y, z) in zip(labels, structure, structure.frac_coords.round(DECIMALS), strict=True)
    ]
    symmetry = find_symmetry(structure)
    first = [site for index, site in enumerate(sites) if symmetry.equivalent_atoms[index] == index]
    group: int | str = 1
    for candidate in (int(symmetry.number), f"{symmetry.international}:R"):
        if _makes_same_crystal(candidate, lattice, first, structure):
            group, sites = candidate, first
            break
    return {
        "space_group": group,
        "lattice": [_short(value) for value in lattice],
        "sites": [
            {"sublattice": label, "element": element, "position": [_short(x) for x in position]}
            for label, element, position in sites
        ],
    }


def _makes_same_crystal(group: int | str, lattice: list[float], sites: list[WyckoffSite], structure: Structure) -> bool:
    try:
        made = parent_structure(group, lattice, sites)
    except (ValueError, KeyError):
        return False
    if len(made) != len(structure):
        return False
    offsets = structure.frac_coords[:, None] - made.frac_coords[None]
    near = np.linalg.norm((offsets - np.round(offsets)) @ structure.lattice.matrix, axis=-1) < COINCIDENCE_ANG
    if not (near.sum(axis=1) == 1).all():
        return False
    labels = np.array(made.site_properties["sublattice"])[near.argmax(axis=1)]
    return bool((labels == np.array(structure.site_properties["sublattice"])).all())


def _to_axes(grid: list[dict[str, Any]]) -> Any:
    """Values on each axis, where the grid is all their combinations."""
    axes = {axis: list(dict.fromkeys(values[axis] for values in grid)) for axis in grid[0]}
    combined = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return axes if axes and combined == grid else grid


def _short(value: float) -> float | int:
    """Whole numbers without a decimal point."""
    return int(value) if float(value).is_integer() else float(value)


def _styled(value: Any, depth: int = 0) -> Any:
    """The same data, with what holds no further structure on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        styled: Any = CommentedMap({key: _styled(entry, depth + 1) for key, entry in value.items()})
    elif isinstance(value, list):
        styled = CommentedSeq([_styled(entry, depth + 1) for entry in value])
    else:
        return value
    entries = list(value.values()) if isinstance(value, Mapping) else value
    is_leaf = all(not isinstance(entry, Mapping | list) for entry in entries)
    is_site = isinstance(value, Mapping) and "position" in value
    is_text = any(isinstance(entry, str) and len(entry) > 30 for entry in entries)
    if depth and (is_leaf or is_site) and not is_text:
        styled.fa.set_flow_style()
    return styled
