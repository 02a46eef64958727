"""Energies of orderings and candidates from a model, as they are or relaxed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, Structure

from disolyte.enumeration.schema import EnumerationDoc, OrderingSet
from disolyte.errors import CompositionError, InputError, StructureError
from disolyte.thermodynamics.candidates import Candidate
from disolyte.thermodynamics.energies import EnergyModel, to_atoms
from disolyte.thermodynamics.hull import Phase
from disolyte.thermodynamics.relaxation import relax_structure
from disolyte.thermodynamics.schema import ParentSetting, Relaxation, RelaxationProtocol

CHUNK: Final = 256
"""Structures held as objects at a time: an enumeration may hold millions as bytes."""


@dataclass(frozen=True)
class RankedOrderings:
    """The lowest orderings of a composition."""

    candidates: list[Candidate]
    """Lowest energy first."""
    energies_ev_per_fu: NDArray[np.float64]
    """Energy of every ordering, in the order of the enumeration, shape (n_orderings,); not finite where it failed."""

    @property
    def n_ranked(self) -> int:
        """Orderings with a finite energy."""
        return int(np.isfinite(self.energies_ev_per_fu).sum())

    @property
    def n_failed(self) -> int:
        """Orderings whose energy was not finite."""
        return self.energies_ev_per_fu.size - self.n_ranked


def rank_orderings(
    enumeration: EnumerationDoc, model: EnergyModel, *, n_candidates: int, max_atoms: int, n_first: int = 0
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
    max_atoms
        Atoms in one pass of the model.
    n_first
        How many of those kept are the first of the enumeration, whatever the model says of them as they are.

    Raises
    ------
    InputError
        If fewer than one is to be kept.
    CompositionError
        If the enumeration holds no ordering.
    StructureError
        If no ordering has a finite energy.
    """
    if n_candidates < 1:
        raise InputError(f"n_candidates is {n_candidates}; at least 1 ordering must be handed on")
    if not enumeration.n_orderings:
        raise CompositionError(
            f"the enumeration of {enumeration.point.formula} holds no ordering; leave the composition out"
        )
    lowest: list[Candidate] = []
    first: list[Candidate] = []
    energies: list[float] = []
    for chunk in _unranked(enumeration):
        predicted = model.predict_energies([to_atoms(entry.structure) for entry in chunk], max_atoms=max_atoms)
        evaluated = [replace(entry, energy_ev=float(energy)) for entry, energy in zip(chunk, predicted, strict=True)]
        energies += [entry.energy_ev_per_fu for entry in evaluated]
        found = [entry for entry in evaluated if math.isfinite(entry.energy_ev)]
        lowest = sorted([*lowest, *found], key=lambda entry: entry.energy_ev_per_fu)[:n_candidates]
        first = sorted([*first, *found], key=_place)[:n_first]
    if not lowest:
        raise StructureError(
            f"none of the {len(energies)} orderings of {enumeration.point.formula} has a finite energy with "
            f"{model.name!r}"
        )
    kept = list({entry.origin: entry for entry in [*first, *lowest]}.values())[:n_candidates]
    return RankedOrderings(sorted(kept, key=lambda entry: entry.energy_ev_per_fu), np.array(energies))


def _place(candidate: Candidate) -> tuple[int, int]:
    """Place in the enumeration: the first of all cells, the second of all cells, and so on."""
    cell, number = candidate.origin or (0, 0)
    return number, cell


def evaluate_candidates(
    candidates: Sequence[Candidate], model: EnergyModel, protocol: RelaxationProtocol, *, max_atoms: int
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
    max_atoms
        Atoms in one pass of the model, where nothing is relaxed.

    Raises
    ------
    InputError
        If an energy is not finite; it names the structures.
    """
    if protocol.kind is Relaxation.STATIC:
        energies = model.predict_energies([to_atoms(entry.structure) for entry in candidates], max_atoms=max_atoms)
        after = [replace(entry, energy_ev=float(energy)) for entry, energy in zip(candidates, energies, strict=True)]
    else:
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


def evaluate_competing(
    structures: Sequence[Structure], model: EnergyModel, protocol: RelaxationProtocol
) -> list[Phase]:
    """Competing phases with the model's energies, relaxed as the compositions are; the lowest of each formula.

    Parameters
    ----------
    structures
        Ordered structures.
    model
        Source of the energies.
    protocol
        What is relaxed, and how far.

    Raises
    ------
    InputError
        If an energy is not finite.
    """
    lowest: dict[str, Phase] = {}
    for structure in structures:
        relaxed = relax_structure(structure, model.calculator(), protocol)
        formula, n_formula_units = structure.composition.get_reduced_formula_and_factor()
        if not math.isfinite(relaxed.energy_ev):
            raise InputError(f"model {model.name!r} gives no finite energy for the competing phase {formula}")
        phase = Phase(
            formula=formula,
            amounts=Composition(formula).get_el_amt_dict(),
            energy_ev_per_fu=relaxed.energy_ev / n_formula_units,
        )
        if formula not in lowest or phase.energy_ev_per_fu < lowest[formula].energy_ev_per_fu:
            lowest[formula] = phase
    return list(lowest.values())


def _unranked(enumeration: EnumerationDoc) -> Iterator[list[Candidate]]:
    """All orderings without their energies, in chunks of one cell."""
    for number, cell in enumerate(enumeration.cells):
        parent = _parent_setting(cell)
        for start in range(0, cell.n_orderings, CHUNK):
            indices = list(range(start, min(start + CHUNK, cell.n_orderings)))
            yield [
                Candidate(
                    enumeration.point,
                    structure,
                    math.nan,
                    cell.n_formula_units,
                    parent=parent,
                    origin=(number, index),
                )
                for index, structure in zip(indices, cell.structures(indices), strict=True)
            ]


def _parent_setting(cell: OrderingSet) -> ParentSetting:
    supercell = np.array(cell.supercell)
    parent = np.linalg.solve(supercell.astype(float), np.array(cell.lattice_ang))
    return ParentSetting(supercell=supercell.tolist(), lattice_ang=parent.tolist())
