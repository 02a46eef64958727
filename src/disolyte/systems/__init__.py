"""What to study: parent structure, sublattices, composition grid, end members and mobile ion.

Consumes a parent structure; produces one disordered structure per grid point.
"""

from disolyte.systems.schema import DisorderedSystem, GridPoint

__all__ = ["DisorderedSystem", "GridPoint"]
