"""Disordered structures from files, and orderings to files."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

from pymatgen.core import Structure

from disolyte.enumeration.batches import RankedOrderings
from disolyte.enumeration.space import OrderingSpace
from disolyte.errors import RunFolderError, StructureError

_ORDERING_NAME = re.compile(r"ordering-\d{5,}\.cif")


def read_disordered_structure(path: Path) -> Structure:
    """Structure with its partial occupancies, as the file states them.

    What pymatgen remarks on the file (no symmetry operations, say) is in the property ``caveats``.

    Parameters
    ----------
    path
        CIF, or another file that pymatgen reads.

    Raises
    ------
    StructureError
        If there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise StructureError(f"there is no file {path}: check the path")
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            structure = Structure.from_file(path)
    except Exception as error:  # pymatgen's readers raise all kinds
        raise StructureError(
            f"{path} cannot be read as a crystal structure ({error}): check that it is a CIF whose occupancies add up "
            "to at most 1 on every site"
        ) from error
    messages = dict.fromkeys(str(remark.message) for remark in remarks if not _is_harmless(remark))
    structure.properties["caveats"] = [f"{path.name}: {message}" for message in messages]
    return structure


def _is_harmless(remark: warnings.WarningMessage) -> bool:
    """Remarks that do not touch the crystal: 0.3333 read as 1/3, and what changes in coming versions of pymatgen."""
    return "rounded to ideal values" in str(remark.message) or issubclass(
        remark.category, DeprecationWarning | FutureWarning
    )


def write_orderings(space: OrderingSpace, ranked: RankedOrderings, folder: Path) -> list[Path]:
    """Write one CIF per ordering, and a table; orderings that an earlier run wrote into the folder are removed.

    Parameters
    ----------
    space
        The space of the orderings.
    ranked
        The orderings.
    folder
        Folder to write to; made if it does not exist.

    Returns
    -------
    list of Path
        The files: ``orderings.csv``, then the structures.

    Raises
    ------
    RunFolderError
        If the folder cannot be written to.
    """
    width = max(5, len(str(len(ranked.energies_ev))))
    table = folder / "orderings.csv"
    files = [table]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("ordering-*.cif"):
            if _ORDERING_NAME.fullmatch(old.name):
                old.unlink()
        with table.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["file", "energy_ev", "degeneracy"])
            for index, row in enumerate(ranked.occupations):
                path = folder / f"ordering-{index:0{width}d}.cif"
                space.to_structure(row).to(str(path), fmt="cif")
                writer.writerow([path.name, f"{ranked.energies_ev[index]:.8f}", int(ranked.degeneracies[index])])
                files.append(path)
    except OSError as error:
        raise RunFolderError(
            f"cannot write the orderings to {folder} ({error}): choose another folder with --out"
        ) from error
    return files
