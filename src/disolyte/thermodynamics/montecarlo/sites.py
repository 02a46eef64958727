"""The sites of a supercell, and the species that are swapped on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from disolyte.errors import CompositionError, InputError, OxidationStateError, StructureError


@dataclass(frozen=True)
class Block:
    """The slots of one species on one sublattice. A slot has its species for good; what changes is its site."""

    sublattice: str
    species: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Number of slots."""
        return self.stop - self.start


@dataclass(frozen=True)
class SwapSites:
    """All sites of a supercell, cell after cell, each cell's in the order of the disordered structure."""

    lattice_ang: NDArray[np.float64]
    """Vectors of the supercell as rows, shape (3, 3)."""
    frac_coords: NDArray[np.float64]
    """Coordinates in the supercell, shape (n_sites, 3)."""
    repeats: tuple[int, int, int]
    """Repeats of the disordered structure along its vectors."""
    allowed: tuple[tuple[str, ...], ...]
    """Species that may sit on each site of one cell; "" is a vacancy."""
    sublattices: tuple[str, ...]
    """Sublattice of each site of one cell."""
    blocks: tuple[Block, ...]
    """Species to distribute on the disordered sublattices."""
    swapped: tuple[str, ...]
    """Sublattices whose species are swapped; the others keep the distribution that they start with."""

    @property
    def n_cells(self) -> int:
        """Cells in the supercell."""
        return int(np.prod(self.repeats))

    @property
    def n_sites(self) -> int:
        """Sites of the supercell."""
        return len(self.frac_coords)

    @cached_property
    def species(self) -> tuple[str, ...]:
        """All species, by which occupations are numbered."""
        return tuple(dict.fromkeys(name for entry in self.allowed for name in entry))

    @cached_property
    def varying(self) -> NDArray[np.int64]:
        """Sites whose species changes, ascending; occupations are arrays over these."""
        home = np.flatnonzero([len(entry) > 1 for entry in self.allowed])
        return (np.arange(self.n_cells)[:, None] * len(self.allowed) + home).ravel()

    @cached_property
    def slot_species(self) -> NDArray[np.int8]:
        """Species of each slot, shape (n_varying,)."""
        return np.concatenate(
            [np.full(block.size, self.species.index(block.species), dtype=np.int8) for block in self.blocks]
        )

    @property
    def n_swapped(self) -> int:
        """Sites of the sublattices that are swapped."""
        return sum(block.size for block in self.blocks if block.sublattice in self.swapped)

    def random_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Site of each slot, as an index into :attr:`varying`: every distribution is equally likely."""
        labels = np.array([self.sublattices[site % len(self.allowed)] for site in self.varying])
        disordered = dict.fromkeys(block.sublattice for block in self.blocks)
        return np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in disordered])

    def occupations(self, order: NDArray[np.int64]) -> NDArray[np.int8]:
        """Species on each varying site, shape of ``order`` (..., n_varying)."""
        occupations = np.empty(order.shape, dtype=np.int8)
        np.put_along_axis(occupations, order, np.broadcast_to(self.slot_species, order.shape), axis=-1)
        return occupations

    def names(self, occupations: NDArray[np.int8]) -> list[str]:
        """Species on every site of the supercell; "" is a vacancy."""
        names = [entry[0] for entry in self.allowed] * self.n_cells
        for site, index in zip(self.varying, occupations, strict=True):
            names[site] = self.species[index]
        return names

    def structure(self, occupations: NDArray[np.int8]) -> Structure:
        """Ordered structure, vacancies left out."""
        names = self.names(occupations)
        kept = [site for site, name in enumerate(names) if name]
        return Structure(Lattice(self.lattice_ang), [names[site] for site in kept], self.frac_coords[kept])


def build_sites(disordered: Structure, repeats: Sequence[int], sublattices: Sequence[str] | None = None) -> SwapSites:
    """Sites of a supercell of a disordered structure.

    Parameters
    ----------
    disordered
        Structure with partial occupancies. Sites of one ``sublattice`` (a site property) share their species freely;
        without it, sites of equal occupancies do.
    repeats
        Repeats along the vectors of ``disordered``.
    sublattices
        Names of the sublattices to swap species on; all disordered ones if not given. The others are distributed at
        random, in all chains alike.

    Raises
    ------
    StructureError
        If nothing is disordered.
    CompositionError
        If the supercell cannot hold an occupancy.
    InputError
        If the supercell is not three positive whole numbers, or a sublattice is unknown.
    """
    if len(repeats) != 3 or any(int(n) != n or n < 1 for n in repeats):
        raise InputError(f"the supercell is {tuple(repeats)}; give three whole numbers of at least 1")
    size = tuple(int(n) for n in repeats)
    labels = _labels(disordered)
    amounts = _amounts(disordered, labels)
    n_cells = int(np.prod(size))
    counts = {
        label: _whole_counts(label, entry, labels.count(label), n_cells, size) for label, entry in amounts.items()
    }
    disordered_labels = [label for label, entry in counts.items() if len(entry) > 1]
    if not disordered_labels:
        raise StructureError(
            f"no sublattice of {disordered.composition.reduced_formula} is disordered: there is nothing to swap"
        )
    if unknown := sorted(set(sublattices or []) - set(disordered_labels)):
        raise InputError(f"the sublattices {unknown} are not disordered; these are: {disordered_labels}")
    blocks, start = [], 0
    for label in disordered_labels:
        for name, count in counts[label].items():
            blocks.append(Block(label, name, start, start + count))
            start += count
    cells = np.array(list(np.ndindex(*size)))
    coords = (disordered.frac_coords[None, :, :] + cells[:, None, :]) / np.array(size)
    return SwapSites(
        lattice_ang=np.array(disordered.lattice.matrix) * np.array(size)[:, None],
        frac_coords=coords.reshape(-1, 3),
        repeats=size,  # type: ignore[arg-type]
        allowed=tuple(tuple(counts[label]) for label in labels),
        sublattices=tuple(labels),
        blocks=tuple(blocks),
        swapped=tuple(label for label in disordered_labels if not sublattices or label in sublattices),
    )


def read_charges(disordered: Structure, oxidation_states: dict[str, float] | None) -> dict[str, float]:
    """Charge of each element, from the species or as given; a vacancy has none.

    Raises
    ------
    OxidationStateError
        If an element has no charge.
    """
    charges: dict[str, float] = {"": 0.0}
    for site in disordered:
        for species in site.species:
            symbol = getattr(species, "element", species).symbol
            state = (oxidation_states or {}).get(symbol, getattr(species, "oxi_state", None))
            if state is None:
                raise OxidationStateError(
                    f"{symbol} has no oxidation state; give oxidation_states, or decorate the structure with them"
                )
            charges[symbol] = float(state)
    return charges


def _labels(disordered: Structure) -> list[str]:
    given = disordered.site_properties.get("sublattice")
    return [str(label) for label in given] if given else [site.species_string for site in disordered]


def _amounts(disordered: Structure, labels: list[str]) -> dict[str, dict[str, float]]:
    """Mean amount of each element on each sublattice, per cell; vacancies make up the rest."""
    amounts: dict[str, dict[str, float]] = {label: {} for label in labels}
    for label, site in zip(labels, disordered, strict=True):
        for element, occupancy in site.species.element_composition.get_el_amt_dict().items():
            amounts[label][element] = amounts[label].get(element, 0.0) + occupancy
    return amounts


def _whole_counts(
    label: str, amounts: dict[str, float], n_home: int, n_cells: int, repeats: tuple[int, ...]
) -> dict[str, int]:
    counts: dict[str, int] = {}
    for element, amount in amounts.items():
        exact = amount * n_cells
        if abs(exact - round(exact)) > 1e-3:
            raise CompositionError(
                f"sublattice {label!r} asks for {exact:.3f} {element} on the {n_home * n_cells} sites of a "
                f"{'×'.join(map(str, repeats))} supercell; choose a supercell that holds a whole number, "
                "or another composition"
            )
        if round(exact):
            counts[element] = round(exact)
    n_vacant = n_home * n_cells - sum(counts.values())
    return {**counts, **({"": n_vacant} if n_vacant else {})}
