"""What may sit where: kinds of sites, and which of them share one composition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from pymatgen.core import Structure

from disolyte.errors import CompositionError, InputError, StructureError

COINCIDENCE_ANG = 0.01
"""Sites nearer than this are one place."""

OCCUPANCY_NOISE = 1e-6
"""Differences of occupancies below this are noise of floating point numbers."""


@dataclass(frozen=True)
class SiteKind:
    """Occupancies of a site, and the pool it belongs to.

    Parameters
    ----------
    species
        Species by their string (``"Li+"``, ``"Na"``; ``""`` is a vacancy), sorted, vacancy last.
    occupancies
        Their occupancies.
    pool
        Name of the pool of sites that share one composition; None: the symmetry of the parent decides.
    """

    species: tuple[str, ...]
    occupancies: tuple[float, ...]
    pool: str | None = None

    @property
    def is_disordered(self) -> bool:
        """Whether more than one species, vacancies among them, may sit here."""
        return len(self.species) > 1

    def symmetry_key(self) -> tuple[Any, ...]:
        """Sites of equal keys may be mapped onto each other by symmetry."""
        if self.pool is not None:
            return ("pool", self.pool)
        return (self.species, tuple(round(x, 6) for x in self.occupancies))


def check_geometry(structure: Structure, symprec: float) -> None:
    """Refuse structures and tolerances that no symmetry can be found with.

    Parameters
    ----------
    structure
        Disordered structure.
    symprec
        Distance in Å within which sites count as equivalent.

    Raises
    ------
    InputError
        If ``symprec`` is no positive number.
    StructureError
        If it is not a structure, its lattice or coordinates are not finite, or two of its sites coincide.
    """
    if not isinstance(symprec, Real) or not 0 < float(symprec) < np.inf:
        raise InputError(f"symprec is {symprec!r}; it must be a positive distance in Å, such as 0.01")
    if not isinstance(structure, Structure):
        raise StructureError(
            f"{type(structure).__name__} is no pymatgen Structure: read files with Structure.from_file(path)"
        )
    if not len(structure):
        raise StructureError("the structure holds no sites: give the disordered parent")
    if not np.all(np.isfinite(structure.lattice.matrix)) or not np.all(np.isfinite(structure.frac_coords)):
        raise StructureError("the structure's lattice or coordinates are not finite numbers: correct them")
    distances = structure.distance_matrix + np.diag(np.full(len(structure), np.inf))
    if distances.min() < COINCIDENCE_ANG:
        first, second = (int(k) for k in np.unravel_index(distances.argmin(), distances.shape))
        raise StructureError(
            f"sites {first} ({structure[first].species_string}) and {second} ({structure[second].species_string}) are "
            f"{distances.min():.2g} Å apart: merge them into one site that holds the species of both (for example "
            "structure.merge_sites(mode='sum'))"
        )


def species_name(species: Any) -> str:
    """Species as :func:`pymatgen.core.get_el_sp` reads it back; charges keep all their decimals."""
    name = str(species)
    state = getattr(species, "oxi_state", None)
    if state is None or abs(state - round(state, 2)) < 1e-9:
        return name
    # pymatgen writes two decimals.
    return re.sub(r"^([A-Za-z]+)[\d.]+", rf"\g<1>{abs(state):.10g}", name)


def read_site_kinds(structure: Structure, pool: Iterable[str] = (), *, allow_ordered: bool = False) -> list[SiteKind]:
    """Kind of every site of a disordered structure.

    Parameters
    ----------
    structure
        Structure with partial occupancies. Sites that share a site property ``sublattice`` and are not all ordered
        share one composition.
    pool
        Elements: all disordered sites on which one of them sits, and the same species, share one composition.
    allow_ordered
        Whether a structure without partial occupancies may be given. One kind of its sites then counts as disordered,
        with no vacancies.

    Raises
    ------
    StructureError
        If no site is disordered and that is not allowed, or pooled sites hold different species.
    CompositionError
        If the occupancies of a site add up to more than 1, or one is negative.
    """
    kinds = [_read_site(index, site) for index, site in enumerate(structure)]
    if not any(kind.is_disordered for kind in kinds):
        if allow_ordered:
            return _with_full_sublattice(kinds)
        raise StructureError(
            f"{structure.composition.reduced_formula} has no site of partial occupancy, so there is nothing to order: "
            "give the disordered parent (for example structure.replace_species({'Na': {'Na': 0.5}})), or use this "
            "ordered structure as it is"
        )
    labels = _labels(structure, kinds, {pool} if isinstance(pool, str) else {str(element) for element in pool})
    pooled = {label for label, kind in zip(labels, kinds, strict=True) if label is not None and kind.is_disordered}
    for label in sorted(pooled):
        members = [kind for other, kind in zip(labels, kinds, strict=True) if other == label]
        species = _pool_species(label, members)
        for index, kind in enumerate(kinds):
            if labels[index] == label and set(kind.species) <= set(species):
                amounts = dict(zip(kind.species, kind.occupancies, strict=True))
                kinds[index] = SiteKind(species, tuple(amounts.get(name, 0.0) for name in species), label)
    return kinds


def _with_full_sublattice(kinds: Sequence[SiteKind]) -> list[SiteKind]:
    """Kinds of an ordered structure, the first one as a sublattice that might have vacancies and has none."""
    full = SiteKind((*kinds[0].species, ""), (*kinds[0].occupancies, 0.0))
    return [full if kind == kinds[0] else kind for kind in kinds]


def _read_site(index: int, site: Any) -> SiteKind:
    amounts: dict[str, float] = {}
    for species, amount in site.species.items():
        if amount > OCCUPANCY_NOISE:  # H and D are both written H
            name = species_name(species)
            amounts[name] = amounts.get(name, 0.0) + float(amount)
    total = sum(amounts.values())
    if total > 1 + OCCUPANCY_NOISE or any(amount < 0 for amount in site.species.values()):
        raise CompositionError(
            f"site {index} ({site.species_string}) has a total occupancy of {total:.6g}; it must lie within 0 and 1: "
            "correct the occupancies"
        )
    species = tuple(sorted(amounts))
    occupancies = tuple(amounts[name] for name in species)
    if 1 - total > OCCUPANCY_NOISE:
        return SiteKind((*species, ""), (*occupancies, 1 - total))
    return SiteKind(species, occupancies)


def _labels(structure: Structure, kinds: Sequence[SiteKind], pool: set[str]) -> list[str | None]:
    given = structure.site_properties.get("sublattice", [None] * len(structure))
    labels: list[str | None] = [None if label in (None, "") else str(label) for label in given]
    found = set()
    for index, (site, kind) in enumerate(zip(structure, kinds, strict=True)):
        elements = {str(getattr(species, "element", species)) for species in site.species}
        if kind.is_disordered and elements & pool:
            labels[index] = "pool of " + ", ".join(name or "vacancy" for name in kind.species)
            found |= elements & pool
    if pool - found:
        raise StructureError(
            f"no partially occupied site holds {', '.join(sorted(pool - found))}, which is to be pooled: "
            f"{structure.composition.reduced_formula} has disorder on "
            + ", ".join(
                sorted({"/".join(name or "vacancy" for name in kind.species) for kind in kinds if kind.is_disordered})
            )
        )
    return labels


def _pool_species(label: str, members: Sequence[SiteKind]) -> tuple[str, ...]:
    """Species of a pool: those of its disordered sites, which must agree."""
    disordered = {kind.species for kind in members if kind.is_disordered}
    widest = max(disordered, key=len)
    if any(not set(species) <= set(widest) for species in disordered):
        raise StructureError(
            f"the sites of sublattice {label!r} hold different species ({' and '.join(map(str, sorted(disordered)))}), "
            "so they cannot share one composition: give them different labels"
        )
    return widest
