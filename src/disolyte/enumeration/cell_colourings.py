"""The orderings of a cell as colourings of its sublattices, and back."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.cell import DisorderedCell
from disolyte.enumeration.problem import ColouringProblem


class CellColourings:
    """Colourings of the sublattices of a cell.

    Parameters
    ----------
    cell
        The cell.
    """

    def __init__(self, cell: DisorderedCell) -> None:
        self.cell = cell

    @cached_property
    def tables(self) -> list[NDArray[np.int32]]:
        """Permutations of each sublattice's own sites, shapes (order, m_s)."""
        tables = []
        for sublattice in self.cell.sublattices:
            local = np.full(self.cell.n_sites, -1, dtype=np.int32)
            local[sublattice.sites] = np.arange(len(sublattice.sites), dtype=np.int32)
            tables.append(local[self.cell.symmetry.permutations[:, sublattice.sites]])
        return tables

    @cached_property
    def problem(self) -> ColouringProblem:
        """The colourings under the cell's operations."""
        return ColouringProblem(self.tables, [sublattice.counts for sublattice in self.cell.sublattices])

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Site of each column of the problem's rows, shape (n_columns,)."""
        return np.concatenate([self.cell.sublattices[index].sites for index in self.problem.sequence])

    def occupations(self, rows: NDArray[np.int8]) -> NDArray[np.int8]:
        """Occupations of all sites, shape (n, n_sites), from rows of the problem, shape (n, n_columns)."""
        full = np.zeros((len(rows), self.cell.n_sites), dtype=np.int8)
        full[:, self.columns] = rows
        return full
