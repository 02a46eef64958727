"""The orderings of one cell that are handed on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from disolyte.blobs import Blob
from disolyte.enumeration.batches import OrderingBatch, RankedOrderings
from disolyte.enumeration.schema import OrderingSet
from disolyte.enumeration.space import OrderingSpace


class ChosenOrderings(NamedTuple):
    """The lowest orderings of a cell, followed by a diverse subset."""

    occupations: NDArray[np.int8]
    """Species index on every site, shape (n, n_sites)."""
    energies_ev: NDArray[np.float64]
    """Shape (n,)."""
    degeneracies: NDArray[np.int64]
    """Shape (n,)."""
    n_lowest: int
    """The first so many are the lowest, by energy."""
    exhaustive: bool
    """Whether the lowest were sought among all orderings."""
    n_removed: int = 0
    """Orderings left out since another cell holds them."""

    @classmethod
    def from_lowest(cls, lowest: RankedOrderings) -> ChosenOrderings:
        """The lowest orderings alone."""
        return cls(
            lowest.occupations, lowest.energies_ev, lowest.degeneracies, len(lowest.energies_ev), lowest.exhaustive
        )

    def followed_by(self, diverse: OrderingBatch, energies_ev: NDArray[np.float64]) -> ChosenOrderings:
        """With a diverse subset appended."""
        return self._replace(
            occupations=np.concatenate([self.occupations, diverse.occupations]),
            energies_ev=np.concatenate([self.energies_ev, energies_ev]),
            degeneracies=np.concatenate([self.degeneracies, diverse.degeneracies]),
        )

    def without(self, dropped: NDArray[np.bool_]) -> ChosenOrderings:
        """Without some of them, shape of ``dropped`` (n,)."""
        return self._replace(
            occupations=self.occupations[~dropped],
            energies_ev=self.energies_ev[~dropped],
            degeneracies=self.degeneracies[~dropped],
            n_lowest=int(np.sum(~dropped[: self.n_lowest])),
            n_removed=self.n_removed + int(dropped.sum()),
        )


def build_ordering_set(space: OrderingSpace, chosen: ChosenOrderings, n_formula_units: float) -> OrderingSet:
    """Document of the orderings of one cell.

    Parameters
    ----------
    space
        All orderings of the cell.
    chosen
        Those that are handed on.
    n_formula_units
        Formula units in the cell.
    """
    return OrderingSet(
        supercell=space.cell.supercell.tolist(),
        lattice_ang=space.cell.lattice_ang.tolist(),
        frac_coords=space.cell.frac_coords.tolist(),
        site_species=[list(species) for species in space.site_species],
        occupations=Blob.from_array(chosen.occupations),
        degeneracies=chosen.degeneracies.tolist(),
        energies_ev=chosen.energies_ev.tolist(),
        n_lowest=chosen.n_lowest,
        n_formula_units=n_formula_units,
        n_raw=space.n_raw,
        n_distinct=space.n_distinct,
        group_order=space.group_order,
        n_duplicates_removed=chosen.n_removed,
        exhaustive=chosen.exhaustive,
    )
