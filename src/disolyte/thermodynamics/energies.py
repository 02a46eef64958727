"""What gives energies: a loaded model, or any ASE calculator such as those of atomate2's force fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from pymatgen.core import Element, Lattice, Structure

from disolyte.models.loaded import batch_by_atoms


class EnergyModel(Protocol):
    """A source of energies, and of forces through its calculator."""

    @property
    def name(self) -> str:
        """Name under which documents speak of it."""

    @property
    def sha256(self) -> str:
        """Hash that identifies it."""

    @property
    def caveats(self) -> list[str]:
        """What a reader of any number from it must know."""

    def predict_energies(self, structures: Sequence[Atoms], max_atoms: int) -> NDArray[np.float64]:
        """Energies, eV, shape (n,), with at most ``max_atoms`` atoms in one pass."""

    def calculator(self) -> Calculator:
        """ASE calculator, for relaxations."""


class CalculatorModel:
    """Energies from an ASE calculator.

    CHGNet's calculator is asked for energies alone, many structures in one pass; any other for one structure at a time.

    Parameters
    ----------
    calculator
        The calculator.
    name
        Name under which documents speak of it.
    settings
        What it was made with; part of its identity where its weights cannot be seen.
    """

    def __init__(self, calculator: Calculator, *, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self.caveats: list[str] = []
        self._calculator = calculator
        self.sha256 = _identify(calculator, name, settings)

    def calculator(self) -> Calculator:
        """The calculator."""
        return self._calculator

    def predict_energies(self, structures: Sequence[Atoms], max_atoms: int = 512) -> NDArray[np.float64]:
        """Energies, eV, shape (n,)."""
        network = getattr(self._calculator, "model", None)
        if hasattr(network, "predict_structure") and hasattr(network, "is_intensive"):
            return _predict_chgnet(network, structures, max_atoms)
        return np.array([self._calculator.get_potential_energy(atoms) for atoms in structures], dtype=float)


def to_atoms(structure: Structure) -> Atoms:
    """ASE atoms of an ordered structure, periodic in three directions."""
    return Atoms(
        numbers=structure.atomic_numbers,
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


def to_structure(atoms: Atoms) -> Structure:
    """Ordered structure of periodic atoms."""
    return Structure(
        Lattice(atoms.cell.array), [Element.from_Z(int(z)) for z in atoms.numbers], atoms.get_scaled_positions()
    )


def _predict_chgnet(network: Any, structures: Sequence[Atoms], max_atoms: int) -> NDArray[np.float64]:
    energies = np.empty(len(structures))
    for batch in batch_by_atoms([len(atoms) for atoms in structures], max_atoms):
        found = network.predict_structure([to_structure(structures[i]) for i in batch], task="e", batch_size=len(batch))
        for index, prediction in zip(batch, [found] if isinstance(found, dict) else found, strict=True):
            energies[index] = float(prediction["e"]) * (len(structures[index]) if network.is_intensive else 1)
    return energies


def _identify(calculator: Calculator, name: str, settings: Mapping[str, Any]) -> str:
    """SHA-256 of the weights where the calculator shows a torch network, else of name and settings."""
    network = getattr(calculator, "model", None) or next(iter(getattr(calculator, "models", None) or []), None)
    digest = hashlib.sha256(json.dumps([name, dict(settings)], sort_keys=True, default=str).encode())
    if network is not None and hasattr(network, "state_dict"):
        digest = hashlib.sha256()
        for key, tensor in sorted(network.state_dict().items()):
            digest.update(key.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
