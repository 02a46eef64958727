"""What a command line says of a system or a structure file: the same options with the same names for all commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from disolyte.errors import DisolyteError, InputError

if TYPE_CHECKING:
    from disolyte.systems import DisorderedSystem

_WHOLE_NUMBER: Final = re.compile(r"[+-]?\d+")
SUPERCELL_FLAGS: Final = ("--supercell", "-s")

OPTION_NAMES: Final = (
    (r"ModelSource\(path=\.\.\., sha256=\.\.\.\); to read it regardless, trust_file=True", "it as --model-sha256"),
    (r"ModelSource\(name='[^']*', path='([^']*)', sha256='...'\)", r"--model \1 --model-sha256 HASH"),
    (r"ModelSource\(name='([^']*)'\)", r"--model \1"),
    (r"ModelSource\(path=\.\.\.\)", "--model PATH"),
    (r"rounding='nearest' \(--round\)", "--round"),
)
"""What messages for Python name, and the options for it."""

FILE_OPTION_NAMES: Final = (
    (r"add them to oxidation_states", "give each, as in --oxidation Li=1"),
    (r"\boxidation_states\b", "--oxidation"),
    (r"\bmobile_ion\b", "--mobile-ion"),
    (r"\bmerge_within_ang\b", "--merge-within"),
    (r"\bcharge_tolerance_e\b", "--charge-tolerance"),
)
"""The same where a structure file was given; in a YAML file these are the names of fields."""

Oxidation = Annotated[
    list[str] | None,
    typer.Option(
        "--oxidation",
        help="Oxidation state in a structure file that states none, as Li=1; may be repeated.",
    ),
]
MergeWithin = Annotated[
    float,
    typer.Option(
        "--merge-within", min=0.0, help="Half-filled sites of a structure file closer than this, in Å, become one."
    ),
]
Round = Annotated[
    bool, typer.Option("--round", help="Round occupancies that a cell cannot hold to neutral ones, and report it.")
]


class SupercellCommand(TyperCommand):
    """Command whose ``--supercell`` takes one, three or nine whole numbers."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Join the numbers after ``--supercell`` into one value."""
        joined: list[str] = []
        rest = list(args)
        while rest:
            joined.append(rest.pop(0))
            if joined[-1] in SUPERCELL_FLAGS:
                numbers: list[str] = []
                while rest and len(numbers) < 9 and _WHOLE_NUMBER.fullmatch(rest[0]):
                    numbers.append(rest.pop(0))
                if numbers:
                    joined.append(" ".join(numbers))
        return super().parse_args(ctx, joined)


@dataclass(frozen=True)
class SystemRequest:
    """A system as the command line gives it.

    Parameters
    ----------
    source
        Key of a system, or path of a YAML or structure file.
    mobile_ion, oxidation_states, merge_within_ang, charge_tolerance_e
        Of a structure file: see :meth:`disolyte.systems.DisorderedSystem.from_disordered_structure`.
    supercells
        Supercells to look in, as typed; those of the system if empty.
    """

    source: str
    mobile_ion: str | None = None
    oxidation_states: Mapping[str, float] = field(default_factory=dict)
    merge_within_ang: float = 0.0
    charge_tolerance_e: float | None = None
    supercells: tuple[str, ...] = ()

    @property
    def is_structure_file(self) -> bool:
        """Whether it is neither a key nor a YAML file."""
        path = Path(self.source).expanduser()
        return path.suffix.lower() not in {".yaml", ".yml"} and (bool(path.suffix) or path.is_file())

    def load(self) -> DisorderedSystem:
        """The system.

        Raises
        ------
        InputError
            If there is none, or options for structure files are given for another.
        """
        from disolyte.systems import load_system

        self._refuse_unfit_options()
        system = load_system(
            self.source,
            mobile_ion=self.mobile_ion,
            oxidation_states=self.oxidation_states,
            merge_within_ang=self.merge_within_ang,
            charge_tolerance_e=self.charge_tolerance_e,
        )
        return system.with_supercells(map(_edges, self.supercells)) if self.supercells else system

    def _refuse_unfit_options(self) -> None:
        given = {
            "--mobile-ion": self.mobile_ion,
            "--oxidation": self.oxidation_states,
            "--merge-within": self.merge_within_ang,
            "--charge-tolerance": self.charge_tolerance_e,
        }
        if not self.is_structure_file and (unfit := [option for option, value in given.items() if value]):
            raise InputError(
                f"{', '.join(unfit)}: only for structure files, for {self.source} states this itself; leave it out, or "
                "write a YAML file of your own"
            )


def system_options(
    system: Annotated[str, typer.Argument(help="Key of a system (liybc, …), a YAML description, or a disordered CIF.")],
    mobile_ion: Annotated[
        str | None, typer.Option(help="Mobile ion of a structure file; its only alkali metal or silver if not given.")
    ] = None,
    oxidation: Oxidation = None,
    merge_within: MergeWithin = 0.0,
    charge_tolerance: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Excess charge of a structure file, in e per formula unit, put down to rounding (0.01)."
        ),
    ] = None,
    supercell: Annotated[
        list[str] | None,
        typer.Option(
            *SUPERCELL_FLAGS,
            metavar="N | N N N",
            help="Supercell to look in, instead of the system's own; may be repeated.",
        ),
    ] = None,
) -> SystemRequest:
    """Which system."""
    from disolyte.cli.messages import readable_errors

    with readable_errors():
        return SystemRequest(
            system,
            mobile_ion,
            parse_charges(oxidation or []),
            merge_within,
            charge_tolerance,
            tuple(supercell or ()),
        )


@contextmanager
def option_names(*, is_structure_file: bool) -> Iterator[None]:
    """Errors raised within name the options of the command line, not the arguments of Python."""
    try:
        yield
    except DisolyteError as error:
        error.args = (in_options(str(error), is_structure_file=is_structure_file),)
        raise


def in_options(message: str, *, is_structure_file: bool) -> str:
    """Message for Python, as one for the command line.

    Examples
    --------
    >>> in_options("give them in oxidation_states", is_structure_file=True)
    'give them in --oxidation'
    """
    for argument, option in (*OPTION_NAMES, *(FILE_OPTION_NAMES if is_structure_file else ())):
        message = re.sub(argument, option, message)
    return message


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


def parse_charges(entries: Iterable[str]) -> dict[str, float]:
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


def _edges(text: str) -> tuple[int, int, int]:
    """The three numbers of cells along the axes: of a system, orderings are sought in such supercells alone."""
    numbers = parse_supercell_text(text)
    if len(numbers) == 9:
        raise InputError(f"--supercell {text!r}: a system takes 1 or 3 whole numbers, as in --supercell 1 1 2")
    first, second, third = numbers * 3 if len(numbers) == 1 else numbers
    return first, second, third
