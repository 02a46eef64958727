"""Whether the parts of a system's description fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from disolyte.errors import CompositionError, OxidationStateError, StructureError

if TYPE_CHECKING:
    from disolyte.systems.schema import DisorderedSystem


def check_parents(system: DisorderedSystem) -> None:
    """Parents are alike, ordered, and name their sublattices.

    Raises
    ------
    StructureError
        If they do not.
    """
    if len(system.parents) not in {1, len(system.end_members)}:
        raise StructureError(
            f"system {system.key!r} has {len(system.parents)} parent structures and {len(system.end_members)} end "
            "members; give one parent for all, or one for each end member"
        )
    for parent in system.parents:
        labels = list(parent.site_properties.get("sublattice", []))
        if len(labels) != len(parent) or not all(isinstance(label, str) for label in labels):
            raise StructureError(
                f"the parent structure {parent.formula!r} of {system.key!r} needs the site property 'sublattice', "
                "the name of each site's sublattice"
            )
        if not parent.is_ordered:
            raise StructureError(
                f"the parent structure of {system.key!r} must have one species per site; partial occupancies go to "
                "'occupancies' (DisorderedSystem.from_disordered_structure does so)"
            )
        if labels != system.labels:
            raise StructureError(f"the parent structures of {system.key!r} differ in their sites or sublattices")
    unknown = sorted(set(system.occupancies) - set(system.labels))
    if unknown:
        raise StructureError(
            f"occupancies are given for {unknown}, but the parent structure of {system.key!r} has the sublattices "
            f"{sorted(set(system.labels))}"
        )


def check_axes(system: DisorderedSystem) -> None:
    """Every composition has a value on every axis, and on no other.

    Raises
    ------
    CompositionError
        If one does not.
    """
    axes = set(system.axes)
    for values in [*system.grid, *system.end_members]:
        if set(values) != axes:
            raise CompositionError(
                f"system {system.key!r} has the axes {sorted(axes)}, but a composition is given as {values}"
            )


def check_elements(system: DisorderedSystem) -> None:
    """Every element has an oxidation state, and the mobile ion is one of them.

    Raises
    ------
    OxidationStateError
        If an element has none; it names them.
    CompositionError
        If the mobile ion is not in the system.
    """
    missing = [element for element in system.elements if element not in system.oxidation_states]
    if missing:
        raise OxidationStateError(
            f"system {system.key!r} lacks the oxidation states of {', '.join(missing)}: add them to oxidation_states"
        )
    if system.mobile_ion not in system.elements:
        raise CompositionError(
            f"the mobile ion {system.mobile_ion!r} is not in system {system.key!r}, which holds {system.elements}"
        )
