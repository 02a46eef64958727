"""Whether the parts of a system's description fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pymatgen.core import Element

from disolyte.errors import CompositionError, InputError, OxidationStateError, StructureError

if TYPE_CHECKING:
    from disolyte.systems.schema import DisorderedSystem

SHARE_NOISE: Final = 1e-9
"""Shares of an end member this far below 0 are noise."""

MAX_REPEATS: Final = 20
"""Longest supercell, in cells."""


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
        ).at("parents")
    for index, parent in enumerate(system.parents):
        labels = list(parent.site_properties.get("sublattice", []))
        if len(labels) != len(parent) or not all(isinstance(label, str) for label in labels):
            raise StructureError(
                f"the parent structure {parent.formula!r} of {system.key!r} needs the site property 'sublattice', "
                "the name of each site's sublattice"
            ).at("parents", index)
        if not parent.is_ordered:
            raise StructureError(
                f"the parent structure of {system.key!r} must have one species per site; partial occupancies go to "
                "'occupancies' (DisorderedSystem.from_disordered_structure does so)"
            ).at("parents", index)
        if labels != system.labels:
            raise StructureError(f"the parent structures of {system.key!r} differ in their sites or sublattices").at(
                "parents", index
            )
    unknown = sorted(set(system.occupancies) - set(system.labels))
    if unknown:
        raise StructureError(
            f"occupancies are given for {unknown}, but the parent structure of {system.key!r} has the sublattices "
            f"{sorted(set(system.labels))}"
        ).at("occupancies", unknown[0])


def check_axes(system: DisorderedSystem) -> None:
    """Every composition has a value on every axis, and on no other.

    Raises
    ------
    CompositionError
        If one does not.
    """
    axes = set(system.axes)
    for name, entries in (("grid", system.grid), ("end_members", system.end_members)):
        for index, values in enumerate(entries):
            if set(values) != axes:
                raise CompositionError(
                    f"system {system.key!r} has the axes {sorted(axes)}, but a composition is given as {values}"
                ).at(name, index)


def check_span(system: DisorderedSystem) -> None:
    """Every composition of the grid is a mixture of the end members.

    Raises
    ------
    CompositionError
        If the end members do not span the axes, or a composition lies outside them; it is named.
    """
    for point in system.points():
        shares = system.fractions(point.coordinates)
        least = min(range(len(shares)), key=shares.__getitem__)
        if shares[least] < -SHARE_NOISE:
            member = system.formula(system.end_members[least])
            raise CompositionError(
                f"{point.formula} of {system.key!r} is no mixture of the end members: it would need the share "
                f"{shares[least]:.3g} of {member}; move the end members outwards, or leave the composition out"
            ).at("end_members")


def check_ranking_charges(system: DisorderedSystem) -> None:
    """The charges by which orderings are ranked are those of the system's elements, and add up to 0.

    Raises
    ------
    OxidationStateError
        If they do not; it names the composition.
    """
    for element in system.ranking_charges:
        if element not in system.elements:
            raise OxidationStateError(
                f"ranking_charges of {system.key!r} names {element}; its elements are {', '.join(system.elements)}"
            ).at("ranking_charges", element)
    for point in system.points() if system.ranking_charges else ():
        charges = system.charges_at(point.coordinates)
        excess = sum(amount * charges[element] for element, amount in system.amounts(point.coordinates).items())
        if abs(excess) > system.charge_tolerance_e:
            raise OxidationStateError(
                f"the ranking_charges of {system.key!r} leave {excess:+.3g} e on {point.formula}; change them so that "
                "every composition is neutral"
            ).at("ranking_charges")


def check_supercells(system: DisorderedSystem) -> None:
    """Supercells are of at least one cell in each direction, and of a size that can be worked with.

    Raises
    ------
    InputError
        If one is not.
    """
    if not system.supercells:
        raise InputError(f"system {system.key!r} has no supercell: give at least [1, 1, 1]").at("supercells")
    for index, supercell in enumerate(system.supercells):
        if not all(1 <= number <= MAX_REPEATS for number in supercell):
            raise InputError(
                f"supercell {list(supercell)} of {system.key!r}: every number must lie within 1 and {MAX_REPEATS}"
            ).at("supercells", index)


def check_elements(system: DisorderedSystem) -> None:
    """Every element has an oxidation state, and the mobile ion is one of them.

    Raises
    ------
    OxidationStateError
        If an element has none; it names them.
    CompositionError
        If the mobile ion is not in the system.
    """
    for label, species in system.occupancies.items():
        for element in species:
            if not Element.is_valid_symbol(element):
                raise CompositionError(f"{element!r} on sublattice {label!r} of {system.key!r} is no element").at(
                    "occupancies", label, element
                )
    missing = [element for element in system.elements if element not in system.oxidation_states]
    if missing:
        raise OxidationStateError(
            f"system {system.key!r} lacks the oxidation states of {', '.join(missing)}: add them to oxidation_states"
        ).at("oxidation_states")
    if system.mobile_ion not in system.elements:
        raise CompositionError(
            f"the mobile ion {system.mobile_ion!r} is not in system {system.key!r}, which holds {system.elements}"
        ).at("mobile_ion")
