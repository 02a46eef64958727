"""Documents of the enumeration."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer
from pymatgen.core import Lattice, Structure, get_el_sp

from disolyte.blobs import Blob
from disolyte.errors import InputError
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.systems.schema import GridPoint

BigInt = Annotated[int, BeforeValidator(int), PlainSerializer(str)]
"""Whole number of any size: a string in the database, which holds no integer above 2⁶³."""


class OrderingSet(Record):
    """Orderings of one cell, by energy."""

    supercell: list[list[int]] = Field(description="Supercell vectors in units of the parent cell, as rows.")
    lattice_ang: list[list[float]] = Field(description="Lattice vectors as rows, Å.")
    frac_coords: list[list[float]] = Field(description="Fractional coordinates of all sites.")
    site_species: list[list[str]] = Field(description="Species that may sit on each site; '' is a vacancy.")
    occupations: Blob = Field(description="int8 (n_orderings, n_sites): index into site_species.")
    degeneracies: list[BigInt] = Field(description="Number of orderings of the cell that each one stands for.")
    energies_ev: list[float] = Field(description="Energy of each ordering, eV per cell.")
    n_lowest: int = Field(description="The first so many are the lowest by energy; the others a diverse subset.")
    n_formula_units: float = Field(description="Formula units in the cell.")
    n_raw: BigInt = Field(description="Number of orderings of the cell, equivalent ones too.")
    n_distinct: BigInt = Field(description="Number of distinct orderings of the cell (Burnside).")
    group_order: int = Field(description="Operations of the parent that keep the cell, modulo its translations.")
    n_duplicates_removed: int = Field(default=0, description="Orderings left out since an earlier cell holds them.")
    exhaustive: bool = Field(description="Whether the lowest were sought among all orderings.")

    @property
    def n_orderings(self) -> int:
        """Number of orderings."""
        return len(self.energies_ev)

    def structure(self, i: int) -> Structure:
        """Ordered structure of one ordering: plain elements, vacancies left out.

        Raises
        ------
        InputError
            If there is no such ordering.
        """
        return self.structures([i])[0]

    def structures(self, indices: list[int] | None = None) -> list[Structure]:
        """Ordered structures of some orderings, or of all.

        Raises
        ------
        InputError
            If there is no such ordering.
        """
        rows = self.occupations.to_array()
        indices = list(range(self.n_orderings)) if indices is None else indices
        wrong = [i for i in indices if not -len(rows) <= i < len(rows)]
        if wrong:
            raise InputError(f"there is no ordering {wrong[0]}: the cell holds {len(rows)}, counted from 0")
        lattice = Lattice(self.lattice_ang)
        names = [[_element(species) for species in entry] for entry in self.site_species]
        coords = np.array(self.frac_coords)
        structures = []
        for i in indices:
            chosen = [entry[k] for entry, k in zip(names, rows[i], strict=True)]
            kept = [site for site, name in enumerate(chosen) if name]
            structures.append(Structure(lattice, [chosen[site] for site in kept], coords[kept]))
        return structures


class EnumerationDoc(StageDoc):
    """Orderings of one composition, in one or several cells."""

    system_key: str | None = Field(default=None, description="Key of the system it belongs to.")
    point: GridPoint = Field(description="The composition.")
    cells: list[OrderingSet] = Field(description="One set for each cell, in the order given.")
    exhaustive: bool = Field(description="Whether the lowest were sought among all orderings of every cell.")
    energy: str = Field(description="What the orderings are ranked by: 'ewald'.")
    oxidation_states: dict[str, float] = Field(description="Charges behind the Ewald energies.")
    oxidation_states_source: str = Field(description="'given', 'structure' or 'guessed'.")
    occupancy_changes: list[str] = Field(description="Every occupancy that differs from the given one.")

    @property
    def n_raw(self) -> list[int]:
        """Number of orderings per cell, equivalent ones too."""
        return [cell.n_raw for cell in self.cells]

    @property
    def n_distinct(self) -> list[int]:
        """Number of distinct orderings per cell."""
        return [cell.n_distinct for cell in self.cells]

    @property
    def n_orderings(self) -> int:
        """Number of orderings handed on, all cells together."""
        return sum(cell.n_orderings for cell in self.cells)


def _element(species: str) -> str:
    return str(getattr(get_el_sp(species), "element", species)) if species else ""
