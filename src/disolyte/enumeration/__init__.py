"""Enumeration: distinct orderings of disordered structures, counted, generated, sampled and ranked.

Consumes disordered structures (partial occupancies); produces :class:`EnumerationDoc`, one per composition. The engine
is :class:`OrderingSpace`, which works without any workflow.
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
