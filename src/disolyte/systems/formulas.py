"""Formulas as text, and elements from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def format_formula(amounts: Mapping[str, float]) -> str:
    """Formula in the order of ``amounts``, up to four decimals; elements of amount 0 are left out.

    Examples
    --------
    >>> format_formula({"Li": 3.0, "In": 0.5, "Y": 0.5, "Br": 6.0, "Cl": 0.0})
    'Li3In0.5Y0.5Br6'
    """
    rounded = {element: round(amount, 4) for element, amount in amounts.items()}
    return "".join(f"{element}{'' if n == 1 else f'{n:g}'}" for element, n in rounded.items() if n)


def element_symbol(species: Any) -> str:
    """Element of a pymatgen Element or Species."""
    return str(getattr(species, "element", species).symbol)


def count_formula_units(amounts: Iterable[float]) -> int:
    """Greatest common divisor of the amounts in a cell where all are whole numbers within 0.1; else 1.

    Examples
    --------
    >>> count_formula_units([24.02, 4, 20, 4]), count_formula_units([24.5, 4])
    (4, 1)
    """
    present = [amount for amount in amounts if amount > 0]
    if any(abs(amount - round(amount)) > 0.1 or round(amount) == 0 for amount in present):
        return 1
    return math.gcd(*(round(amount) for amount in present)) or 1
