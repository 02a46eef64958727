"""The description of a disordered system and of the points of its composition grid."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, field_validator
from pymatgen.core import Structure

from disolyte.errors import CompositionError, DisolyteError
from disolyte.records import Record
from disolyte.systems.expressions import evaluate, satisfies


class GridPoint(Record):
    """One composition of a system's grid."""

    model_config = ConfigDict(frozen=True)

    coordinates: dict[str, float] = Field(description="Value of each composition axis, e.g. {'x': 0.5, 'y': 1.0}.")
    formula: str = Field(description="Formula of one formula unit, e.g. 'Li3In0.5Y0.5Br6'. Unique within a system.")


class DisorderedSystem(Record):
    """A disordered solid electrolyte over its composition grid.

    A system is a parent structure whose sites carry the name of their sublattice, and for each disordered sublattice
    the occupancy of its species as an expression in the composition axes. The sites of one sublattice are pooled:
    only its total composition is fixed, so that lithium spreads freely over two Wyckoff positions if both bear the
    same name.
    """

    key: str = Field(description="Short name, e.g. 'liybc'.")
    title: str = Field(description="Name for people, e.g. 'Li3In(x)Y(1-x)Br(6y)Cl(6-6y)'.")
    parents: list[Structure] = Field(
        min_length=1,
        description=(
            "Parent structure at each end member, in their order and site by site alike, or one for all compositions. "
            "The site property 'sublattice' names each site's sublattice; one species per site."
        ),
    )
    occupancies: dict[str, dict[str, str]] = Field(
        description="Per disordered sublattice, the occupancy of each species as an expression in the axes. "
        "What they leave to 1 is vacant."
    )
    grid: list[dict[str, float]] = Field(
        min_length=1,
        description="Coordinates of the compositions to study. A mapping of axes to values is taken as their product.",
    )
    constraints: list[str] = Field(
        default_factory=list, description="What a composition must meet, e.g. 'x + y >= 1'; others are left out."
    )
    end_members: list[dict[str, float]] = Field(
        min_length=1, description="Compositions that span the grid: one more than there are axes."
    )
    mobile_ion: str = Field(description="Element whose diffusion is studied, e.g. 'Li'.")
    oxidation_states: dict[str, float] = Field(description="Oxidation state of each element.")
    supercells: list[tuple[int, int, int]] = Field(
        default=[(1, 1, 1)], description="Supercells of the parent in which orderings are sought."
    )
    formula_units_per_cell: int = Field(ge=1, description="Formula units in the parent's cell.")
    charge_tolerance_e: float = Field(
        default=0.01, ge=0, description="Excess charge per formula unit that is put down to rounded occupancies."
    )
    references: list[str] = Field(default_factory=list, description="Sources of the parent structure.")
    caveats: list[str] = Field(
        default_factory=list, description="What is estimated rather than measured; documents inherit it."
    )

    @field_validator("grid", mode="before")
    @classmethod
    def _expand_axes(cls, value: Any) -> Any:
        """Take ``{"x": [0, 1], "y": [0, 1]}`` as the product of the axes."""
        if not isinstance(value, Mapping):
            return value
        return [dict(zip(value, values, strict=True)) for values in itertools.product(*value.values())]

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            # pydantic wraps every ValueError; users are promised the classes of disolyte.errors.
            causes = [entry.get("ctx", {}).get("error") for entry in error.errors()]
            for cause in causes:
                if isinstance(cause, DisolyteError):
                    raise cause from None
            raise

    def model_post_init(self, _context: Any, /) -> None:
        """Check that the parts fit together, with errors of :mod:`disolyte.errors`."""
        from disolyte.systems.checks import check_axes, check_elements, check_parents

        check_parents(self)
        check_axes(self)
        check_elements(self)

    @classmethod
    def from_disordered_structure(
        cls,
        structure: Structure | str | os.PathLike[str],
        *,
        mobile_ion: str,
        oxidation_states: Mapping[str, float] | None = None,
        key: str = "custom",
        supercells: Sequence[tuple[int, int, int]] = ((1, 1, 1),),
        charge_tolerance_e: float = 0.01,
    ) -> Self:
        """System of one composition, from a structure or CIF with partial occupancies.

        Parameters
        ----------
        structure
            Structure, or path of a file that pymatgen reads. Symmetry-equivalent sites form one sublattice, unless the
            site property ``sublattice`` says otherwise.
        mobile_ion
            Element whose diffusion is studied.
        oxidation_states
            Oxidation state of each element; not needed where the structure states them.
        key
            Short name of the system.
        supercells
            Supercells in which orderings are sought.
        charge_tolerance_e
            Excess charge per formula unit that is put down to rounded occupancies.

        Raises
        ------
        StructureError
            If the file cannot be read or holds no partial occupancy.
        OxidationStateError
            If oxidation states are missing or do not balance.
        """
        from disolyte.systems.custom import describe_disordered_structure

        system = cls(
            key=key,
            supercells=list(supercells),
            charge_tolerance_e=charge_tolerance_e,
            **describe_disordered_structure(structure, mobile_ion=mobile_ion, oxidation_states=oxidation_states),
        )
        system.check()
        return system

    @property
    def axes(self) -> list[str]:
        """Names of the composition axes."""
        return list(self.grid[0])

    @property
    def labels(self) -> list[str]:
        """Sublattice of each site of the parent structures."""
        return list(self.parents[0].site_properties["sublattice"])

    @property
    def elements(self) -> list[str]:
        """All elements, in the order in which formulas name them."""
        return list(dict.fromkeys(element for _, species in self._sublattices() for element in species))

    def points(self) -> list[GridPoint]:
        """Compositions of the grid that meet the constraints.

        Raises
        ------
        CompositionError
            If none does, or if two of them have the same formula.
        """
        kept = [values for values in self.grid if all(satisfies(rule, values) for rule in self.constraints)]
        points = [self.point_at(values) for values in kept]
        if not points:
            raise CompositionError(f"no composition of the grid of {self.key!r} meets {self.constraints}")
        formulas = [point.formula for point in points]
        repeated = sorted({formula for formula in formulas if formulas.count(formula) > 1})
        if repeated:
            raise CompositionError(f"the grid of {self.key!r} names these compositions more than once: {repeated}")
        return points

    def point(self, formula: str) -> GridPoint:
        """Grid point of a formula.

        Raises
        ------
        CompositionError
            If the grid holds no such composition.
        """
        points = self.points()
        for point in points:
            if point.formula == formula:
                return point
        known = ", ".join(point.formula for point in points)
        raise CompositionError(f"{formula!r} is not on the grid of {self.key!r}; it holds {known}")

    def point_at(self, coordinates: Mapping[str, float]) -> GridPoint:
        """Point at the given coordinates, on the grid or not."""
        return GridPoint(coordinates=dict(coordinates), formula=self.formula(coordinates))

    def end_member_points(self) -> list[GridPoint]:
        """The end members, in their order."""
        return [self.point_at(values) for values in self.end_members]

    def restricted_to(self, formulas: Sequence[str]) -> Self:
        """Copy with fewer compositions.

        Parameters
        ----------
        formulas
            Compositions to keep, in this order.

        Raises
        ------
        CompositionError
            If one of them is not on the grid.
        """
        return self.model_copy(update={"grid": [dict(self.point(formula).coordinates) for formula in formulas]})

    def amounts(self, coordinates: Mapping[str, float]) -> dict[str, float]:
        """Atoms of each element in one formula unit.

        Raises
        ------
        CompositionError
            If an occupancy leaves [0, 1].
        """
        amounts: dict[str, float] = dict.fromkeys(self.elements, 0.0)
        for label, species in self.species_at(coordinates).items():
            n_sites = self.labels.count(label) / self.formula_units_per_cell
            for element, occupancy in species.items():
                amounts[element] += n_sites * occupancy
        return amounts

    def formula(self, coordinates: Mapping[str, float]) -> str:
        """Formula of one formula unit, elements in the order of the sublattices."""
        return format_formula(self.amounts(coordinates))

    def species_at(self, coordinates: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Occupancy of each element on each sublattice; elements of occupancy 0 are left out.

        Raises
        ------
        CompositionError
            If an occupancy or their sum leaves [0, 1]; it names the sublattice and the value.
        """
        resolved: dict[str, dict[str, float]] = {}
        for label, species in self._sublattices():
            values = {element: evaluate(expression, coordinates) for element, expression in species.items()}
            for name, value in [*values.items(), ("all species", sum(values.values()))]:
                if not -1e-9 <= value <= 1 + 1e-9:
                    raise CompositionError(
                        f"sublattice {label!r} of {self.key!r} has occupancy {value:g} of {name} at "
                        f"{dict(coordinates)}; it must lie within 0 and 1: change the expression or the grid"
                    )
            resolved[label] = {element: min(value, 1.0) for element, value in values.items() if value > 1e-9}
        return resolved

    def fractions(self, coordinates: Mapping[str, float]) -> list[float]:
        """Share of each end member at the given coordinates; they add up to 1.

        Raises
        ------
        CompositionError
            If the end members are not one more than there are axes, or lie on a line or plane of fewer.
        """
        axes = self.axes
        corners = np.array([[1.0, *(member[axis] for axis in axes)] for member in self.end_members])
        if corners.shape[0] != corners.shape[1] or abs(np.linalg.det(corners)) < 1e-9:
            raise CompositionError(
                f"the end members {[self.formula(member) for member in self.end_members]} of {self.key!r} do not span "
                f"its {len(axes)} axes {axes}: give {len(axes) + 1} that do not lie on one line or plane"
            )
        target = np.array([1.0, *(coordinates[axis] for axis in axes)])
        return [float(share) for share in np.linalg.solve(corners.T, target)]

    def check(self) -> None:
        """Build every composition once: occupancies, charges, end members.

        Raises
        ------
        CompositionError
            If an occupancy leaves [0, 1] or the end members do not span the grid.
        OxidationStateError
            If a composition is charged.
        """
        from disolyte.systems.structures import disordered_structure

        for point in [*self.points(), *self.end_member_points()]:
            disordered_structure(self, point)

    def _sublattices(self) -> list[tuple[str, dict[str, str]]]:
        """Occupancy expressions of every sublattice, ordered ones too, in the order of the parent's sites."""
        first = dict(zip(reversed(self.labels), reversed(self.parents[0]), strict=True))
        return [
            (label, self.occupancies.get(label) or {_symbol(first[label].specie): "1"})
            for label in dict.fromkeys(self.labels)
        ]


def format_formula(amounts: Mapping[str, float]) -> str:
    """Formula in the order of ``amounts``, up to four decimals; elements of amount 0 are left out.

    Examples
    --------
    >>> format_formula({"Li": 3.0, "In": 0.5, "Y": 0.5, "Br": 6.0, "Cl": 0.0})
    'Li3In0.5Y0.5Br6'
    """
    rounded = {element: round(amount, 4) for element, amount in amounts.items()}
    return "".join(f"{element}{'' if n == 1 else f'{n:g}'}" for element, n in rounded.items() if n)


def _symbol(species: Any) -> str:
    """Element of a pymatgen Element or Species."""
    return str(getattr(species, "element", species).symbol)
