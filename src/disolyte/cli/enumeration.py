"""``disolyte count`` and ``disolyte enumerate``."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from disolyte.errors import DisolyteError, InputError

if TYPE_CHECKING:
    from disolyte.enumeration import OrderingSpace

_WHOLE_NUMBER = re.compile(r"[+-]?\d+")


class SupercellCommand(TyperCommand):
    """Command whose ``--supercell`` takes one, three or nine whole numbers."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the numbers after ``--supercell`` into one value."""
        joined: list[str] = []
        rest = list(args)
        while rest:
            joined.append(rest.pop(0))
            if joined[-1] in {"--supercell", "-s"}:
                numbers: list[str] = []
                while rest and len(numbers) < 9 and _WHOLE_NUMBER.fullmatch(rest[0]):
                    numbers.append(rest.pop(0))
                if numbers:
                    joined.append(" ".join(numbers))
        return super().parse_args(ctx, joined)


File = Annotated[Path, typer.Argument(help="Structure with partial occupancies: CIF, or what pymatgen reads.")]
Supercell = Annotated[
    str,
    typer.Option(
        "--supercell", "-s", metavar="N | N N N | 9×N", help="Supercell: 1 or 3 numbers, or a matrix row by row."
    ),
]
Symprec = Annotated[float, typer.Option(help="Distance in Å within which sites count as equivalent.")]
Round = Annotated[bool, typer.Option("--round", help="Round occupancies that the cell cannot hold, and report it.")]
Pool = Annotated[
    list[str] | None, typer.Option(help="Element whose partly occupied sites share one composition; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def count(
    file: File,
    supercell: Supercell = "1",
    symprec: Symprec = 0.01,
    round_: Round = False,
    pool: Pool = None,
    as_json: AsJson = False,
) -> None:
    """Count the orderings of a disordered structure, exactly, without making them."""
    started = time.perf_counter()
    try:
        space, caveats = _open_space(file, supercell, symprec, round_, pool)
        result = _describe(space, file) | {"caveats": caveats}
    except DisolyteError as error:
        _fail(error)
    result["seconds"] = round(time.perf_counter() - started, 3)
    _report(result, as_json)


def enumerate_(
    file: File,
    supercell: Supercell = "1",
    lowest: Annotated[int, typer.Option(help="Number of orderings of lowest Ewald energy.")] = 2000,
    out: Annotated[Path, typer.Option(help="Folder for the structures (CIF) and the table orderings.csv.")] = Path(
        "orderings"
    ),
    oxidation: Annotated[
        list[str] | None, typer.Option(help="Charge of a species, as Li=1; may be repeated. Guessed if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of ties and of the search in large spaces.")] = 0,
    symprec: Symprec = 0.01,
    round_: Round = False,
    pool: Pool = None,
    as_json: AsJson = False,
) -> None:
    """Write the distinct orderings of lowest Ewald energy."""
    started = time.perf_counter()
    try:
        from disolyte.enumeration.files import write_orderings

        space, caveats = _open_space(file, supercell, symprec, round_, pool, parse_charges(oxidation or []))
        result = _describe(space, file)
        ranked = space.lowest_energy(lowest, seed=seed)
        files = write_orderings(space, ranked, out)
        states = space.oxidation_states
    except DisolyteError as error:
        _fail(error)
    result |= {
        "oxidation_states": dict(states.values),
        "oxidation_states_source": states.source,
        "caveats": [*caveats, *states.caveats, *ranked.caveats()],
        "exhaustive": ranked.exhaustive,
        "n_written": len(files) - 1,
        "lowest_energy_ev": float(ranked.energies_ev[0]),
        "highest_energy_ev": float(ranked.energies_ev[-1]),
        "folder": str(out),
        "seconds": round(time.perf_counter() - started, 3),
    }
    _report(result, as_json)


def register(app: typer.Typer) -> None:
    """Add ``count`` and ``enumerate`` to an application."""
    app.command("count", cls=SupercellCommand)(count)
    app.command("enumerate", cls=SupercellCommand)(enumerate_)


def parse_supercell_text(text: str) -> list[int]:
    """Whole numbers from ``"2 2 2"``, ``"2,2,2"`` or ``"2x2x2"``.

    Raises
    ------
    InputError
        If there are not one, three or nine.

    Examples
    --------
    >>> parse_supercell_text("1x2x2")
    [1, 2, 2]
    """
    parts = [part for part in re.split(r"[\s,;x×]+", text.strip()) if part]
    if len(parts) not in {1, 3, 9} or not all(_WHOLE_NUMBER.fullmatch(part) for part in parts):
        raise InputError(f"--supercell {text!r}: give 1, 3 or 9 whole numbers, as in --supercell 2 2 2")
    return [int(part) for part in parts]


def parse_charges(entries: list[str]) -> dict[str, float]:
    """Charges from ``["Li=1", "S=-2"]``.

    Raises
    ------
    InputError
        If an entry is no species and number.
    """
    charges = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            charges[name.strip()] = float(value)
        except ValueError as error:
            raise InputError(f"--oxidation {entry!r}: give a species and its charge, as in --oxidation Li=1") from error
    return charges


def _open_space(
    file: Path,
    supercell: str,
    symprec: float,
    rounded: bool,
    pool: list[str] | None,
    charges: dict[str, float] | None = None,
) -> tuple[OrderingSpace, list[str]]:
    """The space, and what must be known of the file."""
    from disolyte.enumeration import OrderingSpace, Rounding
    from disolyte.systems.structure_files import read_structure_file

    structure = read_structure_file(file)
    space = OrderingSpace.from_structure(
        structure,
        parse_supercell_text(supercell),
        symprec=symprec,
        rounding=Rounding.NEAREST if rounded else Rounding.REFUSE,
        pool=pool or (),
        oxidation_states=charges,
    )
    return space, structure.properties["caveats"]


def _describe(space: OrderingSpace, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "supercell": space.cell.supercell.tolist(),
        "n_sites": space.n_sites,
        "sublattices": [
            {
                "name": entry.name,
                "n_sites": len(entry.sites),
                "counts": {name or "vacancy": n for name, n in zip(entry.species, entry.counts, strict=True)},
            }
            for entry in space.cell.sublattices
        ],
        "occupancy_changes": [str(change) for change in space.occupancy_changes],
        "group_order": space.group_order,
        "n_raw": space.n_raw,
        "n_distinct": space.n_distinct,
    }


def _report(result: dict[str, Any], as_json: bool) -> None:
    sys.set_int_max_str_digits(0)  # counts are exact, however many digits they have
    if as_json:
        typer.echo(json.dumps(result))
        return
    for entry in result.pop("sublattices"):
        counts = ", ".join(f"{n} {name}" for name, n in entry["counts"].items())
        typer.echo(f"{'sublattice':>22}  {entry['name']}: {counts} on {entry['n_sites']} sites")
    for change in result.pop("occupancy_changes"):
        typer.echo(f"{'occupancy changed':>22}  {change}")
    caveats = result.pop("caveats")
    for key, value in result.items():
        typer.echo(f"{key.replace('_', ' '):>22}  {value}")
    for caveat in caveats:
        typer.echo(f"{'caveat':>22}  {caveat}")


def _fail(error: DisolyteError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(code=2) from error
