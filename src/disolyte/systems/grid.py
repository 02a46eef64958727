"""The compositions of a system as points in the space of its axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from pydantic import ConfigDict, Field, FiniteFloat, field_validator

from disolyte.errors import CompositionError
from disolyte.records import Record
from disolyte.systems.expressions import satisfies

MAX_COMPOSITIONS: Final = 10_000
"""Most compositions of a grid."""


class GridPoint(Record):
    """One composition of a system's grid."""

    model_config = ConfigDict(frozen=True)

    coordinates: dict[str, float] = Field(description="Value of each composition axis, e.g. {'x': 0.5, 'y': 1.0}.")
    formula: str = Field(description="Formula of one formula unit, e.g. 'Li3In0.5Y0.5Br6'. Unique within a system.")


class CompositionGrid(Record):
    """Compositions to study and those that span them, as coordinates on the axes.

    A system of one composition has no axes; its grid and its end members, both ``[{}]``, need not be given.
    """

    grid: list[dict[str, FiniteFloat]] = Field(
        default=[{}],
        min_length=1,
        max_length=MAX_COMPOSITIONS,
        description="Coordinates of the compositions to study. A mapping of axes to values is taken as their product.",
    )
    constraints: list[str] = Field(
        default_factory=list, description="What a composition must meet, e.g. 'x + y >= 1'; others are left out."
    )
    end_members: list[dict[str, FiniteFloat]] = Field(
        default=[{}], min_length=1, description="Compositions that span the grid: one more than there are axes."
    )

    @field_validator("grid", mode="before")
    @classmethod
    def _expand_axes(cls, value: Any) -> Any:
        """Take ``{"x": [0, 1], "y": [0, 1]}`` as the product of the axes."""
        return expand_axes(value) if isinstance(value, Mapping) else value

    @property
    def axes(self) -> list[str]:
        """Names of the composition axes."""
        return list(self.grid[0])

    def allowed(self) -> list[dict[str, float]]:
        """Coordinates of the grid that meet the constraints.

        Raises
        ------
        CompositionError
            If none does, or a constraint cannot be read.
        """
        kept = [values for values in self.grid if self._meets_constraints(values)]
        if not kept:
            raise CompositionError(f"no composition of the grid meets the constraints {self.constraints}").at(
                "constraints"
            )
        return kept

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
                f"the end members {self.end_members} do not span the {len(axes)} axes {axes}: give {len(axes) + 1} "
                "that do not lie on one line or plane"
            ).at("end_members")
        target = np.array([1.0, *(coordinates[axis] for axis in axes)])
        return [float(share) for share in np.linalg.solve(corners.T, target)]

    def _meets_constraints(self, coordinates: Mapping[str, float]) -> bool:
        for index, rule in enumerate(self.constraints):
            try:
                if not satisfies(rule, coordinates):
                    return False
            except CompositionError as error:
                error.at("constraints", index)
                raise
        return True


def expand_axes(axes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All combinations of the values on the axes.

    Raises
    ------
    CompositionError
        If an axis has no list of values, or there are too many combinations.

    Examples
    --------
    >>> expand_axes({"x": [0, 1], "y": [2]})
    [{'x': 0, 'y': 2}, {'x': 1, 'y': 2}]
    """
    number = 1
    for axis, values in axes.items():
        if not isinstance(values, list | tuple) or not values:
            raise CompositionError(f"axis {axis!r} of the grid needs a list of values, not {values!r}").at("grid", axis)
        number *= len(values)
        if number > MAX_COMPOSITIONS:
            raise CompositionError(
                f"the grid has {number} compositions and more; at most {MAX_COMPOSITIONS} are taken: give fewer values"
            ).at("grid", axis)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
