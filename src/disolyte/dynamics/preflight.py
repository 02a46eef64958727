"""What is checked before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from disolyte.errors import StructureError

if TYPE_CHECKING:
    from disolyte.models import LoadedModel


def check_start(systems: Sequence[Atoms], model: LoadedModel | Calculator) -> None:
    """Refuse systems that no engine can start with.

    Overlapping atoms and forces that are too large or not finite are left to the watchdog, which looks at step 0 too:
    such a system ends alone, with its reason.

    Parameters
    ----------
    systems
        First structures.
    model
        Model, or any ASE calculator.

    Raises
    ------
    StructureError
        If a system has fewer than two atoms, or positions that are no numbers.
    ModelCoverageError
        If the model was not made for an element.
    """
    for index, atoms in enumerate(systems):
        name = f"system {index} ({atoms.get_chemical_formula()})"
        if len(atoms) < 2:
            raise StructureError(f"{name} has {len(atoms)} atom(s), of at least 2 that are needed: use a supercell")
        if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell).all()):
            raise StructureError(f"{name} has positions or a cell that are not finite: correct the structure")
    if not isinstance(model, Calculator):
        model.check_elements(systems)
