"""``disolyte systems``: what can be studied, and how many orderings that makes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from disolyte.cli.inputs import Round, SupercellCommand, SystemRequest, in_options, option_names, system_options
from disolyte.cli.options import AsJson, takes

if TYPE_CHECKING:
    from disolyte.systems import DisorderedSystem, GridPoint

COUNTING_S: Final = 20.0
"""Time for counting, in seconds; cells that come later are not counted."""

MAX_COUNTED_SITES: Final = 2000
"""Largest cell, in sites, whose orderings are counted."""

_LONGEST_NUMBER: Final = 27
"""Digits and separators of a count that is printed in full."""

app = typer.Typer(invoke_without_command=True, no_args_is_help=False)


@app.callback()
def list_systems(context: typer.Context, as_json: AsJson = False) -> None:
    """List the systems that come with disolyte; show one of them, or your own."""
    if context.invoked_subcommand is not None:
        return
    from disolyte.systems import available_systems, get_system

    systems = [get_system(key) for key in available_systems()]
    rows: list[dict[str, Any]] = [
        {
            "key": system.key,
            "title": system.title,
            "n_compositions": len(system.points()),
            "mobile_ion": system.mobile_ion,
            "end_members": [point.formula for point in system.end_member_points()],
        }
        for system in systems
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = _table("key", "title", "compositions:", "mobile ion")
    for row in rows:
        table.add_row(*map(escape, (row["key"], row["title"], str(row["n_compositions"]), row["mobile_ion"])))
    console = Console(highlight=False)
    console.print(table)
    console.print("More about one: disolyte systems show KEY; your own: disolyte systems show FILE.yaml")


@app.command("show", cls=SupercellCommand)
@takes(system=system_options)
def show(system: SystemRequest, round_: Round = False, as_json: AsJson = False) -> None:
    """Show a system: compositions, cells that hold them, atoms, and exact numbers of orderings."""
    from disolyte.cli.messages import readable_errors

    with readable_errors(), option_names(is_structure_file=system.is_structure_file):
        description = _describe(system.load(), rounded=round_)
        if as_json:
            typer.echo(json.dumps(description, indent=2))
            return
        _print(description, system, Console(highlight=False))


def register(parent: typer.Typer) -> None:
    """Add ``systems`` to an application."""
    parent.add_typer(app, name="systems")


def _describe(system: DisorderedSystem, *, rounded: bool) -> dict[str, Any]:
    from disolyte.systems.exclusions import Exclusion, find_exclusions
    from disolyte.systems.structures import disordered_structure, find_symmetry

    deadline = time.monotonic() + COUNTING_S
    points = system.points()
    symmetry = find_symmetry(system.parents[0])
    closest: dict[tuple[str, str], Exclusion] = {}
    for exclusion in (pair for point in points for pair in find_exclusions(disordered_structure(system, point))):
        known = closest.setdefault(exclusion.sublattices, exclusion)
        closest[exclusion.sublattices] = min(known, exclusion, key=lambda pair: pair.distance_ang)
    return {
        "key": system.key,
        "title": system.title,
        "mobile_ion": system.mobile_ion,
        "space_group": symmetry.international,
        "space_group_number": int(symmetry.number),
        "formula_units_per_cell": system.formula_units_per_cell,
        "n_sites_per_cell": len(system.parents[0]),
        "axes": system.axes,
        "constraints": system.constraints,
        "end_members": [point.formula for point in system.end_member_points()],
        "oxidation_states": system.oxidation_states,
        "ranking_charges": system.ranking_charges,
        "sublattices": list(_describe_sublattices(system)),
        "compositions": [_describe_composition(system, point, deadline, rounded) for point in points],
        "references": system.references,
        "caveats": [*system.caveats, *map(str, closest.values())],
    }


def _describe_sublattices(system: DisorderedSystem) -> Iterator[dict[str, Any]]:
    for label, species in system.sublattices():
        yield {"name": label, "n_sites": system.labels.count(label), "species": species}


def _describe_composition(system: DisorderedSystem, point: GridPoint, deadline: float, rounded: bool) -> dict[str, Any]:
    from disolyte.enumeration.composition import Rounding
    from disolyte.enumeration.holding import find_holding_spaces
    from disolyte.errors import CompositionError
    from disolyte.systems import disordered_structure

    described: dict[str, Any] = {"formula": point.formula, "coordinates": point.coordinates, "cells": []}
    n_sites = len(system.parents[0])
    rounding = Rounding.NEAREST if rounded else Rounding.REFUSE
    for supercell in system.supercells:
        n_cells = supercell[0] * supercell[1] * supercell[2]
        if n_cells * n_sites > MAX_COUNTED_SITES or time.monotonic() > deadline:
            described["cells"].append({"supercell": list(supercell), "n_atoms": None, "n_distinct": None})
            continue
        try:
            spaces = find_holding_spaces(disordered_structure(system, point), [supercell], rounding=rounding)
        except CompositionError as error:
            described["refused"] = str(error)
            continue
        space = spaces[0]
        described["cells"].append(
            {
                "supercell": list(supercell),
                "formula": space.cell.formula,
                "n_atoms": sum(space.cell.amounts().values()),
                "n_formula_units": n_cells * system.formula_units_per_cell,
                "n_raw": space.n_raw,
                "n_distinct": space.n_distinct,
                "occupancy_changes": [str(change) for change in space.occupancy_changes],
            }
        )
    return described


def _print(description: dict[str, Any], request: SystemRequest, console: Console) -> None:
    console.print(Text(f"{description['key']}: {description['title']}", style="bold"))
    facts = [
        f"mobile ion {description['mobile_ion']}",
        f"space group {description['space_group']} ({description['space_group_number']})",
        f"{_number(description['n_sites_per_cell'], 'site')} and "
        f"{_number(description['formula_units_per_cell'], 'formula unit')} per cell",
    ]
    console.print(Text(", ".join(facts)))
    console.print(Text(f"oxidation states {_oxidation_states(description, request)}"))
    if description["axes"]:
        console.print(Text(f"end members {', '.join(description['end_members'])}"))
    sublattices = _table("sublattice", "sites:", "occupied by")
    for entry in description["sublattices"]:
        species = ", ".join(f"{name}: {share}" if share != "1" else name for name, share in entry["species"].items())
        sublattices.add_row(escape(entry["name"]), str(entry["n_sites"]), escape(species))
    console.print(sublattices)
    console.print(_composition_table(description["compositions"]))
    for entry in description["compositions"]:
        if not entry["cells"]:
            reason = in_options(entry["refused"], is_structure_file=request.is_structure_file)
            console.print(Text.assemble(("! ", "yellow"), f"{entry['formula']}: {reason}"))
        for line in _roundings(entry):
            console.print(Text(line))
    for title, lines, mark in (
        ("References", description["references"], "–"),
        ("Caveats", description["caveats"], "!"),
    ):
        if lines:
            console.print(title)
            for line in lines:
                text = in_options(line, is_structure_file=request.is_structure_file)
                console.print(Padding(Text(f"{mark} {text}"), (0, 0, 0, 2)))


def _roundings(composition: dict[str, Any]) -> Iterator[str]:
    """Every occupancy that a cell changes, and what the cell holds then."""
    for cell in composition["cells"]:
        changes = cell.get("occupancy_changes", [])
        where = f"{composition['formula']}, {_size(cell)}"
        yield from (f"{where}: occupancy changed: {change}" for change in changes)
        if changes:
            yield f"{where}: the cell holds {cell['formula']}"


def _oxidation_states(description: dict[str, Any], request: SystemRequest) -> str:
    """The states; of a structure file, also whether they were given or are those that it states."""
    states = {name: f"{name} {state:+g}" for name, state in description["oxidation_states"].items()}
    if not request.is_structure_file:
        return ", ".join(states.values())
    given = [text for name, text in states.items() if name in request.oxidation_states]
    stated = [text for name, text in states.items() if name not in request.oxidation_states]
    groups = [(stated, "as the file states"), (given, "as given")]
    return "; ".join(f"{', '.join(group)} ({source})" for group, source in groups if group)


def _composition_table(compositions: list[dict[str, Any]]) -> Table:
    table = _table("composition", "cell", "atoms:", "distinct orderings:")
    for entry in compositions:
        name = escape(entry["formula"])
        for cell in entry["cells"]:
            size = _size(cell)
            if cell["n_distinct"] is None:
                table.add_row(name, size, "", "not counted")
            else:
                table.add_row(name, size, str(cell["n_atoms"]), _count(cell["n_distinct"]))
            name = ""
        if not entry["cells"]:
            table.add_row(name, "none of its cells", "", "")
    return table


def _size(cell: dict[str, Any]) -> str:
    return "×".join(map(str, cell["supercell"]))


def _table(*titles: str) -> Table:
    """Table; columns whose title ends in a colon hold numbers."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for title in titles:
        is_number = title.endswith(":")
        table.add_column(title.removesuffix(":"), justify="right" if is_number else "left", overflow="fold")
    return table


def _count(number: int) -> str:
    """In full, or with seven digits."""
    digits = str(number)
    text = f"{number:,}"
    return text if len(text) <= _LONGEST_NUMBER else f"{digits[0]}.{digits[1:7]}e{len(digits) - 1}"


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
