"""Energies of orderings and candidates from a model, as they are or relaxed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from disolyte.enumeration.schema import EnumerationDoc
from disolyte.errors import InputError, StructureError
from disolyte.models import LoadedModel
from disolyte.thermodynamics.candidates import Candidate
from disolyte.thermodynamics.relaxation import relax_structure, to_atoms
from disolyte.thermodynamics.schema import Relaxation, RelaxationProtocol

CHUNK: Final = 256
"""Structures held as objects at a time: an enumeration may hold millions as bytes."""


@dataclass(frozen=True)
class RankedOrderings:
    """The lowest orderings of a composition."""

    candidates: list[Candidate]
    """Lowest energy first."""
    n_ranked: int
    """Orderings with a finite energy."""
    n_failed: int
    """Orderings whose energy was not finite."""


def rank_orderings(
    enumeration: EnumerationDoc, model: LoadedModel, *, n_candidates: int, batch_size: int
) -> RankedOrderings:
    """Energies of all orderings as they are; the lowest are kept.

    Parameters
    ----------
    enumeration
        Orderings of one composition.
    model
        Source of the energies.
    n_candidates
        Orderings to keep.
    batch_size
        Structures in one pass of the model.

    Raises
    ------
    InputError
        If fewer than one is to be kept.
    StructureError
        If no ordering has a finite energy.
    """
    if n_candidates < 1:
        raise InputError(f"n_candidates is {n_candidates}; at least 1 ordering must be handed on")
    lowest: list[Candidate] = []
    n_ranked = n_failed = 0
    for chunk in _unranked(enumeration):
        energies = model.predict([to_atoms(entry.structure) for entry in chunk], batch_size=batch_size).energies_ev
        found = [
            replace(entry, energy_ev=float(energy))
            for entry, energy in zip(chunk, energies, strict=True)
            if math.isfinite(energy)
        ]
        n_ranked += len(found)
        n_failed += len(chunk) - len(found)
        lowest = sorted([*lowest, *found], key=lambda entry: entry.energy_ev_per_fu)[:n_candidates]
    if not lowest:
        raise StructureError(
            f"none of the {n_failed} orderings of {enumeration.point.formula} has a finite energy with {model.name!r}"
        )
    return RankedOrderings(lowest, n_ranked, n_failed)


def evaluate_candidates(
    candidates: Sequence[Candidate], model: LoadedModel, protocol: RelaxationProtocol, *, batch_size: int
) -> list[Candidate]:
    """Candidates with the model's energies, relaxed if asked for, in their order.

    Parameters
    ----------
    candidates
        Structures.
    model
        Source of the energies.
    protocol
        What is relaxed, and how far.
    batch_size
        Structures in one pass of the model, where nothing is relaxed.

    Raises
    ------
    InputError
        If an energy is not finite; it names the structures.
    """
    atoms = [to_atoms(entry.structure) for entry in candidates]
    if protocol.kind is Relaxation.STATIC:
        energies = model.predict(atoms, batch_size=batch_size).energies_ev
        after = [replace(entry, energy_ev=float(energy)) for entry, energy in zip(candidates, energies, strict=True)]
    else:
        model.check_elements(atoms)
        calculator = model.calculator()
        after = []
        for entry in candidates:
            relaxed = relax_structure(entry.structure, calculator, protocol)
            after.append(
                replace(entry, structure=relaxed.structure, energy_ev=relaxed.energy_ev, converged=relaxed.converged)
            )
    bad = [entry.family or entry.point.formula for entry in after if not math.isfinite(entry.energy_ev)]
    if bad:
        raise InputError(f"model {model.name!r} gives no finite energy for {bad[:10]}; do not use it for this system")
    return after


def _unranked(enumeration: EnumerationDoc) -> Iterator[list[Candidate]]:
    """All orderings without their energies, in chunks of one cell."""
    for cell in enumeration.cells:
        for start in range(0, cell.n_orderings, CHUNK):
            indices = list(range(start, min(start + CHUNK, cell.n_orderings)))
            yield [
                Candidate(enumeration.point, structure, math.nan, cell.n_formula_units)
                for structure in cell.structures(indices)
            ]
