"""Candidates of all compositions: gathering them, their hull, and the pick from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pymatgen.core import Structure

from disolyte.errors import CompositionError, InputError
from disolyte.systems.schema import GridPoint
from disolyte.thermodynamics.duplicates import find_distinct
from disolyte.thermodynamics.hull import Phase, mixing_hull
from disolyte.thermodynamics.schema import MixingHull, ParentSetting, RankedEnergiesDoc, SelectedStructure, SelectionDoc
from disolyte.thermodynamics.selection import boltzmann_probabilities, draw_structures


@dataclass(frozen=True)
class Candidate:
    """An ordered structure with its energy."""

    point: GridPoint
    """Its composition."""
    structure: Structure
    """The structure."""
    energy_ev: float
    """Energy of its cell."""
    n_formula_units: float
    """Formula units in its cell."""
    family: str | None = None
    """Its name, once it was selected."""
    converged: bool = True
    """Whether its relaxation, if any, converged."""
    parent: ParentSetting | None = None
    """The cell it was built in."""
    origin: tuple[int, int] | None = None
    """Its cell and number in the enumeration."""

    @property
    def energy_ev_per_fu(self) -> float:
        """Energy per formula unit."""
        return self.energy_ev / self.n_formula_units

    @property
    def n_atoms_per_fu(self) -> float:
        """Atoms in one formula unit."""
        return len(self.structure) / self.n_formula_units


@dataclass(frozen=True)
class Pick:
    """Structures picked, with the hull they were measured against."""

    entries: list[SelectedStructure]
    """By composition, lowest energy first."""
    hull: MixingHull
    """Hull of all compositions."""
    note: str | None
    """Why the number asked for was not met, if it was not."""


def gather_candidates(rankings: Sequence[RankedEnergiesDoc]) -> tuple[list[Candidate], int]:
    """Distinct structures of all compositions.

    Parameters
    ----------
    rankings
        One for each composition, from one model.

    Returns
    -------
    candidates : list of Candidate
        By composition, lowest energy first.
    n_duplicates : int
        Structures left out as copies of another one by symmetry.

    Raises
    ------
    InputError
        If there are no rankings, the models differ, or an energy is not finite.
    CompositionError
        If a composition holds no structure.
    """
    _check_rankings(rankings)
    candidates: list[Candidate] = []
    n_duplicates = 0
    for ranking in rankings:
        structures = ranking.structures
        order = sorted(range(len(structures)), key=ranking.energies_ev_per_fu.__getitem__)
        distinct = find_distinct([structures[i] for i in order], [ranking.energies_ev_per_fu[i] for i in order])
        n_duplicates += len(order) - len(distinct)
        candidates += [
            Candidate(
                point=ranking.point,
                structure=structures[i],
                energy_ev=ranking.energies_ev_per_fu[i] * ranking.n_formula_units[i],
                n_formula_units=ranking.n_formula_units[i],
                parent=ranking.parents[i] if ranking.parents else None,
            )
            for i in (order[j] for j in distinct)
        ]
    return candidates, n_duplicates


def selected_candidates(selection: SelectionDoc) -> list[Candidate]:
    """The selected structures with their energies."""
    return [
        Candidate(
            point=entry.point,
            structure=entry.structure,
            energy_ev=entry.energy_ev_per_fu * entry.n_formula_units,
            n_formula_units=entry.n_formula_units,
            family=entry.family,
            parent=entry.parent,
        )
        for entry in selection.entries
    ]


def lowest_phases(candidates: Sequence[Candidate]) -> list[Phase]:
    """Lowest energy of each composition, in the order in which they first appear."""
    return [
        Phase(
            formula=candidate.point.formula,
            amounts={
                element: amount / candidate.n_formula_units
                for element, amount in candidate.structure.composition.get_el_amt_dict().items()
            },
            energy_ev_per_fu=candidate.energy_ev_per_fu,
        )
        for candidate in lowest_candidates(candidates)
    ]


def lowest_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Lowest structure of each composition, in the order in which they first appear."""
    lowest: dict[str, Candidate] = {}
    for candidate in candidates:
        best = lowest.setdefault(candidate.point.formula, candidate)
        if candidate.energy_ev_per_fu < best.energy_ev_per_fu:
            lowest[candidate.point.formula] = candidate
    return list(lowest.values())


def heights_above_hull(candidates: Sequence[Candidate], hull: MixingHull) -> list[float]:
    """Energy of each candidate above the hull, eV per formula unit."""
    rows = {row.formula: row for row in hull.rows}
    return [
        max(candidate.energy_ev_per_fu - rows[candidate.point.formula].hull_energy_ev_per_fu, 0.0)
        for candidate in candidates
    ]


def pick_structures(
    candidates: Sequence[Candidate], end_members: Sequence[str], *, n_select: int, temperature_k: float, seed: int
) -> Pick:
    """Draw structures by their Boltzmann weight above the hull; the lowest of each composition is always in.

    Parameters
    ----------
    candidates
        Distinct structures of all compositions.
    end_members
        Formulas that span the compositions.
    n_select
        Structures asked for, the lowest of each composition among them.
    temperature_k
        Temperature of the weights.
    seed
        Seed of the draw.

    Raises
    ------
    InputError
        If the temperature or ``n_select`` is not positive, or there is only one composition.
    CompositionError
        If the end members do not span the compositions.
    """
    hull = mixing_hull(lowest_phases(candidates), end_members)
    heights = heights_above_hull(candidates, hull)
    probabilities = boltzmann_probabilities(heights, temperature_k)
    ground = {id(candidate) for candidate in lowest_candidates(candidates)}
    always = [index for index, candidate in enumerate(candidates) if id(candidate) in ground]
    chosen = draw_structures(heights, n_select=n_select, temperature_k=temperature_k, seed=seed, always=always)
    numbers: Counter[str] = Counter()
    entries = []
    for index in chosen:
        candidate = candidates[index]
        formula = candidate.point.formula
        entries.append(
            SelectedStructure(
                structure=candidate.structure,
                point=candidate.point,
                family=f"{formula}-{numbers[formula]:03d}",
                energy_ev_per_atom=candidate.energy_ev / len(candidate.structure),
                energy_ev_per_fu=candidate.energy_ev_per_fu,
                n_formula_units=candidate.n_formula_units,
                e_hull_ev_per_fu=heights[index],
                e_hull_ev_per_atom=heights[index] / candidate.n_atoms_per_fu,
                probability=float(probabilities[index]),
                is_ground_state=index in always,
                parent=candidate.parent,
            )
        )
        numbers[formula] += 1
    return Pick(entries, hull, _note(n_select, n_candidates=len(candidates), n_ground_states=len(always)))


def _note(n_select: int, *, n_candidates: int, n_ground_states: int) -> str | None:
    if n_candidates < n_select:
        return f"{n_select} structures were asked for, but only {n_candidates} distinct ones were ranked"
    if n_ground_states > n_select:
        return f"{n_select} structures were asked for, but the ground states of all compositions are {n_ground_states}"
    return None


def _check_rankings(rankings: Sequence[RankedEnergiesDoc]) -> None:
    if not rankings:
        raise InputError("there are no ranked energies to select from; rank at least the end members")
    models = {f"{ranking.model_name} ({ranking.model_sha256[:12]}…)" for ranking in rankings}
    kinds = {ranking.relaxation.value for ranking in rankings}
    if len(models) > 1 or len(kinds) > 1:
        raise InputError(
            f"the rankings rest on different energies, models {sorted(models)} and relaxations {sorted(kinds)}: "
            "rank all compositions in the same way"
        )
    for ranking in rankings:
        formula = ranking.point.formula
        if not ranking.energies_ev_per_fu:
            raise CompositionError(f"the ranking of {formula} holds no structure; leave the composition out")
        bad = [index for index, energy in enumerate(ranking.energies_ev_per_fu) if not math.isfinite(energy)]
        if bad:
            raise InputError(f"the energies of structures {bad[:10]} of {formula} are not finite; leave them out")
