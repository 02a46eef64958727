"""Orderings to files."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from disolyte.enumeration.batches import RankedOrderings
from disolyte.enumeration.space import OrderingSpace
from disolyte.errors import RunFolderError

_ORDERING_NAME = re.compile(r"ordering-\d{5,}\.cif")


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
