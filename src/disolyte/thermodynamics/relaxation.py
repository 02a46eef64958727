"""Relaxing ordered structures with a calculator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from pymatgen.core import Element, Lattice, Structure

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


def to_atoms(structure: Structure) -> Atoms:
    """ASE atoms of an ordered structure, periodic in three directions."""
    return Atoms(
        numbers=structure.atomic_numbers,
        scaled_positions=structure.frac_coords,
        cell=structure.lattice.matrix,
        pbc=True,
    )


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
    relaxed = Structure(
        Lattice(atoms.cell.array), [Element.from_Z(int(z)) for z in atoms.numbers], atoms.get_scaled_positions()
    )
    return Relaxed(relaxed, float(atoms.get_potential_energy()), converged=bool(converged))
