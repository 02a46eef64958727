"""What is sampled: structures with the names that their frames keep, and the seeds of their runs."""

from __future__ import annotations

import hashlib

import numpy as np
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte.errors import InputError, StructureError
from disolyte.thermodynamics.schema import SelectedStructure


def derive_seed(seed: int, family: str) -> int:
    """Seed of one run, the same whatever batch it is in."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{family}".encode()).digest()[:4])


def as_systems(entries: list[SelectedStructure] | list[Structure] | Structure) -> list[Atoms]:
    """Structures as ASE atoms with ``family`` and ``composition`` in their ``info``.

    Parameters
    ----------
    entries
        Selected structures, or bare ones, which are named by formula and number.

    Raises
    ------
    InputError
        If there are none, or two share a family.
    StructureError
        If one is disordered.
    """
    items: list[SelectedStructure | Structure] = [entries] if isinstance(entries, Structure) else list(entries)
    if not items:
        raise InputError("there are no structures to sample: give at least one")
    systems = []
    for index, item in enumerate(items):
        if isinstance(item, Structure):
            structure, composition = item, item.composition.reduced_formula
            family = f"{composition}-{index:03d}"
        else:
            structure, composition, family = item.structure, item.point.formula, item.family
        if not structure.is_ordered:
            raise StructureError(f"{family} is disordered; MD needs orderings, such as EnumerationMaker makes")
        bare = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms = Atoms(bare.numbers, bare.positions, cell=np.array(bare.cell), pbc=True)
        atoms.info |= {"family": family, "composition": composition}
        systems.append(atoms)
    families = [atoms.info["family"] for atoms in systems]
    if repeated := sorted({family for family in families if families.count(family) > 1}):
        raise InputError(f"families must be unique, repeated are {', '.join(repeated)}: rename them")
    return systems
