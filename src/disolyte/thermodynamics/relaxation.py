"""Relaxing ordered structures with a calculator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from pymatgen.core import Structure

from disolyte.thermodynamics.energies import to_atoms, to_structure
from disolyte.thermodynamics.schema import Relaxation, RelaxationProtocol


@dataclass(frozen=True)
class Relaxed:
    """A structure after relaxation."""

    structure: Structure
    """The structure."""
    energy_ev: float
    """Its energy."""
    converged: bool
    """Whether the forces fell below the limit within the steps allowed."""


def relax_structure(structure: Structure, calculator: Calculator, protocol: RelaxationProtocol) -> Relaxed:
    """Relax one structure.

    Parameters
    ----------
    structure
        Ordered structure.
    calculator
        Source of energies, forces and, for the cell, stresses.
    protocol
        What is relaxed, and how far. With :attr:`Relaxation.STATIC` the structure is returned as it is.
    """
    atoms = to_atoms(structure)
    atoms.calc = calculator
    if protocol.kind is Relaxation.STATIC:
        return Relaxed(structure, float(atoms.get_potential_energy()), converged=True)
    target: Any = FrechetCellFilter(atoms) if protocol.kind is Relaxation.CELL else atoms
    with LBFGS(target, logfile=os.devnull) as optimizer:
        converged = optimizer.run(fmax=protocol.max_force_ev_per_ang, steps=protocol.max_steps)
    return Relaxed(to_structure(atoms), float(atoms.get_potential_energy()), converged=bool(converged))
