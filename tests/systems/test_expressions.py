import pytest

from disolyte.errors import CompositionError
from disolyte.systems.expressions import evaluate, satisfies


@pytest.mark.parametrize(
    ("expression", "value"),
    [("1-x", 0.75), ("3/4", 0.75), ("(1 - x) * 2 / 3", 0.5), ("-x + +1", 0.75), ("2*x*y", 0.25), ("1e-1", 0.1)],
)
def test_arithmetic(expression, value):
    assert evaluate(expression, {"x": 0.25, "y": 0.5}) == pytest.approx(value)


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "(lambda: 1)()",
        "[1, 2][0]",
        "abs(x)",
        "x if x else y",
        "x == 1",
        "True",
        "1j",
        "'1'",
        "2 ** 9999999999",
        "1 << 1000000",
        "x // 2",
        "x % 2",
        "~1",
        "not x",
        "x := 2",
        "f'{x}'",
        "*x",
        "x; y",
        "lambda: 0",
        "",
        "(" * 150 + "1" + ")" * 150,
        "1" + "+1" * 200,
        "1\x00",
    ],
)
def test_everything_else_is_refused(attack):
    with pytest.raises(CompositionError):
        evaluate(attack, {"x": 0.25, "y": 0.5})


def test_errors_name_the_culprit():
    with pytest.raises(CompositionError, match="'z', which is no axis"):
        evaluate("1 - z", {"x": 0.0})
    with pytest.raises(CompositionError, match="no value"):
        evaluate("1 / x", {"x": 0.0})
    with pytest.raises(CompositionError, match="no finite value"):
        evaluate("1e308 * 10", {})


def test_constraints():
    assert satisfies("x + y >= 1", {"x": 0.1, "y": 0.9})
    assert satisfies("x <= 1 - y", {"x": 0.1, "y": 0.9})
    assert not satisfies("x + y >= 1", {"x": 0.0, "y": 0.75})
    with pytest.raises(CompositionError, match="not two expressions"):
        satisfies("x + y", {"x": 0.0, "y": 0.75})
    with pytest.raises(CompositionError):
        satisfies("0 <= x <= 1", {"x": 0.0})
