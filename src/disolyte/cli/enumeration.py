"""``disolyte count`` and ``disolyte enumerate``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from disolyte.cli.inputs import (
    SUPERCELL_FLAGS,
    MergeWithin,
    Oxidation,
    Round,
    SupercellCommand,
    in_options,
    option_names,
    parse_charges,
    parse_supercell_text,
)
from disolyte.cli.messages import readable_errors
from disolyte.cli.options import AsJson, takes

if TYPE_CHECKING:
    from disolyte.enumeration import OrderingSpace

SOURCES: Final = {"given": "as given", "structure": "as the file states", "guessed": "guessed; others by --oxidation"}
"""Where oxidation states come from, for people."""


@dataclass(frozen=True)
class SpaceRequest:
    """Orderings of a structure file in one supercell, as the command line gives them."""

    file: Path
    supercell: str
    symprec_ang: float
    rounds: bool
    pool: tuple[str, ...]
    merge_within_ang: float

    def open(self, charges: Mapping[str, float] | None = None) -> tuple[OrderingSpace, list[str]]:
        """The space, and what must be known of the file."""
        from disolyte.enumeration import OrderingSpace, Rounding
        from disolyte.systems.exclusions import find_exclusions, merge_close_sites
        from disolyte.systems.structure_files import read_structure_file

        structure = merge_close_sites(read_structure_file(self.file), self.merge_within_ang)
        space = OrderingSpace.from_structure(
            structure,
            parse_supercell_text(self.supercell),
            symprec=self.symprec_ang,
            rounding=Rounding.NEAREST if self.rounds else Rounding.REFUSE,
            pool=self.pool,
            oxidation_states=charges,
        )
        return space, [*structure.properties["caveats"], *map(str, find_exclusions(structure))]


def space_options(
    file: Annotated[Path, typer.Argument(help="Structure with partial occupancies: CIF, or what pymatgen reads.")],
    supercell: Annotated[
        str,
        typer.Option(
            *SUPERCELL_FLAGS, metavar="N | N N N | 9×N", help="Supercell: 1 or 3 numbers, or a matrix row by row."
        ),
    ] = "1",
    symprec: Annotated[float, typer.Option(help="Distance in Å within which sites count as equivalent.")] = 0.01,
    round_: Round = False,
    pool: Annotated[
        list[str] | None,
        typer.Option(help="Element whose partly occupied sites share one composition; may be repeated."),
    ] = None,
    merge_within: MergeWithin = 0.0,
) -> SpaceRequest:
    """Which orderings."""
    return SpaceRequest(file, supercell, symprec, round_, tuple(pool or ()), merge_within)


@takes(request=space_options)
def count(request: SpaceRequest, as_json: AsJson = False) -> None:
    """Count the orderings of a disordered structure, exactly, without making them."""
    started = time.perf_counter()
    with readable_errors(), option_names(is_structure_file=True):
        space, caveats = request.open()
        result = _describe(space, request.file) | {"caveats": caveats}
    result["seconds"] = round(time.perf_counter() - started, 3)
    _report(result, as_json)


@takes(request=space_options)
def enumerate_(
    request: SpaceRequest,
    lowest: Annotated[int, typer.Option(help="Number of orderings of lowest Ewald energy.")] = 2000,
    out: Annotated[Path, typer.Option(help="Folder for the structures (CIF) and the table orderings.csv.")] = Path(
        "orderings"
    ),
    oxidation: Oxidation = None,
    seed: Annotated[int, typer.Option(help="Seed of ties and of the search in large spaces.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the distinct orderings of lowest Ewald energy."""
    started = time.perf_counter()
    with readable_errors(), option_names(is_structure_file=True):
        from disolyte.enumeration.files import write_orderings

        space, caveats = request.open(parse_charges(oxidation or []))
        result = _describe(space, request.file)
        ranked = space.lowest_energy(lowest, seed=seed)
        files = write_orderings(space, ranked, out)
        states = space.oxidation_states
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


def _describe(space: OrderingSpace, file: Path) -> dict[str, Any]:
    return {
        "file": str(file),
        "supercell": space.cell.supercell.tolist(),
        "formula": space.cell.formula,
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


@contextmanager
def _all_digits() -> Iterator[None]:
    """Counts are exact, however many digits they have; Python refuses to print numbers of thousands."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


@_all_digits()
def _report(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result))
        return
    for entry in result.pop("sublattices"):
        counts = ", ".join(f"{n} {name}" for name, n in entry["counts"].items())
        typer.echo(f"{'sublattice':>22}  {entry['name']}: {counts} on {entry['n_sites']} sites")
    for change in result.pop("occupancy_changes"):
        typer.echo(f"{'occupancy changed':>22}  {change}")
    caveats = [in_options(caveat, is_structure_file=True) for caveat in result.pop("caveats")]
    if "oxidation_states" in result:
        states = ", ".join(f"{name} {charge:+g}" for name, charge in result["oxidation_states"].items())
        result["oxidation_states"] = f"{states} ({SOURCES[result.pop('oxidation_states_source')]})"
    for key, value in result.items():
        typer.echo(f"{key.replace('_', ' '):>22}  {value}")
    for caveat in caveats:
        typer.echo(f"{'caveat':>22}  {caveat}")
