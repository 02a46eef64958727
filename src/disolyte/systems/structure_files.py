"""Disordered structures from files: what pymatgen reads, the oxidation states that a CIF states, and its labels."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from pymatgen.core import Composition, Structure
from pymatgen.io.cif import CifFile, str2float

from disolyte.errors import StructureError
from disolyte.systems.formulas import element_symbol

MAX_FILE_BYTES: Final = 20_000_000
"""Largest structure file."""

SAME_SITE_ANG: Final = 0.05
"""Rows of a CIF within this distance of a site describe it: pymatgen rounds 0.3333 to 1/3."""

FORMULA_MISMATCH: Final = 0.1
"""Share of the atoms by which a CIF's formula, times its formula units in a cell, may miss the cell's."""

_ION: Final = re.compile(r"(?P<element>[A-Z][a-z]?)(?:(?P<number>\d*)(?P<sign>[+-])|(?P<signed>[+-]\d+))")
"""Type symbols such as P5+, Cl- and Li+1."""

_PLACE: Final = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")

_SUMMARY: Final = "Issues encountered while parsing CIF: "

_HARMLESS: Final = (
    "rounded to ideal values",
    "Skipping relative stoichiometry check",
    "Cannot determine chemical composition from CIF",
)
"""Remarks that do not touch the crystal: 0.3333 read as 1/3, and checks against a formula that is not there."""


def read_structure_file(path: Path) -> Structure:
    """Structure, with partial occupancies, from a file that pymatgen reads.

    Oxidation states that a CIF states, as numbers (``_atom_type_oxidation_number``) or in type symbols such as ``P5+``,
    are those of the species, if every element has one. What pymatgen remarks on the file (no symmetry operations, say),
    and states that were left out, are in the property ``caveats``; formula units in the cell that a CIF states
    (``_cell_formula_units_Z``), in ``formula_units_per_cell``.

    Parameters
    ----------
    path
        CIF, or another file that pymatgen reads.

    Raises
    ------
    StructureError
        If the file is missing, too large, or cannot be read.
    """
    if not path.is_file():
        raise StructureError(f"there is no file {path}: check the path")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise StructureError(f"{path} has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES} are read")
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            structure = Structure.from_file(path)
    except Exception as error:  # pymatgen's readers raise all kinds
        raise StructureError(
            f"{path} cannot be read as a crystal structure ({error}): check that it is a CIF whose occupancies add up "
            "to at most 1 on every site"
        ) from error
    caveats = [*_remarks_on_the_crystal(remarks), *_settle_oxidation_states(structure, path)]
    formula_units, doubts = _stated_formula_units(structure, _atom_sites(path))
    caveats += doubts
    if formula_units is not None:
        structure.properties["formula_units_per_cell"] = formula_units
    structure.properties["caveats"] = [f"{path.name}: {caveat}" for caveat in caveats]
    return structure


def site_names(path: Path, structure: Structure) -> dict[str, str]:
    """All labels by which a file names its sites, each with the label that the structure gives to the site.

    Of species that share a site, a CIF labels each, and pymatgen keeps one label.

    Parameters
    ----------
    path
        The file.
    structure
        What :func:`read_structure_file` made of it.
    """
    names = {str(label): str(label) for label in structure.labels}
    rows = _atom_sites(path)
    labels, places = rows.get("_atom_site_label", []), zip(*(rows.get(key, []) for key in _PLACE), strict=True)
    for label, place in zip(labels, places, strict=False):
        try:
            offsets = structure.frac_coords - [str2float(value) for value in place]
        except ValueError:  # "?", which pymatgen passes over where the occupancy is 0
            continue
        distances = np.linalg.norm((offsets - np.round(offsets)) @ structure.lattice.matrix, axis=1)
        nearest = int(distances.argmin())
        if distances[nearest] < SAME_SITE_ANG:
            names.setdefault(str(label), str(structure.labels[nearest]))
    return names


def _atom_sites(path: Path) -> dict[str, Any]:
    """Fields of the first block of a CIF that holds atoms; none of other files."""
    if ".cif" not in path.name.lower():
        return {}
    blocks = [dict(block.data) for block in CifFile.from_file(path).data.values()]
    return next((block for block in blocks if "_atom_site_label" in block), {})


def _stated_formula_units(structure: Structure, fields: Mapping[str, Any]) -> tuple[int | None, list[str]]:
    """Formula units in the cell that a CIF states; a remark if its formula says that they are of another cell.

    Nothing is taken from 1, nor beside a formula of the whole cell: so write programs that do not know.
    """
    try:
        stated = int(str(fields.get("_cell_formula_units_Z", "")))
        text = str(fields.get("_chemical_formula_sum", "")).strip("'\" ")
        formula = Composition(text) if text else None
    except ValueError:
        return None, []
    held = structure.composition.num_atoms
    if stated <= 1 or (formula and abs(formula.num_atoms - held) <= FORMULA_MISMATCH * held):
        return None, []
    if formula and abs(stated * formula.num_atoms - held) > FORMULA_MISMATCH * held:
        return None, [
            f"_cell_formula_units_Z is not used: {stated} of {formula.reduced_formula} have "
            f"{stated * formula.num_atoms:g} atoms, and the cell {held:g}"
        ]
    return stated, []


def _settle_oxidation_states(structure: Structure, path: Path) -> list[str]:
    """Leave or give the species the states that the file states, if it has one for each element; say so if not."""
    stated = _states_of_species(structure)
    if stated and not any(0.0 in states for states in stated.values()):
        return []
    # pymatgen takes for zero what a file is silent about.
    structure.remove_oxidation_states()
    stated = {element: states - {0.0} for element, states in (stated or _states_in_symbols(path)).items()}
    elements = [element.symbol for element in structure.composition]
    missing = [element for element in elements if not stated.get(element)]
    several = [element for element in elements if len(stated.get(element, ())) > 1]
    if not (missing or several):
        structure.add_oxidation_state_by_element({element: stated[element].pop() for element in elements})
    elif any(stated.values()):
        why = f"none for {', '.join(missing)}" if missing else f"several for {', '.join(several)}"
        return [f"the oxidation states in the file are not used: there is {why}"]
    return []


def _states_of_species(structure: Structure) -> dict[str, set[float]]:
    """Oxidation states of each element, as pymatgen reads them from ``_atom_type_oxidation_number``."""
    states: dict[str, set[float]] = {}
    for species in structure.composition:
        value = getattr(species, "oxi_state", None)
        if value is not None:
            states.setdefault(element_symbol(species), set()).add(float(value))
    return states


def _states_in_symbols(path: Path) -> dict[str, set[float]]:
    """Oxidation states of each element in a CIF's type symbols."""
    states: dict[str, set[float]] = {}
    for symbol in _atom_sites(path).get("_atom_site_type_symbol", []):
        if found := _ION.fullmatch(str(symbol).strip()):
            number = found["signed"] or f"{found['sign']}{found['number'] or 1}"
            states.setdefault(found["element"], set()).add(float(number))
    return states


def _remarks_on_the_crystal(remarks: list[warnings.WarningMessage]) -> list[str]:
    """What pymatgen says of the file, each once; it repeats all in a summary."""
    told = [entry for entry in remarks if not issubclass(entry.category, DeprecationWarning | FutureWarning)]
    lines = [line.removeprefix(_SUMMARY) for entry in told for line in str(entry.message).splitlines()]
    return [line for line in dict.fromkeys(lines) if not any(harmless in line for harmless in _HARMLESS)]
