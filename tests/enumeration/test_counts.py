"""Numbers of orderings that are known from elsewhere."""

from math import comb

import numpy as np
import pytest

from disolyte.enumeration import OrderingSpace


def counted(space):
    n = total = 0
    for batch in space.iter_orderings():
        n += len(batch.occupations)
        total += int(batch.degeneracies.sum())
    assert total == space.n_raw
    return n


@pytest.mark.parametrize(
    ("supercell", "expected"), [((1, 1, 1), 1), ((1, 1, 2), 8), ((1, 1, 3), 34), ((1, 2, 2), 153), ((2, 2, 2), 404582)]
)
def test_rock_salt(parents, supercell, expected):
    space = OrderingSpace.from_structure(parents["rock_salt"](), supercell)
    assert space.n_distinct == expected
    assert counted(space) == expected


def test_rock_salt_ten_of_thirty_two(parents):
    space = OrderingSpace.from_structure(parents["rock_salt"](10 / 32), 2)
    assert space.group_order == 1536
    assert space.n_raw == comb(32, 10)
    assert space.n_distinct == counted(space) == 45497


def test_rutile(parents):
    space = OrderingSpace.from_structure(parents["rutile"](), (2, 2, 3))
    assert space.n_distinct == counted(space) == 15565
    assert OrderingSpace.from_structure(parents["rutile"](), (2, 3, 3)).n_distinct == 63075916


def test_spinel(parents):
    space = OrderingSpace.from_structure(parents["spinel"]())
    assert space.n_distinct == counted(space) == 97


OCTAHEDRAL, DODECAHEDRAL, TETRAHEDRAL = (
    {"Al": 0.5, "Fe": 0.5},
    {"Ca": 1 / 3, "Mg": 2 / 3},
    {"Si": 1 / 3, "Ge": 2 / 3},
)


@pytest.mark.parametrize(
    ("occupancies", "expected"),
    [
        ({"on_16a": OCTAHEDRAL}, 7),
        ({"on_24c": DODECAHEDRAL}, 20),
        ({"on_24d": TETRAHEDRAL}, 18),
        ({"on_16a": OCTAHEDRAL, "on_24c": DODECAHEDRAL, "on_24d": TETRAHEDRAL}, 358623),
    ],
)
def test_garnet_where_spectators_restrict_the_group(parents, occupancies, expected):
    space = OrderingSpace.from_structure(parents["garnet"](**occupancies))
    assert space.n_distinct == counted(space) == expected


def test_square_lattice(parents):
    assert OrderingSpace.from_structure(parents["square_lattice"](Na=0.25, K=0.75), (4, 4, 1)).n_distinct == 33
    space = OrderingSpace.from_structure(parents["square_lattice"](Na=1 / 16, K=1 / 16, Rb=14 / 16), (4, 4, 1))
    (batch,) = space.iter_orderings()
    assert space.n_distinct == 5
    assert sorted(batch.degeneracies) == [16, 32, 64, 64, 64]


@pytest.mark.parametrize(
    ("primitive", "supercell", "expected"),
    [(True, 1, 24), (True, (2, 1, 1), 30771), (False, 1, 9575829), (True, (2, 2, 1), 33807606201)],
)
def test_nasicon(parents, primitive, supercell, expected):
    parent = parents["nasicon"]()
    space = OrderingSpace.from_structure(parent.get_primitive_structure() if primitive else parent, supercell)
    assert space.n_distinct == expected
    if expected < 100_000:
        assert counted(space) == expected


def test_all_of_nasicon_comes_by_and_memory_is_bounded_by_the_batch(parents):
    space = OrderingSpace.from_structure(parents["nasicon"]())
    n = total = 0
    for batch in space.iter_orderings(chunk_size=100_000):
        assert len(batch.occupations) <= 100_000
        assert batch.occupations.dtype == np.int8
        n += len(batch.occupations)
        total += int(batch.degeneracies.sum())
    assert (n, total) == (9575829, space.n_raw)


def test_raw_size_of_the_paper_s_largest_cell():
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    disordered = disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3"))
    space = OrderingSpace.from_structure(disordered, (1, 2, 2))
    assert space.n_raw == comb(32, 24) * comb(8, 4) * comb(48, 24)
    assert float(space.n_raw) == pytest.approx(2.37e22, rel=2e-3)
    # Most orderings have no symmetry, so that the count is close to n_raw / |G|.
    assert space.n_distinct * space.group_order >= space.n_raw
    assert space.n_distinct * space.group_order < space.n_raw * (1 + 1e-6)


def test_the_input_cell_does_not_matter(parents):
    """A primitive, a conventional and an oddly cut cell of one crystal, made into the same supercell."""
    conventional = parents["rock_salt"]()
    primitive = conventional.get_primitive_structure()
    to_conventional = np.round(conventional.lattice.matrix @ np.linalg.inv(primitive.lattice.matrix)).astype(int)
    double = conventional.copy().make_supercell([[1, 1, 0], [1, -1, 0], [0, 0, 1]], in_place=False)
    to_cube = [[1, 1, 0], [1, -1, 0], [0, 0, 2]]
    assert OrderingSpace.from_structure(primitive, to_conventional * 2).n_distinct == 404582
    assert OrderingSpace.from_structure(double, to_cube).n_distinct == 404582


def test_more_than_64_sites_on_a_sublattice(parents):
    """Three dopants among 108 sites: masks of two words, checked against Burnside and the sum of degeneracies."""
    space = OrderingSpace.from_structure(parents["rock_salt"](3 / 108), 3)
    assert space.group_order == 48 * 108
    assert counted(space) == space.n_distinct


def test_both_ways_to_count_colourings_of_cycles_agree():
    from disolyte.enumeration.counting import _by_colour, _by_length

    rng = np.random.default_rng(0)
    for _ in range(60):
        lengths = sorted(rng.choice([1, 2, 3, 4, 6], size=rng.integers(1, 5), replace=False).tolist())
        cycles = tuple((length, int(rng.integers(1, 6))) for length in lengths)
        n_sites = sum(length * number for length, number in cycles)
        cuts = np.sort(rng.integers(0, n_sites + 1, size=rng.integers(1, 4)))
        counts = tuple(int(c) for c in np.diff([0, *cuts, n_sites]))
        assert _by_colour(cycles, counts) == _by_length(cycles, counts)
