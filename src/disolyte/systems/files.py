"""Systems as YAML files.

A file holds the fields of :class:`~disolyte.systems.DisorderedSystem`; ``parents`` are written as space group, lattice
and one site of each position, or as the path of a CIF, seen from the file:

.. code-block:: yaml

    mobile_ion: Li
    oxidation_states: {Li: 1, P: 5, S: -2, Cl: -1, Br: -1}
    parents:
    - cif: Li6PS5Cl.cif          # one sublattice for each site label of the file,
      sublattices: {Cl1: X}      # unless named here; any label of a shared site will do
    - space_group: F-43m
      lattice: [9.98, 9.98, 9.98, 90, 90, 90]
      sites:
      - {sublattice: X, element: Br, position: [0, 0, 0]}
    occupancies:
      X: {Cl: 1 - x, Br: x}      # of what varies; the rest is as in the CIF
    grid: {x: [0, 0.5, 1]}
    end_members: [{x: 0}, {x: 1}]

Parents, mobile ion and oxidation states are needed; the rest may be left out. Without ``grid`` and ``end_members``
it is a system of one composition: its disorder is that of the CIF, or of ``occupancies`` that are numbers, such as
``X: {Cl: 0.5, Br: 0.5}``. Where isovalent species share a sublattice with reasons of their own,
``ranking_charges: {O: -2 - (1 - x) / 2, S: -2 + x / 2}`` tells them apart when orderings are ranked.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import ConfigDict, Discriminator, Field, FiniteFloat, Tag, ValidationError

from disolyte.errors import InputError
from disolyte.records import Record
from disolyte.systems.formulas import count_formula_units
from disolyte.systems.grid import expand_axes
from disolyte.systems.located import LocatedData, load_located
from disolyte.systems.parents import LoadedParent, align_sites, build_inline_parent, join_occupancies, load_cif_parent
from disolyte.systems.schema import DisorderedSystem

SystemT = TypeVar("SystemT", bound=DisorderedSystem)

Expression = str | int | FiniteFloat


class _FileRecord(Record):
    model_config = ConfigDict(extra="forbid", strict=True)


class SiteFields(_FileRecord):
    """One crystallographic position."""

    sublattice: str = Field(min_length=1, max_length=50)
    element: str
    position: list[FiniteFloat] = Field(min_length=3, max_length=3)


class InlineParent(_FileRecord):
    """A parent structure by its positions."""

    space_group: int | str
    lattice: list[FiniteFloat] = Field(min_length=6, max_length=6)
    sites: list[SiteFields] = Field(min_length=1, max_length=5000)


class CifParent(_FileRecord):
    """A parent structure in a file of its own."""

    cif: str = Field(min_length=1)
    sublattices: dict[str, str] = Field(default_factory=dict)
    merge_within_ang: FiniteFloat = Field(default=0.0, ge=0, le=3)


def _kind_of_parent(value: Any) -> str:
    return "cif" if isinstance(value, dict) and "cif" in value else "inline"


Parent = Annotated[
    Annotated[InlineParent, Tag("inline")] | Annotated[CifParent, Tag("cif")], Discriminator(_kind_of_parent)
]


Grid = Annotated[
    Annotated[dict[str, list[FiniteFloat]], Tag("axes")]
    | Annotated[list[dict[str, FiniteFloat]], Field(min_length=1), Tag("points")],
    Discriminator(lambda value: "axes" if isinstance(value, dict) else "points"),
]


class SystemFields(_FileRecord):
    """What a file holds."""

    key: str | None = Field(default=None, min_length=1, max_length=100)
    title: str | None = None
    mobile_ion: str
    oxidation_states: dict[str, FiniteFloat]
    parents: list[Parent] = Field(min_length=1, max_length=20)
    occupancies: dict[str, dict[str, Expression]] = Field(default_factory=dict)
    ranking_charges: dict[str, Expression] = Field(default_factory=dict)
    grid: Grid = Field(default_factory=lambda: [dict[str, float]()])
    constraints: list[str] = Field(default_factory=list)
    end_members: list[dict[str, FiniteFloat]] = Field(default=[{}], min_length=1)
    supercells: list[Annotated[list[int], Field(min_length=3, max_length=3)]] = Field(default=[[1, 1, 1]], min_length=1)
    formula_units_per_cell: int | None = Field(default=None, ge=1)
    charge_tolerance_e: FiniteFloat = Field(default=0.01, ge=0)
    references: list[str] = Field(default_factory=list)
    caveats: list[str] = Field(default_factory=list)


class LocatedFields(NamedTuple):
    """Checked fields of a file, with their places."""

    fields: SystemFields
    located: LocatedData

    def build(self, system_class: type[SystemT]) -> SystemT:
        """System of the fields.

        Raises
        ------
        InputError
            If the fields do not fit together; the message names the line and the field.
        """
        with _errors_in(self.located):
            system = system_class(**self._system_fields())
            system.check()
        return system

    def _system_fields(self) -> dict[str, Any]:
        fields, path = self.fields, self.located.path
        loaded = align_sites([self._load(index) for index in range(len(fields.parents))])
        occupancies = join_occupancies(loaded, fields.occupancies)
        grid = expand_axes(fields.grid) if isinstance(fields.grid, dict) else fields.grid
        kept = fields.model_dump(
            include={"mobile_ion", "oxidation_states", "constraints", "end_members", "references", "caveats"}
        )
        return kept | {
            "key": fields.key or path.stem,
            "ranking_charges": {element: str(charge) for element, charge in fields.ranking_charges.items()},
            "title": fields.title or fields.key or path.stem,
            "parents": [parent.structure for parent in loaded],
            "occupancies": occupancies,
            "grid": grid,
            "supercells": [tuple(supercell) for supercell in fields.supercells],
            "formula_units_per_cell": fields.formula_units_per_cell or _formula_units(loaded[0]),
            "charge_tolerance_e": fields.charge_tolerance_e,
        }

    def _load(self, index: int) -> LoadedParent:
        parent = self.fields.parents[index]
        try:
            if isinstance(parent, CifParent):
                return load_cif_parent(
                    self.located.path.parent / parent.cif, parent.sublattices, parent.merge_within_ang
                )
            sites = [(site.sublattice, site.element, site.position) for site in parent.sites]
            return build_inline_parent(parent.space_group, parent.lattice, sites)
        except InputError as error:
            error.at("parents", index, *error.field_path)
            raise


def read_fields(path: Path) -> LocatedFields:
    """Read a file and check its fields one by one.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be read, or fields are missing, unknown or of the wrong kind; the message names all, and their
        lines.
    """
    located = load_located(path)
    if not isinstance(located.data, dict):
        raise InputError(f"{located.describe(())}: a system is a mapping of fields, such as 'mobile_ion: Li'")
    try:
        return LocatedFields(SystemFields.model_validate(located.data), located)
    except ValidationError as error:
        raise InputError("\n".join(_describe_mistakes(error, located))) from error


def _describe_mistakes(error: ValidationError, located: LocatedData) -> list[str]:
    """What is wrong, one line for each place, in their order."""
    found: dict[tuple[int, str], list[Any]] = {}
    for entry in error.errors(include_url=False):
        place = tuple(entry["loc"])
        if entry["type"] == "missing":
            place = place[:-1]
        found.setdefault((located.line(place), located.describe(place)), []).append(entry)
    return [f"{place}: {_explain(entries)}" for (_, place), entries in sorted(found.items(), key=lambda item: item[0])]


def _explain(entries: list[Any]) -> str:
    """What is wrong with one value; where it may be of several kinds, pydantic complains of each."""
    reasons: list[str] = []
    for entry in entries:
        name = str(entry["loc"][-1]) if entry["loc"] else ""
        if entry["type"] == "missing":
            reasons.append(f"the field {name!r} is missing")
        elif entry["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, _known_fields(entry["loc"]), n=1)
            reasons.append(f"there is no field {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif not entry["msg"].startswith("Input should be "):
            reasons.append(entry["msg"])
    wanted = [entry["msg"].removeprefix("Input should be ") for entry in entries if "Input should be " in entry["msg"]]
    if wanted:
        given = repr(entries[0]["input"])
        reasons.append(f"it must be {' or '.join(wanted)}, not {given if len(given) <= 60 else given[:60] + '…'}")
    return "; ".join(dict.fromkeys(reasons))


def _known_fields(place: tuple[str | int, ...]) -> list[str]:
    """Fields that may stand where an unknown one stands."""
    if "sites" in place:
        return list(SiteFields.model_fields)
    if "parents" in place:
        return [*InlineParent.model_fields, *CifParent.model_fields]
    return list(SystemFields.model_fields)


@contextmanager
def _errors_in(located: LocatedData) -> Iterator[None]:
    """Errors raised within name the file, the line and the field."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{located.describe(error.field_path)}: {error}").at(*error.field_path) from error


def _formula_units(parent: LoadedParent) -> int:
    if parent.formula_units is not None:
        return parent.formula_units
    labels = parent.structure.site_properties["sublattice"]
    amounts: dict[str, float] = {}
    for label in labels:
        for element, occupancy in parent.occupancies[label].items():
            amounts[element] = amounts.get(element, 0.0) + occupancy
    return count_formula_units(amounts.values())
