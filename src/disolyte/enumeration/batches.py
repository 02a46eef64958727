"""Orderings in numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class OrderingBatch(NamedTuple):
    """Distinct orderings."""

    occupations: NDArray[np.int8]
    """Index into ``site_species`` of every site, shape (n, n_sites); fixed sites are 0."""
    degeneracies: NDArray[np.int64]
    """Number of orderings of the cell that each one stands for, shape (n,)."""


class RankedOrderings(NamedTuple):
    """Distinct orderings by energy."""

    occupations: NDArray[np.int8]
    """Index into ``site_species`` of every site, shape (n, n_sites)."""
    energies_ev: NDArray[np.float64]
    """Energies, eV per cell, ascending, shape (n,)."""
    degeneracies: NDArray[np.int64]
    """Number of orderings of the cell that each one stands for, shape (n,)."""
    exhaustive: bool
    """Whether all orderings were looked at; otherwise they come from a search."""
