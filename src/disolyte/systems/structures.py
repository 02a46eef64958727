"""Disordered structures of a system's grid points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import spglib
from numpy.typing import ArrayLike
from pymatgen.core import Lattice, Species, Structure
from spglib import SpglibDataset

from disolyte.errors import OxidationStateError, StructureError
from disolyte.systems.exclusions import find_exclusions
from disolyte.systems.formulas import element_symbol
from disolyte.systems.schema import DisorderedSystem, GridPoint

COINCIDENCE_ANG: Final = 1e-3
"""Distance below which two sites are the same."""

SYMMETRY_TOLERANCE_ANG: Final = 1e-4
"""Distance within which sites of parent structures are equivalent."""


class WyckoffSite(NamedTuple):
    """One crystallographic position of a parent structure."""

    sublattice: str
    """Name of the sublattice; positions of one name are pooled."""
    element: str
    """Element that stands for the position; the occupancies of its sublattice replace it."""
    frac_coords: tuple[float, float, float]
    """Fractional coordinates of one of its sites."""


def parent_structure(
    space_group: int | str, lattice_parameters: Sequence[float], positions: Sequence[WyckoffSite]
) -> Structure:
    """Parent structure from a space group, lattice parameters and Wyckoff positions.

    Parameters
    ----------
    space_group
        Number or Hermann–Mauguin symbol, in pymatgen's standard setting.
    lattice_parameters
        a, b, c in Å; alpha, beta, gamma in degrees.
    positions
        The occupied positions.

    Returns
    -------
    Structure
        All sites of the conventional cell, with the site property ``sublattice``.
    """
    return Structure.from_spacegroup(
        space_group,
        Lattice.from_parameters(*lattice_parameters),
        [position.element for position in positions],
        [position.frac_coords for position in positions],
        site_properties={"sublattice": [position.sublattice for position in positions]},
    )


def reduce_cell(structure: Structure, vectors: ArrayLike) -> Structure:
    """The same crystal in a smaller cell.

    Parameters
    ----------
    structure
        Parent structure, with the site property ``sublattice``.
    vectors
        Vectors of the smaller cell in units of those of the structure, as rows, shape (3, 3).

    Returns
    -------
    Structure
        One of all sites that coincide in the smaller cell, in their order.

    Raises
    ------
    StructureError
        If the vectors are no translations of the structure.
    """
    matrix = np.array(vectors, dtype=float)
    coordinates = structure.frac_coords @ np.linalg.inv(matrix)
    lattice = Lattice(matrix @ structure.lattice.matrix)
    offsets = coordinates[:, None] - coordinates[None, :]
    coincide = np.linalg.norm((offsets - np.round(offsets)) @ lattice.matrix, axis=-1) < COINCIDENCE_ANG
    kept = [index for index in range(len(structure)) if not coincide[index, :index].any()]
    if len(kept) * round(structure.volume / lattice.volume) != len(structure):
        raise StructureError(f"the vectors {matrix.tolist()} are no lattice translations of {structure.formula}")
    labels = structure.site_properties["sublattice"]
    return Structure(
        lattice,
        [structure[index].species for index in kept],
        coordinates[kept] % 1.0,
        site_properties={"sublattice": [labels[index] for index in kept]},
    )


def find_symmetry(structure: Structure) -> SpglibDataset:
    """Symmetry of a parent structure, its sites told apart by sublattice and element.

    Parameters
    ----------
    structure
        Parent structure, with the site property ``sublattice``.

    Raises
    ------
    StructureError
        If the sites have no symmetry that fits together.
    """
    numbers: dict[tuple[str, str], int] = {}
    labels = structure.site_properties["sublattice"]
    keys = [(label, element_symbol(site.specie)) for label, site in zip(labels, structure, strict=True)]
    kinds = [numbers.setdefault(key, len(numbers)) for key in keys]
    cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), kinds)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY_TOLERANCE_ANG)
    if dataset is None:
        raise StructureError(f"no symmetry of {structure.formula} fits together within {SYMMETRY_TOLERANCE_ANG} Å")
    return dataset


def disordered_structure(system: DisorderedSystem, point: GridPoint) -> Structure:
    """Disordered structure of one composition.

    Parameters
    ----------
    system
        The system.
    point
        The composition.

    Returns
    -------
    Structure
        Sites with partial occupancies, species with oxidation states, and the site property ``sublattice``. Lattice
        parameters and coordinates are interpolated linearly (Vegard's law) where the system has one parent for each
        end member. The property ``caveats`` holds those of the
        system, and tells of partially occupied sites that are too close to each other.

    Raises
    ------
    CompositionError
        If an occupancy leaves [0, 1].
    OxidationStateError
        If the composition is charged; it names the excess.

    Examples
    --------
    >>> from disolyte.systems import get_system
    >>> system = get_system("liybc")
    >>> structure = disordered_structure(system, system.point("Li3InCl6"))
    >>> structure[0].species_string, structure.site_properties["sublattice"][0]
    ('Li+:0.75', 'Li')
    """
    species = system.species_at(point.coordinates)
    _check_charge(system, point)
    parent = _interpolated_parent(system, point.coordinates)
    labels = parent.site_properties["sublattice"]
    decorated = {
        label: {Species(element, system.oxidation_states[element]): occupancy for element, occupancy in entry.items()}
        for label, entry in species.items()
    }
    kept = [index for index, label in enumerate(labels) if decorated[label]]
    structure = Structure(
        parent.lattice,
        [decorated[labels[index]] for index in kept],
        parent.frac_coords[kept],
        site_properties={"sublattice": [labels[index] for index in kept]},
    )
    structure.properties["caveats"] = [*system.caveats, *map(str, find_exclusions(structure))]
    return structure


def _check_charge(system: DisorderedSystem, point: GridPoint) -> None:
    amounts = system.amounts(point.coordinates)
    excess = sum(system.oxidation_states[element] * amount for element, amount in amounts.items())
    if abs(excess) > system.charge_tolerance_e:
        states = ", ".join(f"{element} {system.oxidation_states[element]:+g}" for element, n in amounts.items() if n)
        n_units = system.formula_units_per_cell
        units = f"{n_units} formula units" if n_units > 1 else "1 formula unit"
        raise OxidationStateError(
            f"{point.formula} of {system.key!r} carries an excess charge of {excess:+.4g} e per formula unit, "
            f"{n_units * excess:+.4g} e per cell of {units}, with {states}; at most {system.charge_tolerance_e:g} e "
            "per formula unit is put down to rounding (charge_tolerance_e): correct the oxidation states or the "
            "occupancies"
        ).at("oxidation_states")


def _interpolated_parent(system: DisorderedSystem, coordinates: Mapping[str, float]) -> Structure:
    first = system.parents[0]
    if len(system.parents) == 1:
        return first
    shares = np.array(system.fractions(coordinates))
    parameters = shares @ np.array([parent.lattice.parameters for parent in system.parents])
    # Sites may sit on either side of a cell boundary in two parents: take the shorter way.
    shifts = np.array([parent.frac_coords - first.frac_coords for parent in system.parents])
    shifts -= np.round(shifts)
    return Structure(
        Lattice.from_parameters(*parameters),
        first.species,
        first.frac_coords + np.einsum("e,esk->sk", shares, shifts),
        site_properties=first.site_properties,
    )
