"""Enumeration: distinct orderings of disordered structures, counted, generated, sampled and ranked.

Consumes disordered structures (partial occupancies); produces :class:`EnumerationDoc`, one per composition. The engine
is :class:`OrderingSpace`, which works without any workflow.

Examples
--------
>>> from pymatgen.core import Lattice, Structure
>>> salt = Structure.from_spacegroup(
...     "Fm-3m", Lattice.cubic(6.39), [{"Na": 0.5, "Ca": 0.25}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
... )
>>> space = OrderingSpace.from_structure(salt, (1, 1, 2))
>>> space.n_raw, space.n_distinct
(420, 24)
>>> sum(int(batch.degeneracies.sum()) for batch in space.iter_orderings())
420
>>> lowest = space.lowest_energy(5)
>>> space.to_structure(lowest.occupations[0]).composition.reduced_formula, lowest.exhaustive
('Na2CaCl4', True)
"""

from disolyte.enumeration.batches import OrderingBatch, RankedOrderings
from disolyte.enumeration.composition import Rounding
from disolyte.enumeration.problem import Weighting
from disolyte.enumeration.schema import BigInt, EnumerationDoc, OrderingSet
from disolyte.enumeration.space import OrderingSpace

__all__ = [
    "BigInt",
    "EnumerationDoc",
    "OrderingBatch",
    "OrderingSet",
    "OrderingSpace",
    "RankedOrderings",
    "Rounding",
    "Weighting",
]
