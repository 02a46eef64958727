"""Charges of the species: given, stated by the structure, or guessed once and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import gcd, inf, isfinite, nan, prod
from typing import Any
from warnings import catch_warnings

from pymatgen.core import Composition, Element, Species, get_el_sp

from disolyte.errors import OxidationStateError

CHARGE_TOLERANCE_E = 1e-3
"""Total charge of a cell, in elementary charges, that is put down to noise."""

MAX_GUESSED_CHARGE_E_PER_ATOM = 0.05
"""Guessed states may leave this charge: refined or rounded occupancies are seldom exactly neutral."""

MAX_REVERSAL = 0.3
"""Most by which the electronegativity (Pauling) of a guessed cation exceeds that of a guessed anion, as in PbTe."""

_MAX_ASSIGNMENTS = 200_000


@dataclass(frozen=True)
class OxidationStates:
    """Charge of every species, and where it comes from.

    Parameters
    ----------
    values
        Charge by species string, in elementary charges.
    source
        ``"given"``, ``"structure"`` or ``"guessed"``.
    total_charge_e
        Charge of the whole cell.
    caveats
        What a reader must know.
    """

    values: Mapping[str, float]
    source: str
    total_charge_e: float
    caveats: list[str] = field(default_factory=list)


def resolve_oxidation_states(amounts: Mapping[str, int], given: Mapping[str, float] | None = None) -> OxidationStates:
    """Charge of every species in a cell.

    Parameters
    ----------
    amounts
        Number of atoms of each species (strings such as ``"Li"`` or ``"Li+"``, no vacancies).
    given
        Charges by species or element; they go before those that the species state.

    Raises
    ------
    OxidationStateError
        If charges are missing for some species, all are zero, or none can be guessed.
    """
    given = dict(given or {})
    values: dict[str, float] = {}
    missing = []
    stated = False
    for name in amounts:
        species = get_el_sp(name)
        element = str(getattr(species, "element", species))
        state = getattr(species, "oxi_state", None)
        if name in given or element in given:
            values[name] = _read_charge(name, given[name] if name in given else given[element])
        elif isinstance(state, int | float):
            values[name] = float(state)
            stated = True
        else:
            missing.append(name)
    if given and len(missing) == len(amounts):
        raise OxidationStateError(
            f"oxidation_states names {', '.join(map(str, given))}, but the structure holds {', '.join(amounts)}: name "
            "these"
        )
    if missing and values:
        raise OxidationStateError(
            f"oxidation states are known for {', '.join(values)} but not for {', '.join(missing)}: give them all in "
            "oxidation_states"
        )
    source = "structure" if stated else "given"
    caveats: list[str] = []
    if missing:
        values, source = guess_oxidation_states(amounts), "guessed"
        caveats.append("oxidation states were guessed: " + ", ".join(f"{name} {q:+g}" for name, q in values.items()))
    if not any(values.values()):
        raise OxidationStateError(
            f"all oxidation states of {', '.join(values)} are zero, so all Coulomb energies would be zero: give the "
            "charges in oxidation_states, or rank with another energy"
        )
    total = sum(values[name] * amount for name, amount in amounts.items())
    if abs(total) > CHARGE_TOLERANCE_E:
        caveats.append(
            f"the cell carries a charge of {total:+.4g} e, compensated by a uniform background in the Ewald energies"
        )
    return OxidationStates(values, source, total, caveats)


def charges_of_species(amounts: Mapping[str, int], given: Mapping[str, float]) -> OxidationStates | None:
    """Oxidation states, those that species state before given ones; None where they cannot be told.

    Given charges may stand for something else than oxidation states: those by which orderings are ranked.

    Parameters
    ----------
    amounts
        Number of atoms of each species.
    given
        Charges by species or element.
    """
    stated = [getattr(get_el_sp(name), "oxi_state", None) for name in amounts]
    try:
        return resolve_oxidation_states(amounts, None if all(state is not None for state in stated) else given)
    except OxidationStateError:
        return None


def _read_charge(name: str, value: Any) -> float:
    try:
        charge = float(value)
    except (TypeError, ValueError):
        charge = nan
    if not isfinite(charge):
        raise OxidationStateError(f"the oxidation state of {name} is {value!r}; it must be a number, such as 2 or -1")
    return charge


def guess_oxidation_states(amounts: Mapping[str, int]) -> dict[str, float]:
    """One oxidation state for each element that makes the cell neutral; the commonest such assignment.

    Where no assignment does so exactly, that of common states which comes closest. None is taken that makes an element
    positive beside a negative one of lower electronegativity: chlorine beside antimony, or sulphur beside phosphorus.

    Parameters
    ----------
    amounts
        Number of atoms of each element.

    Raises
    ------
    OxidationStateError
        If no plausible one leaves less than :data:`MAX_GUESSED_CHARGE_E_PER_ATOM`.

    Examples
    --------
    >>> guess_oxidation_states({"Fe": 1, "Sb": 1, "O": 4})
    {'Fe': 3.0, 'Sb': 5.0, 'O': -2.0}
    """
    names = list(amounts)
    divisor = gcd(*amounts.values())
    reduced = [amount // divisor for amount in amounts.values()]
    for tables in (_common_states, _known_states):
        options = [tables(name) for name in names]
        if not 0 < prod(len(entry) for entry in options) <= _MAX_ASSIGNMENTS:
            continue
        charges = {
            states: abs(sum(q * n for q, n in zip(states, reduced, strict=True)))
            for states in product(*options)
            if _is_plausible(names, states)
        }
        allowed = MAX_GUESSED_CHARGE_E_PER_ATOM * sum(reduced) if tables is _common_states else 0.0
        smallest = min(charges.values(), default=inf)
        if smallest <= allowed:
            nearest = [states for states, charge in charges.items() if charge == smallest]
            best = max(nearest, key=lambda states: _likelihood(names, states))
            return {name: float(q) for name, q in zip(names, best, strict=True)}
    formula = "".join(f"{name}{amount}" for name, amount in zip(names, reduced, strict=True))
    raise OxidationStateError(
        f"no oxidation states of {', '.join(names)} make {formula} neutral with the electronegative elements negative: "
        "correct the occupancies, or give the states in oxidation_states (or with the species of the structure)"
    )


def _is_plausible(names: list[str], states: tuple[int, ...]) -> bool:
    """Whether no cation is markedly more electronegative than an anion."""
    pulls = [_electronegativity(name) for name in names]
    cations = [pull for pull, state in zip(pulls, states, strict=True) if state > 0]
    anions = [pull for pull, state in zip(pulls, states, strict=True) if state < 0]
    return max(cations, default=-inf) - min(anions, default=inf) <= MAX_REVERSAL


@cache
def _electronegativity(name: str) -> float:
    with catch_warnings(action="ignore"):  # of noble gases pymatgen warns that there is none
        return float(Element(name).X)


def _common_states(name: str) -> tuple[int, ...]:
    element = Element(name)
    return tuple(element.common_oxidation_states or element.oxidation_states)


def _known_states(name: str) -> tuple[int, ...]:
    element = Element(name)
    return tuple(sorted({*element.icsd_oxidation_states, *_common_states(name)}))


def _likelihood(names: list[str], states: tuple[int, ...]) -> float:
    """Sum of the frequencies of the states in the ICSD, as pymatgen counts them."""
    if Composition.oxi_prob is None:
        Composition("NaCl").oxi_state_guesses()  # pymatgen loads the table at its first guess for a compound
    table: Any = Composition.oxi_prob
    return sum(float(table.get(Species(name, q), 0)) for name, q in zip(names, states, strict=True))
