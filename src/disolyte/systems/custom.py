"""Systems of one composition, from structures that users bring."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymatgen.core import Structure
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from disolyte.errors import OxidationStateError, StructureError
from disolyte.systems.exclusions import merge_close_sites
from disolyte.systems.formulas import count_formula_units, element_symbol
from disolyte.systems.structure_files import read_structure_file, site_names

SYMMETRY_TOLERANCE_ANG = 0.01
"""Distance within which two sites count as equivalent."""


def describe_disordered_structure(
    structure: Structure | str | os.PathLike[str],
    *,
    mobile_ion: str,
    oxidation_states: Mapping[str, float] | None = None,
    merge_within_ang: float = 0.0,
) -> dict[str, Any]:
    """Fields of a one-composition :class:`~disolyte.systems.DisorderedSystem`.

    Parameters
    ----------
    structure
        Structure with partial occupancies, or path of a file that holds one.
    mobile_ion
        Element whose diffusion is studied.
    oxidation_states
        Oxidation state of each element; not needed where the structure states them.
    merge_within_ang
        Partially occupied sites of equal species closer than this become one site.

    Raises
    ------
    StructureError
        If the file cannot be read, or the structure has no partial occupancy.
    OxidationStateError
        If oxidation states are missing, or an element has several.
    """
    source, shared = "the structure", dict[str, str]()
    if not isinstance(structure, Structure):
        path = Path(structure)
        source, structure = path.name, read_structure_file(path)
        shared = _shared_labels(site_names(path, structure))
    structure = merge_close_sites(structure, merge_within_ang)
    caveats = list(structure.properties["caveats"])
    if structure.is_ordered:
        raise StructureError(
            f"{source} ({structure.composition.reduced_formula}) has no site of partial occupancy, so there is nothing "
            "to order: give the disordered structure, or hand the ordered one to DiffusionMaker directly"
        )
    states = {**_stated_oxidation_states(structure), **(oxidation_states or {})}
    labels = _sublattice_labels(structure, shared)
    species = {
        label: {element_symbol(specie): f"{occupancy:.12g}" for specie, occupancy in site.species.items()}
        for label, site in zip(labels, structure, strict=True)
    }
    parent = Structure(
        structure.lattice,
        [next(iter(species[label])) for label in labels],
        structure.frac_coords,
        site_properties={"sublattice": labels},
    )
    stated_units = structure.properties.get("formula_units_per_cell")
    formula_units = stated_units or count_formula_units(structure.composition.get_el_amt_dict().values())
    return {
        "title": f"{structure.composition.formula.replace(' ', '')} ({source})",
        "parents": [parent],
        "occupancies": species,
        "grid": [{}],
        "end_members": [{}],
        "mobile_ion": mobile_ion,
        "oxidation_states": states,
        "formula_units_per_cell": formula_units,
        "references": [source],
        "caveats": caveats,
    }


def _stated_oxidation_states(structure: Structure) -> dict[str, float]:
    states: dict[str, set[float]] = {}
    for species in structure.composition:
        value = getattr(species, "oxi_state", None)
        if value is not None:
            states.setdefault(element_symbol(species), set()).add(float(value))
    several = {element: sorted(values) for element, values in states.items() if len(values) > 1}
    if several:
        raise OxidationStateError(
            f"the structure gives an element several oxidation states, {several}; give one for each in oxidation_states"
        )
    return {element: values.pop() for element, values in states.items()}


def _shared_labels(names: Mapping[str, str]) -> dict[str, str]:
    """All labels that a file gives to a site, as ``P1/Si1``, by the one that the structure keeps."""
    return {kept: "/".join(sorted(label for label in names if names[label] == kept)) for kept in names.values()}


def _sublattice_labels(structure: Structure, shared: Mapping[str, str]) -> list[str]:
    """Given names, or one for each set of equivalent sites.

    It is the label that a file gives to all sites of the set and to no other (of a site that species share, all of its
    labels); else species and a number, with how many sites there are if the file has labels, which the number might be
    taken for.
    """
    given = structure.site_properties.get("sublattice")
    if given is not None and all(isinstance(label, str) for label in given):
        _check_pooled(structure, given)
        return list(given)
    dataset = SpacegroupAnalyzer(structure, symprec=SYMMETRY_TOLERANCE_ANG).get_symmetry_dataset()
    orbits = [int(orbit) for orbit in dataset.equivalent_atoms]
    labels = [str(label) for label in structure.labels]
    found = set(zip(orbits, labels, strict=True))
    n_labels, n_orbits = Counter(orbit for orbit, _ in found), Counter(label for _, label in found)
    names: dict[int, str] = {}
    numbers: Counter[str] = Counter()
    for orbit, label, site in zip(orbits, labels, structure, strict=True):
        if orbit in names:
            continue
        is_labelled = label != site.species_string and ":" not in label  # pymatgen's names of sites without labels
        stem = "/".join(element_symbol(species) for species in site.species)
        numbers[stem] += 1
        if is_labelled and n_labels[orbit] == n_orbits[label] == 1:
            names[orbit] = shared.get(label, label)
        else:
            names[orbit] = f"{stem}{numbers[stem]}" + (f" (×{orbits.count(orbit)})" if is_labelled else "")
    return [names[orbit] for orbit in orbits]


def _check_pooled(structure: Structure, labels: Sequence[str]) -> None:
    first: dict[str, Any] = {}
    for index, (label, site) in enumerate(zip(labels, structure, strict=True)):
        if not first.setdefault(label, site.species).almost_equals(site.species):
            raise StructureError(
                f"site {index} ({site.species_string}) shares the sublattice {label!r} with {first[label]}; pooled "
                "sites must have equal occupancies: give them their mean"
            )
