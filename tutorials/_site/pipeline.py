"""Draw the picture of the README: ``python tutorials/_site/pipeline.py`` writes ``tutorials/figures/pipeline.svg``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import cos, pi, sin
from pathlib import Path
from typing import Final

WIDTH, HEIGHT = 1000, 520
BOX_W, BOX_H, GAP = 164, 112, 40
LEFT: Final = (WIDTH - 5 * BOX_W - 4 * GAP) / 2
ROWS: Final = (96, 276)
INK, PALE, RULE = "#1f2933", "#52606d", "#9aa5b1"
ROLES: Final = {"cpu": "#2a9d8f", "gpu": "#3d5a98", "dft": "#c8553d"}
STAGES: Final = (
    ("Enumerate", "cpu", ("distinct orderings", "by electrostatic energy")),
    ("Rank", "gpu", ("foundation model,", "convex hull")),
    ("Select", "cpu", ("Boltzmann weight,", "ground states always")),
    ("Sample", "gpu", ("MD at 800 K,", "random strain")),
    ("Label", "dft", ("SCAN single points,", "quality gates")),
    ("Fine-tune", "gpu", ("two heads of MACE,", "errors on a test set")),
    ("Phase diagram", "gpu", ("hull of the", "fine-tuned model")),
    ("Diffuse", "gpu", ("long MD at several", "temperatures")),
)


def place(number: int) -> tuple[float, float]:
    """Upper left corner of one of ten places, five in a row."""
    return LEFT + (number % 5) * (BOX_W + GAP), ROWS[number // 5]


def text(x: float, y: float, words: str, size: int = 15, colour: str = PALE, *, bold: bool = False) -> str:
    """Centred text."""
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{colour}"{weight}>{words}</text>'


def stage(number: int, name: str, role: str, lines: tuple[str, str]) -> Iterator[str]:
    """A box with the name of a stage, its role and what it does."""
    x, y = place(number)
    colour = ROLES[role]
    shape = f'x="{x}" y="{y}" width="{BOX_W}" height="{BOX_H}" rx="10"'
    yield f'<rect {shape} fill="#fff" stroke="{colour}" stroke-width="2"/>'
    yield f'<path d="M{x} {y + 34}V{y + 10}a10 10 0 0 1 10-10h{BOX_W - 20}a10 10 0 0 1 10 10v24z" fill="{colour}"/>'
    yield text(x + BOX_W / 2, y + 23, name, 17, "#fff", bold=True)
    for row, line in enumerate(lines):
        yield text(x + BOX_W / 2, y + 64 + 22 * row, line)


def arrow(x: float, y: float, length: float) -> str:
    """An arrow to the right."""
    tip = x + length
    head = f'<path d="M{tip} {y}l-9-5v10z" fill="{PALE}"/>'
    return f'<path d="M{x} {y}H{tip - 8}" stroke="{PALE}" stroke-width="2"/>{head}'


def crystal(x: float, y: float) -> Iterator[str]:
    """A lattice whose sites are shared: the input."""
    for i in range(4):
        for j in range(3):
            cx, cy, r = x + 34 + 32 * i, y + 22 + 30 * j, 11
            share = (0.25, 0.75, 0.5, 0.5)[(i + 2 * j) % 4]
            angle = 2 * pi * share
            end = f"{cx + r * sin(angle):.1f} {cy - r * cos(angle):.1f}"
            yield f'<circle cx="{cx}" cy="{cy}" r="{r}" fill="#f2cc8f" stroke="{PALE}"/>'
            slice_of_it = f"M{cx} {cy}V{cy - r}A{r} {r} 0 {int(share > 0.5)} 1 {end}z"
            yield f'<path d="{slice_of_it}" fill="#81b29a" stroke="{PALE}"/>'


def line_with_errors(x: float, y: float) -> Iterator[str]:
    """An Arrhenius line with bars: the output."""
    left, bottom = x + 24, y + 98
    yield f'<path d="M{left} {y + 12}V{bottom}H{x + BOX_W - 14}" stroke="{PALE}" fill="none" stroke-width="1.5"/>'
    points = [(left + 18 + 33 * i, y + 28 + 17 * i + (2, -3, 2, -1)[i], 4 + 3 * i) for i in range(4)]
    yield f'<path d="M{left + 6} {y + 22}L{left + 128} {y + 85}" stroke="{ROLES["gpu"]}" stroke-width="2"/>'
    for cx, cy, bar in points:
        yield f'<path d="M{cx} {cy - bar}v{2 * bar}" stroke="{INK}" stroke-width="1.5"/>'
        yield f'<circle cx="{cx}" cy="{cy}" r="4.5" fill="{INK}"/>'


def draw() -> Iterator[str]:
    """All parts of the picture."""
    frame = f'viewBox="-14 0 {WIDTH + 28} {HEIGHT}" role="img" aria-labelledby="title"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>'
    yield '<title id="title">The pipeline: from a disordered crystal to conductivities with errors</title>'
    yield f'<rect x="-14" width="{WIDTH + 28}" height="{HEIGHT}" rx="14" fill="#f7f8fa"/>'
    yield '<g font-family="Helvetica, Arial, sans-serif" text-anchor="middle" fill="none">'
    middles = [place(number)[0] + BOX_W / 2 for number in (0, 4)]
    for words, x, y in (("disordered crystal,", middles[0], 44), ("grid of compositions", middles[0], 64)):
        yield text(x, y, words, 15, INK, bold=True)
    x, y = place(0)
    yield from crystal(x, y)
    for number, (name, role, lines) in enumerate(STAGES, start=1):
        yield from stage(number, name, role, lines)
    x, y = place(9)
    yield from line_with_errors(x, y)
    for words, dy in (
        ("σ, E<tspan dy='4' font-size='11'>a</tspan><tspan dy='-4'> with errors</tspan>", 132),
        ("and a verdict", 152),
    ):
        yield text(middles[1], y + dy, words, 15, INK, bold=True)
    for row in ROWS:
        for number, _ in pairwise(range(5)):
            yield arrow(LEFT + number * (BOX_W + GAP) + BOX_W + 6, row + BOX_H / 2, GAP - 12)
    (right, upper), (left, lower) = place(4), place(5)
    turn, half = (ROWS[0] + BOX_H + ROWS[1]) / 2, BOX_W / 2
    down = f"M{right + half} {upper + BOX_H + 6}V{turn - 10}q0 10-10 10"
    yield f'<path d="{down}H{left + half + 10}q-10 0-10 10V{lower - 14}" stroke="{PALE}" stroke-width="2"/>'
    yield f'<path d="M{left + half} {lower - 6}l-5-9h10z" fill="{PALE}"/>'
    yield f'<path d="M{LEFT} 452H{WIDTH - LEFT}" stroke="{RULE}"/>'
    yield text(WIDTH / 2 + 150, 487, "one job store: each document names its inputs, seeds, models and caveats", 15)
    for number, role in enumerate(ROLES):
        x = LEFT + 6 + 86 * number
        yield f'<rect x="{x}" y="474" width="16" height="16" rx="4" fill="{ROLES[role]}"/>'
        yield text(x + 40, 487, role.upper(), 15, INK, bold=True)
    yield "</g></svg>"


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "figures" / "pipeline.svg"
    target.write_text("\n".join(draw()) + "\n", encoding="utf-8")
