"""Energies of orderings and candidates from a model, as they are or relaxed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from pymatgen.core import Structure

from disolyte.enumeration.schema import EnumerationDoc
from disolyte.errors import InputError
from disolyte.models import LoadedModel
from disolyte.thermodynamics.candidates import Candidate
from disolyte.thermodynamics.relaxation import relax_structure, to_atoms
from disolyte.thermodynamics.schema import Relaxation, RelaxationProtocol

CHUNK: Final = 256
"""Structures held as objects at a time: an enumeration may hold millions as bytes."""


def _orderings(enumeration: EnumerationDoc) -> Iterator[list[tuple[int, int]]]:
    """Indices (cell, ordering) of all orderings, in chunks of one cell."""
    for c, cell in enumerate(enumeration.cells):
        n_orderings = len(cell.energies_ev)
        for start in range(0, n_orderings, CHUNK):
            yield [(c, i) for i in range(start, min(start + CHUNK, n_orderings))]


def static_energies(
    enumeration: EnumerationDoc, model: LoadedModel, batch_size: int
) -> tuple[list[tuple[float, int, int]], int]:
    """(energy per formula unit, cell, ordering) of all orderings with a finite energy, and the number of others."""
    energies: list[tuple[float, int, int]] = []
    n_failed = 0
    for chunk in _orderings(enumeration):
        atoms = [to_atoms(enumeration.cells[c].structure(i)) for c, i in chunk]
        values = model.predict(atoms, batch_size=batch_size).energies_ev
        for value, (c, i) in zip(values, chunk, strict=True):
            if math.isfinite(value):
                energies.append((float(value) / enumeration.cells[c].n_formula_units, c, i))
            else:
                n_failed += 1
    return energies, n_failed


def relax_candidates(
    candidates: Sequence[Candidate], model: LoadedModel, protocol: RelaxationProtocol
) -> tuple[list[Candidate], int]:
    """Candidates after relaxation, lowest energy first, and how many did not converge."""
    if protocol.kind is Relaxation.STATIC:
        return list(candidates), 0
    calculator = model.calculator()
    relaxed = [relax_structure(entry.structure, calculator, protocol) for entry in candidates]
    moved = [
        Candidate(entry.point, result.structure, result.energy_ev, entry.n_formula_units, entry.family)
        for entry, result in zip(candidates, relaxed, strict=True)
    ]
    moved.sort(key=lambda entry: entry.energy_ev_per_fu)
    return moved, sum(not result.converged for result in relaxed)


def evaluate_candidates(
    candidates: Sequence[Candidate], model: LoadedModel, protocol: RelaxationProtocol, batch_size: int
) -> tuple[list[Candidate], set[int]]:
    """Candidates with the model's energies, in their order, and the ids of those that did not converge."""
    structures: list[Structure] = [entry.structure for entry in candidates]
    converged = [True] * len(structures)
    if protocol.kind is Relaxation.STATIC:
        energies = model.predict([to_atoms(structure) for structure in structures], batch_size=batch_size).energies_ev
    else:
        model.check_elements([to_atoms(structure) for structure in structures])
        calculator = model.calculator()
        results = [relax_structure(structure, calculator, protocol) for structure in structures]
        structures = [result.structure for result in results]
        energies = [result.energy_ev for result in results]
        converged = [result.converged for result in results]
    bad = [index for index, energy in enumerate(energies) if not math.isfinite(energy)]
    if bad:
        names = [candidates[index].family or candidates[index].point.formula for index in bad[:10]]
        raise InputError(f"model {model.name!r} gives no finite energy for {names}; do not use it for this system")
    after = [
        Candidate(entry.point, structure, float(energy), entry.n_formula_units, entry.family)
        for entry, structure, energy in zip(candidates, structures, energies, strict=True)
    ]
    return after, {id(entry) for entry, good in zip(after, converged, strict=True) if not good}
