"""Stability against all competing phases: the elements, binaries, whatever energies of the same model are given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linprog

from disolyte.errors import CompositionError, InputError
from disolyte.thermodynamics.hull import Phase
from disolyte.thermodynamics.schema import CompetingRow


def compete(phases: Sequence[Phase], competing: Sequence[Phase]) -> list[CompetingRow]:
    r"""Energy of each phase above the cheapest mixture of all phases with its composition.

    The mixture is the solution of the linear programme :math:`\min \sum_k n_k E_k` with
    :math:`\sum_k n_k \mathbf{c}_k = \mathbf{c}` and :math:`n_k \ge 0` over phases and competing phases: the same as the
    convex hull, without a need of all elements as references.

    Parameters
    ----------
    phases
        Compositions of the system with their lowest energy.
    competing
        Other phases with energies from the same model, e.g. the elements. Where all elements of a composition are among
        them, its energy of formation from the elements is given, too.

    Returns
    -------
    list of CompetingRow
        One for each phase, in their order.

    Raises
    ------
    InputError
        If no competing phase is given, or an energy is not finite.
    CompositionError
        If two phases bear the same name.
    """
    if not competing:
        raise InputError("no competing phase is given; pass at least one, or leave the comparison out")
    everything = [*phases, *competing]
    for phase in everything:
        if not math.isfinite(phase.energy_ev_per_fu):
            raise InputError(f"the energy of {phase.formula} is {phase.energy_ev_per_fu} eV per formula unit")
    names = [phase.formula for phase in everything]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise CompositionError(f"the phases {repeated} are given more than once; give the lowest energy of each")
    elements = sorted({element for phase in everything for element in phase.amounts})
    contents = np.array([[phase.amounts.get(element, 0.0) for phase in everything] for element in elements])
    # Per atom, so that the programme's numbers are of order one.
    sizes = contents.sum(axis=0)
    costs = np.array([phase.energy_ev_per_fu for phase in everything]) / sizes
    pure = _elemental_energies(competing)
    rows = []
    for index, phase in enumerate(phases):
        cheapest = linprog(
            costs, A_eq=contents / sizes, b_eq=contents[:, index] / sizes[index], bounds=(0, None), method="highs"
        )
        above = max(float(costs[index] - cheapest.fun), 0.0)
        shares = {names[k]: float(x) for k, x in enumerate(cheapest.x) if x > 1e-8}
        rows.append(
            CompetingRow(
                formula=phase.formula,
                e_hull_ev_per_atom=above,
                e_hull_ev_per_fu=above * float(sizes[index]),
                decomposition={name: share * sizes[index] / sizes[names.index(name)] for name, share in shares.items()},
                formation_energy_ev_per_atom=_formation_energy(phase, pure),
            )
        )
    return rows


def _elemental_energies(competing: Sequence[Phase]) -> dict[str, float]:
    energies: dict[str, float] = {}
    for phase in competing:
        if len(phase.amounts) == 1:
            ((element, amount),) = phase.amounts.items()
            energies[element] = min(phase.energy_ev_per_fu / amount, energies.get(element, math.inf))
    return energies


def _formation_energy(phase: Phase, pure: Mapping[str, float]) -> float | None:
    if not set(phase.amounts) <= set(pure):
        return None
    reference = sum(amount * pure[element] for element, amount in phase.amounts.items())
    return (phase.energy_ev_per_fu - reference) / sum(phase.amounts.values())
