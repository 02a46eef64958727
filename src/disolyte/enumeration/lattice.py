"""Integer lattices: supercell matrices, Hermite normal form, and cells counted modulo a supercell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import InputError

IntMatrix = NDArray[np.int64]
SupercellLike = int | Sequence[int] | Sequence[Sequence[int]] | NDArray[np.integer]


def parse_supercell(supercell: SupercellLike) -> IntMatrix:
    """Supercell matrix from an int, three ints or nine.

    Parameters
    ----------
    supercell
        ``2`` and ``(2, 2, 2)`` mean the same; a 3×3 matrix (or nine ints, row by row) holds the new lattice vectors in
        units of the old ones as its rows.

    Returns
    -------
    ndarray of int64, shape (3, 3)

    Raises
    ------
    InputError
        If it has another shape, is not of whole numbers, or is singular.

    Examples
    --------
    >>> parse_supercell((1, 1, 2)).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
    """
    try:
        given = np.asarray(supercell, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"supercell {supercell!r} is not made of numbers: give 1, 3 or 9 whole numbers") from error
    if given.size not in {1, 3, 9} or given.shape not in {(), (1,), (3,), (9,), (3, 3)}:
        raise InputError(f"supercell {supercell!r} has shape {given.shape}: give 1, 3 or 9 whole numbers")
    if not np.all(np.isfinite(given)) or np.any(np.abs(given) > 1e6) or np.any(given != np.round(given)):
        raise InputError(f"supercell {supercell!r} is not made of whole numbers up to 1e6: give 1, 3 or 9 of them")
    whole = np.round(given).astype(np.int64)
    if whole.size == 1:
        whole = np.full(3, whole.item(), dtype=np.int64)
    matrix = np.diag(whole) if whole.size == 3 else whole.reshape(3, 3)
    if integer_determinant(matrix) == 0:
        raise InputError(f"supercell {supercell!r} has determinant 0: its vectors must span a volume")
    return matrix


def integer_determinant(matrix: IntMatrix) -> int:
    """Determinant of a 3×3 integer matrix, exact."""
    (a, b, c), (d, e, f), (g, h, i) = ([int(x) for x in row] for row in matrix)
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def hermite_normal_form(rows: NDArray[np.int64]) -> IntMatrix:
    """Upper triangular basis of the lattice that integer vectors span.

    Parameters
    ----------
    rows
        Integer vectors of rank 3, shape (n, 3).

    Returns
    -------
    ndarray of int64, shape (3, 3)
        Positive diagonal, and every entry above it within 0 and the diagonal entry of its column: unique for the
        lattice.

    Examples
    --------
    >>> hermite_normal_form(np.array([[2, 0, 0], [1, 1, 0], [0, 0, 1], [3, 1, 4]])).tolist()
    [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    """
    work = [[int(x) for x in row] for row in rows]
    basis: list[list[int]] = []
    for column in range(3):
        while True:
            nonzero = [row for row in work if row[column]]
            if not nonzero:
                raise ValueError("the vectors span less than three dimensions")
            pivot = min(nonzero, key=lambda row: abs(row[column]))
            if len(nonzero) == 1:
                break
            for row in nonzero:
                if row is not pivot:
                    factor = row[column] // pivot[column]
                    row[:] = [x - factor * y for x, y in zip(row, pivot, strict=True)]
        work = [row for row in work if row is not pivot and any(row)]
        basis.append([-x for x in pivot] if pivot[column] < 0 else pivot)
    for column in (1, 2):
        for row in basis[:column]:
            factor = row[column] // basis[column][column]
            row[:] = [x - factor * y for x, y in zip(row, basis[column], strict=True)]
    return np.array(basis, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class LatticeQuotient:
    """Vectors of a lattice modulo a sublattice.

    Parameters
    ----------
    basis
        Basis of the sublattice in units of the lattice's vectors, as rows, shape (3, 3).
    """

    basis: IntMatrix

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hnf", hermite_normal_form(self.basis))

    @property
    def hnf(self) -> IntMatrix:
        """Hermite normal form of the basis."""
        return self._hnf  # type: ignore[attr-defined]

    @property
    def order(self) -> int:
        """Number of classes."""
        return int(self.hnf[0, 0]) * int(self.hnf[1, 1]) * int(self.hnf[2, 2])

    def index(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Class of each vector.

        Parameters
        ----------
        vectors
            Shape (..., 3).

        Returns
        -------
        ndarray of int64, shape (...)
            Numbers from 0 to ``order - 1``.
        """
        hnf = self.hnf
        x, y, z = (vectors[..., k] for k in range(3))
        factor = x // hnf[0, 0]
        x, y, z = x - factor * hnf[0, 0], y - factor * hnf[0, 1], z - factor * hnf[0, 2]
        factor = y // hnf[1, 1]
        y, z = y - factor * hnf[1, 1], z - factor * hnf[1, 2]
        z = z % hnf[2, 2]
        return (x * hnf[1, 1] + y) * hnf[2, 2] + z

    def vectors(self) -> NDArray[np.int64]:
        """One vector of each class, in the order of their index, shape (order, 3)."""
        shape = tuple(int(n) for n in np.diag(self.hnf))
        return np.stack(np.unravel_index(np.arange(self.order), shape), axis=1).astype(np.int64)
