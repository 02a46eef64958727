"""Distinct orderings collected by a search."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from disolyte.enumeration.problem import ColouringProblem


@dataclass(eq=False)
class DistinctPool:
    """Distinct orderings found so far, the lowest kept.

    Parameters
    ----------
    problem
        Tells which orderings are the same.
    n
        Number of orderings wanted.
    """

    problem: ColouringProblem
    n: int
    _known: dict[bytes, int] = field(default_factory=dict)
    _rows: list[NDArray[np.int8]] = field(default_factory=list)
    _energies: list[float] = field(default_factory=list)
    _orders: list[int] = field(default_factory=list)

    def add(self, rows: NDArray[np.int8], energies: NDArray[np.float64]) -> None:
        """Take in orderings; those that are known already are left out."""
        limit = self.limit_ev()
        low = np.flatnonzero(energies <= limit)
        images, orders = self.problem.canonicalise(rows[low])
        for image, energy, order in zip(images, energies[low], orders, strict=True):
            key = image.tobytes()
            if key not in self._known:
                self._known[key] = len(self._rows)
                self._rows.append(image)
                self._energies.append(float(energy))
                self._orders.append(int(order))

    @property
    def size(self) -> int:
        """Number of distinct orderings found."""
        return len(self._rows)

    def limit_ev(self) -> float:
        """Energy of the n-th lowest; infinite while there are fewer."""
        if len(self._energies) < self.n:
            return np.inf
        return float(np.partition(np.array(self._energies), self.n - 1)[self.n - 1])

    def lowest(self) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.int64]]:
        """Rows, energies and orders of the stabilisers of the lowest ``n``, by energy."""
        energies = np.array(self._energies, dtype=float)
        chosen = np.argsort(energies, kind="stable")[: self.n]
        return (
            np.array([self._rows[i] for i in chosen], dtype=np.int8),
            energies[chosen],
            np.array(self._orders, dtype=np.int64)[chosen],
        )
