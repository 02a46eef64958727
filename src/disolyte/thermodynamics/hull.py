"""Convex hulls over the mixing line, plane or space of end members, per formula unit.

Compositions are taken as mixtures of the end members. In these coordinates the end members are the 'elements' of
pymatgen's :class:`~pymatgen.analysis.phase_diagram.PhaseDiagram`, and energies 'per atom' are per formula unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition, DummySpecies

from disolyte.errors import CompositionError, InputError
from disolyte.thermodynamics.schema import MixingHull, PhaseRow

SHARE_TOLERANCE: Final = 1e-3
"""Deviation of a composition from the mixing space, in atoms per formula unit, that is put down to rounding."""

STABILITY_TOLERANCE_EV_PER_FU: Final = 1e-6
"""Height above the hull up to which a composition counts as on it."""


@dataclass(frozen=True)
class Phase:
    """A composition with its lowest energy."""

    formula: str
    """Name of the composition."""
    amounts: Mapping[str, float]
    """Atoms of each element in one formula unit."""
    energy_ev_per_fu: float
    """Lowest energy."""


def mixing_shares(amounts: Mapping[str, float], end_members: Sequence[str]) -> NDArray[np.float64]:
    """Share of each end member in a composition.

    Parameters
    ----------
    amounts
        Atoms of each element in one formula unit.
    end_members
        Formulas of the end members, one formula unit each.

    Returns
    -------
    ndarray
        Shares, shape (n_end_members,), that add up to 1.

    Raises
    ------
    CompositionError
        If the end members are not independent, or the composition is no mixture of them.

    Examples
    --------
    >>> mixing_shares({"Li": 3, "In": 1, "Br": 1.5, "Cl": 4.5}, ["Li3InCl6", "Li3InBr6"])
    array([0.75, 0.25])
    """
    ends = [_amounts(formula) for formula in end_members]
    elements = sorted({element for end in [*ends, amounts] for element in end})
    matrix = np.array([[end.get(element, 0.0) for end in ends] for element in elements])
    if np.linalg.matrix_rank(matrix, tol=1e-6) < len(ends):
        raise CompositionError(
            f"the end members {list(end_members)} are not independent: one of them is a mixture of the others; "
            "leave it out"
        )
    target = np.array([amounts.get(element, 0.0) for element in elements])
    shares = np.linalg.lstsq(matrix, target, rcond=None)[0]
    misfit = np.abs(matrix @ shares - target)
    name = _name(amounts)
    if misfit.max() > SHARE_TOLERANCE:
        worst = elements[int(misfit.argmax())]
        raise CompositionError(
            f"{name} is no mixture of the end members {list(end_members)}: {worst} differs by {misfit.max():.3g} atoms "
            "per formula unit; choose end members that span the grid"
        )
    if shares.min() < -SHARE_TOLERANCE:
        raise CompositionError(
            f"{name} lies outside the end members {list(end_members)}: it holds {shares.min():.3g} of "
            f"{end_members[int(shares.argmin())]}; choose end members that enclose the grid"
        )
    if abs(shares.sum() - 1) > SHARE_TOLERANCE:
        raise CompositionError(
            f"{name} holds {shares.sum():.4g} formula units of the end members {list(end_members)} instead of 1; "
            "correct the number of formula units"
        )
    shares = np.where(np.abs(shares) < 1e-9, 0.0, np.clip(shares, 0.0, None))
    return shares / shares.sum()


def mixing_hull(phases: Sequence[Phase], end_members: Sequence[str]) -> MixingHull:
    """Hull of the lowest energies of all compositions.

    Parameters
    ----------
    phases
        Compositions with their lowest energy; the end members among them.
    end_members
        Formulas of the end members: two for a line, three for a plane. A system of one composition is its own end
        member, and its hull a point.

    Returns
    -------
    MixingHull
        One row for each phase, in their order.

    Raises
    ------
    InputError
        If there are too few compositions or end members, or an energy is not finite.
    CompositionError
        If the end members do not span the compositions, or have no energy.
    """
    # Brings plotly and pyplot along: not at the import of every module that reads a schema of this stage.
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram

    _check_phases(phases, end_members)
    shares = [mixing_shares(phase.amounts, end_members) for phase in phases]
    axes = [DummySpecies(f"X{letter}") for letter in "abcdefghijklmnop"[: len(end_members)]]
    compositions = [Composition({axis: s for axis, s in zip(axes, row, strict=True) if s}) for row in shares]
    entries = [
        PDEntry(composition, phase.energy_ev_per_fu, name=phase.formula)
        for composition, phase in zip(compositions, phases, strict=True)
    ]
    corners = _corner_energies(phases, np.array(shares), end_members)
    diagram = PhaseDiagram(entries, elements=list[Any](axes))
    names = {id(entry): phase.formula for entry, phase in zip(entries, phases, strict=True)}
    rows = []
    for phase, row, composition in zip(phases, shares, compositions, strict=True):
        parts, hull_energy = diagram.get_decomp_and_hull_energy_per_atom(composition)
        n_atoms = sum(phase.amounts.values())
        formation = phase.energy_ev_per_fu - float(row @ corners)
        above = phase.energy_ev_per_fu - hull_energy
        above = max(above, 0.0) if above > -STABILITY_TOLERANCE_EV_PER_FU else above
        rows.append(
            PhaseRow(
                formula=phase.formula,
                shares=row.tolist(),
                n_atoms_per_fu=n_atoms,
                energy_ev_per_fu=phase.energy_ev_per_fu,
                hull_energy_ev_per_fu=hull_energy,
                formation_energy_ev_per_fu=formation,
                formation_energy_ev_per_atom=formation / n_atoms,
                e_hull_ev_per_fu=above,
                e_hull_ev_per_atom=above / n_atoms,
                is_stable=above <= STABILITY_TOLERANCE_EV_PER_FU,
                decomposition={names[id(part)]: amount for part, amount in parts.items()},
            )
        )
    stable = [names[id(entry)] for entry in diagram.qhull_entries]
    pairs = ((stable[i], stable[j]) for facet in diagram.facets for i, j in combinations(facet, 2))
    edges = {(min(pair), max(pair)) for pair in pairs}
    return MixingHull(end_members=list(end_members), rows=rows, tie_lines=sorted(edges))


def _check_phases(phases: Sequence[Phase], end_members: Sequence[str]) -> None:
    formulas = [phase.formula for phase in phases]
    is_point = len(end_members) == len(formulas) == 1
    if not is_point and (len(end_members) < 2 or len(set(formulas)) < 2):
        raise InputError(
            "a hull needs at least two compositions and two end members, or one of each; got compositions "
            f"{formulas} and end members {list(end_members)}"
        )
    repeated = sorted({formula for formula in formulas if formulas.count(formula) > 1})
    if repeated:
        raise InputError(f"the compositions {repeated} are given more than once; give the lowest energy of each")
    for phase in phases:
        if not math.isfinite(phase.energy_ev_per_fu):
            raise InputError(
                f"the energy of {phase.formula} is {phase.energy_ev_per_fu} eV per formula unit; leave it out"
            )


def _corner_energies(
    phases: Sequence[Phase], shares: NDArray[np.float64], end_members: Sequence[str]
) -> NDArray[np.float64]:
    """Energy of each end member, shape (n_end_members,)."""
    energies = []
    for column, end_member in enumerate(end_members):
        found = np.flatnonzero(shares[:, column] > 1 - 1e-6)
        if not found.size:
            raise CompositionError(
                f"the end member {end_member} has no energy; rank it too. The compositions are "
                f"{[phase.formula for phase in phases]}"
            )
        energies.append(min(phases[int(index)].energy_ev_per_fu for index in found))
    return np.array(energies)


def _amounts(end_member: str) -> dict[str, float]:
    try:
        return Composition(end_member).get_el_amt_dict()
    except ValueError as error:
        raise CompositionError(f"the end member {end_member!r} is no formula: {error}") from error


def _name(amounts: Mapping[str, float]) -> str:
    name = "".join(f"{element}{round(amount, 4):g}" for element, amount in amounts.items() if amount)
    return name or "an empty composition"
