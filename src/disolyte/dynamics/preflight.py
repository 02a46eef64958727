"""What is checked before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from disolyte.dynamics.watchdog import Watchdog, closest_contact
from disolyte.errors import DynamicsError, StructureError

if TYPE_CHECKING:
    from disolyte.models.loaded import LoadedModel


def check_start(systems: Sequence[Atoms], model: LoadedModel | Calculator, watchdog: Watchdog) -> None:
    """Refuse systems that cannot run, all of them named at once.

    Parameters
    ----------
    systems
        First structures.
    model
        Model, or any ASE calculator.
    watchdog
        Its limits on contacts and forces hold from the start.

    Raises
    ------
    StructureError
        If a system has fewer than two atoms, or atoms that overlap.
    ModelCoverageError
        If the model was not made for an element.
    DynamicsError
        If a force is not finite or too large.
    """
    for index, atoms in enumerate(systems):
        name = f"system {index} ({atoms.get_chemical_formula()})"
        if len(atoms) < 2:
            raise StructureError(
                f"{name} has {len(atoms)} atom(s); molecular dynamics needs at least 2: use a supercell"
            )
        contact = closest_contact(atoms.positions, atoms.numbers, np.array(atoms.cell), atoms.pbc)
        if contact.fraction < watchdog.contact_fraction:
            raise StructureError(
                f"{name}: {contact} is {contact.fraction:.2f} of the sum of covalent radii, below the limit "
                f"{watchdog.contact_fraction}: correct the structure, or lower Watchdog.contact_fraction"
            )
    if not isinstance(model, Calculator):
        model.check_elements(systems)
    largest = _largest_forces(systems, model)
    if bad := [
        f"system {index} ({atoms.get_chemical_formula()}): {force} eV/Å"
        for index, (atoms, force) in enumerate(zip(systems, largest, strict=True))
        if not force <= watchdog.force_ev_per_ang
    ]:
        raise DynamicsError(
            f"forces on the first structure are not finite or above {watchdog.force_ev_per_ang} eV/Å in "
            f"{'; '.join(bad)}: relax the structure first, or use a model trained on such structures"
        )


def _largest_forces(systems: Sequence[Atoms], model: LoadedModel | Calculator) -> list[float]:
    if not isinstance(model, Calculator):
        return [float(np.linalg.norm(forces, axis=1).max()) for forces in model.predict(systems).forces_ev_per_ang]
    largest = []
    for atoms in systems:
        model.reset()
        largest.append(float(np.linalg.norm(model.get_forces(atoms.copy()), axis=1).max()))
    return largest
