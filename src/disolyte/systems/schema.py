"""The description of a disordered system."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import Field, FiniteFloat, ValidationError
from pymatgen.core import Structure

from disolyte.errors import CompositionError, DisolyteError, InputError
from disolyte.systems.grid import GridPoint
from disolyte.systems.occupancy import OccupiedSublattices

CHARGE_TOLERANCE_E: Final = 0.01
"""Excess charge that is put down to rounding unless said otherwise, in elementary charges."""


class DisorderedSystem(OccupiedSublattices):
    """A disordered solid electrolyte over its composition grid.

    A system says what is on the sublattices of a parent structure (:class:`OccupiedSublattices`) at the compositions of
    its grid, which ion is studied, and in which cells orderings are sought.
    """

    title: str = Field(description="Name for people, e.g. 'Li3In(x)Y(1-x)Br(6y)Cl(6-6y)'.")
    mobile_ion: str = Field(description="Element whose diffusion is studied, e.g. 'Li'.")
    supercells: list[tuple[int, int, int]] = Field(
        default=[(1, 1, 1)], description="Supercells of the parent in which orderings are sought."
    )
    charge_tolerance_e: FiniteFloat = Field(
        default=CHARGE_TOLERANCE_E,
        ge=0,
        description="Excess charge per formula unit (the cell if that holds one) put down to rounded occupancies.",
    )
    references: list[str] = Field(default_factory=list, description="Sources of the parent structure.")
    caveats: list[str] = Field(
        default_factory=list, description="What is estimated rather than measured; documents inherit it."
    )

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Self:
        """System from one YAML file; see :mod:`disolyte.systems.files` for its fields.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        InputError
            If it cannot be used; the message names file, line and field.
        """
        from disolyte.systems.files import read_fields

        return read_fields(Path(path)).build(cls)

    def to_yaml(self, path: str | os.PathLike[str]) -> None:
        """Write the system to one YAML file that :meth:`from_yaml` reads.

        Parameters
        ----------
        path
            The file; it is overwritten.
        """
        from disolyte.systems.writing import write_system

        write_system(self, Path(path))

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            # pydantic wraps every ValueError; users are promised the classes of disolyte.errors.
            for entry in error.errors():
                cause = entry.get("ctx", {}).get("error")
                if isinstance(cause, DisolyteError):
                    raise cause from None
            first = error.errors()[0]
            raise InputError(f"system field {'.'.join(map(str, first['loc']))}: {first['msg']}").at(
                *first["loc"]
            ) from error

    def model_post_init(self, _context: Any, /) -> None:
        """Check that the parts fit together, with errors of :mod:`disolyte.errors`."""
        from disolyte.systems.checks import check_axes, check_elements, check_parents, check_supercells

        check_parents(self)
        check_axes(self)
        check_elements(self)
        check_supercells(self)

    @classmethod
    def from_disordered_structure(
        cls,
        structure: Structure | str | os.PathLike[str],
        *,
        mobile_ion: str,
        oxidation_states: Mapping[str, float] | None = None,
        key: str = "custom",
        supercells: Sequence[tuple[int, int, int]] = ((1, 1, 1),),
        charge_tolerance_e: float = CHARGE_TOLERANCE_E,
        merge_within_ang: float = 0.0,
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
        merge_within_ang
            Partially occupied sites of equal species closer than this become one site between them: refined structures
            describe an ion that moves between two places so, and two ions never fill both.

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
            **describe_disordered_structure(
                structure,
                mobile_ion=mobile_ion,
                oxidation_states=oxidation_states,
                merge_within_ang=merge_within_ang,
            ),
        )
        system.check()
        return system

    def points(self) -> list[GridPoint]:
        """Compositions of the grid that meet the constraints.

        Raises
        ------
        CompositionError
            If none does, or if two of them have the same formula.
        """
        points = [self.point_at(values) for values in self.allowed()]
        formulas = [point.formula for point in points]
        repeated = sorted({formula for formula in formulas if formulas.count(formula) > 1})
        if repeated:
            raise CompositionError(
                f"the grid of {self.key!r} names these compositions more than once: {repeated}; give each once. An "
                "axis that leaves the composition as it is, such as a degree of disorder, takes one file for each value"
            ).at("grid")
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

    def with_supercells(self, supercells: Iterable[tuple[int, int, int]]) -> Self:
        """Copy whose orderings are sought in other supercells.

        Raises
        ------
        InputError
            If there is none, or one is of no size that can be worked with.
        """
        from disolyte.systems.checks import check_supercells

        changed = self.model_copy(update={"supercells": list(supercells)})
        check_supercells(changed)
        return changed

    def check(self) -> None:
        """Build every composition once: occupancies, charges, end members.

        Raises
        ------
        CompositionError
            If an occupancy leaves [0, 1] or the end members do not span the grid.
        OxidationStateError
            If a composition is charged.
        """
        from disolyte.systems.checks import check_ranking_charges, check_span
        from disolyte.systems.structures import disordered_structure

        check_span(self)
        check_ranking_charges(self)
        for point in [*self.points(), *self.end_member_points()]:
            disordered_structure(self, point)
