"""What is checked before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from disolyte.errors import DynamicsError, InputError, StructureError

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
    InputError
        If a system is not ASE atoms.
    StructureError
        If a system has fewer than two atoms, positions that are no numbers, or a cell without a volume.
    ModelCoverageError
        If the model was not made for an element.
    """
    for index, atoms in enumerate(systems):
        if not isinstance(atoms, Atoms):
            raise InputError(
                f"system {index} is of type {type(atoms).__name__}, not ase.Atoms: convert it, "
                "a pymatgen structure with AseAtomsAdaptor.get_atoms"
            )
        name = f"system {index} ({atoms.get_chemical_formula()})"
        if len(atoms) < 2:
            raise StructureError(f"{name} has {len(atoms)} atom(s), of at least 2 that are needed: use a supercell")
        if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell).all()):
            raise StructureError(f"{name} has positions or a cell that are not finite: correct the structure")
        if not _has_volume(atoms):
            raise StructureError(
                f"{name} is periodic, but its cell {np.array(atoms.cell).tolist()} has no volume: "
                "correct the cell, or set pbc=False"
            )
    if not isinstance(model, Calculator):
        model.check_elements(systems)


def _has_volume(atoms: Atoms) -> bool:
    """Whether the cell's vectors are independent and there is one for each periodic direction."""
    lengths_ang = atoms.cell.lengths()
    whole = atoms.cell.complete()
    return bool(np.all(lengths_ang[atoms.pbc] > 0) and abs(whole.volume) > 1e-6 * np.prod(whole.lengths()))


def prepare_model(systems: Sequence[Atoms], model: LoadedModel) -> LoadedModel:
    """Check the model's precision on one frame, and put it on faster kernels where they can be trusted.

    Parameters
    ----------
    systems
        Structures that will be run; the first one with finite forces is the frame.
    model
        Model.

    Raises
    ------
    DynamicsError
        If the forces in float32 are not those in float64.
    """
    from disolyte.models.acceleration import accelerate, force_difference, in_double_precision

    if model.dtype == "float64" and model.device == "cpu":
        return model
    frame = next((atoms for atoms in systems if _has_finite_forces(atoms, model)), None)
    if frame is None:  # each system ends at step 0, with its reason
        return model
    if model.dtype == "float32":
        difference, allowed = force_difference(model, in_double_precision(model), frame)
        if not difference <= allowed:
            raise DynamicsError(
                f"forces of {model.name!r} in float32 differ from those in float64 by {difference:.2g} eV/Å on "
                f"{frame.get_chemical_formula()}, {allowed:.2g} eV/Å are allowed: use dtype='float64'"
            )
    return accelerate(model, frame)


def _has_finite_forces(atoms: Atoms, model: LoadedModel) -> bool:
    return bool(model.evaluate([atoms], stress=False)["forces"].isfinite().all())
