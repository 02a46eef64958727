"""Orderings in numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TIE_EV = 1e-6
"""Energies this close count as equal."""


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

    def caveats(self) -> list[str]:
        """What a reader must know about the ranking."""
        if len(self.energies_ev) > 1 and np.ptp(self.energies_ev) < TIE_EV:
            return [
                f"all {len(self.energies_ev)} orderings of lowest energy have the same energy: it does not tell them "
                "apart (species of equal charge?), and which orderings of this energy are kept is random"
            ]
        return []
