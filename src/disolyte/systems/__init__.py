"""What to study: parent structure, sublattices, composition grid, end members and mobile ion.

Consumes parent structures (shipped, or the user's own); produces :class:`DisorderedSystem` and, by
:func:`disordered_structure`, one disordered structure per grid point.
"""

from disolyte.systems.library import available_systems, get_system, load_system
from disolyte.systems.schema import DisorderedSystem, GridPoint
from disolyte.systems.structures import WyckoffSite, disordered_structure, parent_structure, reduce_cell

__all__ = [
    "DisorderedSystem",
    "GridPoint",
    "WyckoffSite",
    "available_systems",
    "disordered_structure",
    "get_system",
    "load_system",
    "parent_structure",
    "reduce_cell",
]
