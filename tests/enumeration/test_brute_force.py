"""Agreement with brute force on random small cells, by an independent route.

The group comes from spglib on the supercell itself, with its own floating-point site map, and orbits from the images of
every single ordering.
"""

from itertools import combinations, product
from math import prod

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from disolyte.enumeration import OrderingSpace
from disolyte.enumeration.counting import multinomial

SPACE_GROUPS = {
    "triclinic": (1, 2),
    "monoclinic": (10, 12, 14, 8),
    "orthorhombic": (16, 62, 63, 71, 36),
    "tetragonal": (123, 136, 139, 82),
    "trigonal": (164, 166, 167, 155),
    "hexagonal": (191, 194, 187),
    "cubic": (221, 225, 229, 216, 200),
}
LATTICES = {
    "triclinic": Lattice.from_parameters(4.1, 4.9, 5.7, 82, 96, 104),
    "monoclinic": Lattice.monoclinic(4.2, 5.3, 6.1, 103),
    "orthorhombic": Lattice.orthorhombic(4.3, 5.2, 6.4),
    "tetragonal": Lattice.tetragonal(4.4, 5.9),
    "trigonal": Lattice.hexagonal(4.6, 7.3),
    "hexagonal": Lattice.hexagonal(4.7, 6.2),
    "cubic": Lattice.cubic(5.1),
}
SPECIAL = (0.0, 0.5, 0.25, 1 / 3, 2 / 3, 0.21)
WEIGHTS = (0.45, 0.25, 0.1, 0.05, 0.05, 0.1)
CASES_PER_SYSTEM = 16
MAX_RAW = 6000


def first_hall_number(number):
    return next(hall for hall in range(1, 531) if spglib.get_spacegroup_type(hall).number == number)


OPERATIONS = {
    number: spglib.get_symmetry_from_database(first_hall_number(number))
    for numbers in SPACE_GROUPS.values()
    for number in numbers
}


def orbit(number, coord):
    """Equivalent positions in the conventional cell."""
    operations = OPERATIONS[number]
    images = np.round((operations["rotations"] @ coord + operations["translations"]) % 1, 6) % 1
    return np.unique(images, axis=0)


def random_parent(rng, system, fewest):
    """Sites of one to three orbits, in the conventional or the primitive cell; not disordered yet."""
    while True:
        number = int(rng.choice(SPACE_GROUPS[system]))
        n_orbits = int(rng.integers(fewest, 4))
        coords = [
            orbit(number, np.array([SPECIAL[k] for k in rng.choice(len(SPECIAL), size=3, p=WEIGHTS)]))
            for _ in range(n_orbits)
        ]
        if sum(map(len, coords)) > 16:
            continue
        names = [name for name, entry in zip(("Na", "Cl", "O"), coords, strict=False) for _ in entry]
        structure = Structure(LATTICES[system], names, np.concatenate(coords))
        if np.all(structure.distance_matrix[~np.eye(len(structure), dtype=bool)] > 0.7):
            return structure.get_primitive_structure() if rng.random() < 0.5 else structure


def random_matrix(rng):
    while True:
        matrix = rng.integers(-1, 3, size=(3, 3))
        if 1 <= abs(round(np.linalg.det(matrix))) <= 4:
            return matrix


def random_case(rng, system, fewest):
    """Disordered structure and supercell whose raw space is small, with at least ``fewest`` sublattices."""
    while True:
        parent, matrix = random_parent(rng, system, fewest), random_matrix(rng)
        n_cells = abs(round(np.linalg.det(matrix)))
        structure = parent.copy()
        raw, n_disordered, n_sublattices = 1, 0, 0
        for name in sorted({site.specie.symbol for site in parent}):
            members = [i for i, site in enumerate(parent) if site.specie.symbol == name]
            n_sites = len(members) * n_cells
            if rng.random() < 0.25 or n_sites < 2:
                continue
            n_species = int(rng.integers(2, 4))
            cuts = np.sort(rng.integers(0, n_sites + 1, size=n_species - 1))
            counts = np.diff([0, *cuts, n_sites])
            species = {"Na": ("Na", "K", "Li"), "Cl": ("Cl", "Br", "I"), "O": ("O", "S", "Se")}[name]
            vacant = rng.random() < 0.5
            present = {
                symbol: count / n_sites
                for symbol, count in zip(species, counts[: n_species - vacant], strict=False)
                if count
            }
            if not present or (len(present) == 1 and abs(sum(present.values()) - 1) < 1e-9):
                continue
            for i in members:
                structure.replace(i, present)
            raw *= multinomial([int(c) for c in counts])
            n_disordered += n_sites
            n_sublattices += 1
        if 1 < raw <= MAX_RAW and n_disordered <= 40 and n_sublattices >= fewest:
            return structure, matrix


def brute_force_orbits(structure, matrix, space):
    """Sizes of all orbits, and a number of the orbit for every ordering, keyed by its bytes."""
    kinds = {}
    numbers = [kinds.setdefault(site.species_string, len(kinds)) for site in structure]
    n_cells = abs(round(np.linalg.det(matrix)))
    coords = space.cell.frac_coords
    supercell_kinds = np.repeat(numbers, n_cells)
    dataset = spglib.get_symmetry_dataset((space.cell.lattice_ang, coords, supercell_kinds), symprec=0.01)
    group = []
    for rotation, translation in zip(dataset.rotations, dataset.translations, strict=True):
        difference = (coords @ rotation.T + translation)[:, None] - coords[None]
        difference -= np.round(difference)
        distance = np.linalg.norm(difference @ space.cell.lattice_ang, axis=2)
        distance[supercell_kinds[:, None] != supercell_kinds[None]] = np.inf
        assert distance.min(axis=1).max() < 0.05
        group.append(distance.argmin(axis=1))
    rows = all_rows(space)
    position = {row.tobytes(): index for index, row in enumerate(rows)}
    orbits = np.arange(len(rows))
    for permutation in group:
        images = np.array([position[np.ascontiguousarray(row).tobytes()] for row in rows[:, permutation]])
        orbits = np.minimum(orbits, images)
    return {key: int(orbits[index]) for key, index in position.items()}, np.bincount(orbits)


def all_rows(space):
    """Every ordering, equivalent ones too."""

    def arrangements(sites, counts):
        if len(counts) == 1:
            yield dict.fromkeys(sites, counts[0][0])
            return
        species, number = counts[0]
        for chosen in combinations(sites, number):
            rest = [site for site in sites if site not in chosen]
            for others in arrangements(rest, counts[1:]):
                yield dict.fromkeys(chosen, species) | others

    parts = [
        list(arrangements(list(map(int, entry.sites)), list(enumerate(entry.counts))))
        for entry in space.cell.sublattices
    ]
    rows = np.zeros((prod(map(len, parts)), space.n_sites), dtype=np.int8)
    for row, choice in zip(rows, product(*parts), strict=True):
        for part in choice:
            row[list(part)] = list(part.values())
    return rows


@pytest.mark.parametrize("system", SPACE_GROUPS)
def test_random_cells_agree_with_brute_force(system):
    rng = np.random.default_rng(list(system.encode()))
    seen = {"several": 0, "vacancies": 0, "skew": 0, "ternary": 0}
    for case in range(CASES_PER_SYSTEM):
        structure, matrix = random_case(rng, system, 1 + case % 2)
        space = OrderingSpace.from_structure(structure, matrix)
        orbit_of, sizes = brute_force_orbits(structure, matrix, space)
        sizes_by_orbit = {index: size for index, size in enumerate(sizes) if size}
        note = f"case {case} of {system}: {structure.formula}, {matrix.tolist()}"
        assert space.n_raw == len(orbit_of), note
        assert space.n_distinct == len(sizes_by_orbit), note
        chunk_size = int(rng.integers(1, 50))
        found = {}
        for batch in space.iter_orderings(chunk_size=chunk_size):
            assert len(batch.occupations) <= chunk_size
            for row, degeneracy in zip(batch.occupations, batch.degeneracies, strict=True):
                index = orbit_of[row.tobytes()]
                assert index not in found, note
                found[index] = int(degeneracy)
        assert found == sizes_by_orbit, note
        rows = np.frombuffer(b"".join(orbit_of), dtype=np.int8).reshape(-1, space.n_sites)
        check_canonical(space, rows, orbit_of, found)
        seen["several"] += len(space.cell.sublattices) > 1
        seen["vacancies"] += any("" in entry.species for entry in space.cell.sublattices)
        seen["skew"] += bool(np.any(matrix != np.diag(np.diag(matrix))))
        seen["ternary"] += any(len(entry.species) > 2 for entry in space.cell.sublattices)
    assert all(seen.values()), seen


def check_canonical(space, rows, orbit_of, degeneracies):
    """Canonical images of all orderings are exactly the generated ones."""
    columns = np.concatenate([space.cell.sublattices[k].sites for k in space.problem.sequence])
    images, orders = space.problem.canonicalise(np.ascontiguousarray(rows[:, columns]))
    full = np.zeros_like(rows)
    full[:, columns] = images
    assert len({image.tobytes() for image in full}) == len(degeneracies)
    for row, image, order in zip(rows, full, orders, strict=True):
        assert orbit_of[row.tobytes()] == orbit_of[image.tobytes()]
        assert space.problem.order // order == degeneracies[orbit_of[image.tobytes()]]
    generated = {row.tobytes() for batch in space.iter_orderings() for row in batch.occupations}
    assert {image.tobytes() for image in full} == generated


@pytest.mark.parametrize("threshold", [0, 10**9])
def test_both_generators_agree(parents, monkeypatch, threshold):
    """Testing all subsets at once, and the depth-first search."""
    monkeypatch.setattr("disolyte.enumeration.subsets.BRUTE_FORCE_LIMIT", threshold)
    space = OrderingSpace.from_structure(parents["rutile"](), (2, 2, 2))
    assert sum(len(batch.occupations) for batch in space.iter_orderings()) == space.n_distinct
    garnet = parents["garnet"](on_16a={"Al": 0.5, "Fe": 0.25, "Cr": 0.25}, on_24d={"Si": 1 / 3, "Ge": 2 / 3})
    space = OrderingSpace.from_structure(garnet)
    n = total = 0
    for batch in space.iter_orderings(chunk_size=1000):
        n += len(batch.occupations)
        total += int(batch.degeneracies.sum())
    assert (n, total) == (space.n_distinct, space.n_raw)
