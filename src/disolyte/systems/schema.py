"""The description of a disordered system and of the points of its composition grid."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure


class GridPoint(BaseModel):
    """One composition of a system's grid."""

    model_config = ConfigDict(frozen=True)

    coordinates: dict[str, float] = Field(description="Value of each composition axis, e.g. {'x': 0.5, 'y': 1.0}.")
    formula: str = Field(description="Formula of one formula unit, e.g. 'Li3In0.5Y0.5Br6'. Unique within a system.")


class DisorderedSystem(BaseModel):
    """A disordered solid electrolyte over its composition grid."""

    key: str = Field(description="Short name, e.g. 'liybc'.")
    title: str = Field(description="Name for people, e.g. 'Li3In(x)Y(1-x)Br(6y)Cl(6-6y)'.")
    parent: Structure = Field(
        description="Parent structure, one species per site; its site property 'sublattice' names each site's sublattice."
    )
    occupancies: dict[str, dict[str, str]] = Field(
        description="Per disordered sublattice, the occupancy of each species as an expression in the axes."
    )
    grid: list[dict[str, float]] = Field(description="Coordinates of the compositions to study.")
    end_members: list[dict[str, float]] = Field(description="Grid points that span the composition space.")
    mobile_ion: str = Field(description="Element whose diffusion is studied, e.g. 'Li'.")
    oxidation_states: dict[str, float] = Field(description="Oxidation state of each element.")
    supercells: list[tuple[int, int, int]] = Field(description="Supercells of the parent in which orderings are sought.")
    formula_units_per_cell: int = Field(description="Formula units in the parent's cell.")
    references: list[str] = Field(default_factory=list, description="Sources of the parent structure.")
