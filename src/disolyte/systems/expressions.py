"""Occupancies and constraints written as arithmetic in the composition axes.

Expressions come from files that people exchange, so they are never handed to :func:`eval`: a small walk over the
syntax tree knows numbers, axis names, ``+ - * /`` and parentheses, and refuses everything else.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from disolyte.errors import CompositionError

MAX_LENGTH: Final = 200
"""Longest expression, in characters: an occupancy is a short polynomial, not a program."""

CONSTRAINT_TOLERANCE: Final = 1e-9
"""Slack within which a constraint counts as met, so that x + y >= 1 holds at x = 0.25, y = 0.75."""

_BINARY: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[float], float]]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}


def evaluate(expression: str, variables: Mapping[str, float]) -> float:
    """Value of an arithmetic expression.

    Parameters
    ----------
    expression
        Numbers, names, ``+ - * /`` and parentheses.
    variables
        Value of each name.

    Returns
    -------
    float
        The value, finite.

    Raises
    ------
    CompositionError
        If the expression holds anything else, an unknown name, or has no finite value.

    Examples
    --------
    >>> evaluate("(1 - x) / 2", {"x": 0.5})
    0.25
    """
    if len(expression) > MAX_LENGTH:
        raise CompositionError(
            f"the expression {expression[:30]!r}… has {len(expression)} characters; at most {MAX_LENGTH} are read"
        )
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CompositionError(f"the expression {expression!r} cannot be read: {error}") from error
    try:
        value = _value(tree.body, variables, expression)
    except (ZeroDivisionError, OverflowError) as error:
        raise CompositionError(f"the expression {expression!r} has no value at {dict(variables)}: {error}") from error
    if not math.isfinite(value):
        raise CompositionError(f"the expression {expression!r} has no finite value at {dict(variables)}: {value}")
    return value


def satisfies(constraint: str, variables: Mapping[str, float]) -> bool:
    """Whether a constraint such as ``"x + y >= 1"`` holds.

    Parameters
    ----------
    constraint
        Two expressions with ``>=`` or ``<=`` between them.
    variables
        Value of each name.

    Raises
    ------
    CompositionError
        If the constraint is not of this form, or one of its sides cannot be evaluated.

    Examples
    --------
    >>> satisfies("x + y >= 1", {"x": 0.25, "y": 0.5})
    False
    """
    for sign, symbol in ((1.0, ">="), (-1.0, "<=")):
        sides = constraint.split(symbol)
        if len(sides) == 2:
            left, right = (evaluate(side, variables) for side in sides)
            return sign * (left - right) >= -CONSTRAINT_TOLERANCE
    raise CompositionError(f"the constraint {constraint!r} is not two expressions with '>=' or '<=' between them")


def _value(node: ast.expr, variables: Mapping[str, float], expression: str) -> float:
    match node:
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in variables:
            return float(variables[name])
        case ast.Name(id=name):
            known = ", ".join(sorted(variables)) or "none"
            raise CompositionError(f"the expression {expression!r} names {name!r}, which is no axis (axes: {known})")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, variables, expression), _value(right, variables, expression))
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(operand, variables, expression))
    raise CompositionError(
        f"the expression {expression!r} holds {ast.unparse(node)!r}; "
        "only numbers, axis names, + - * / and parentheses are read"
    )
