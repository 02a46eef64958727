"""Random orderings: unbiased, distinct, repeatable."""

import numpy as np
import pytest
from scipy.stats import chisquare

from disolyte.enumeration import OrderingSpace
from disolyte.enumeration.problem import Weighting
from disolyte.errors import InputError


def frequencies(space, weighting, n_draws, seed=0):
    """Draws with repetition, per distinct ordering, in the order of the generation."""
    rows = np.concatenate([rows for rows, _ in space.problem.iter_rows(1000)])
    number = {row.tobytes(): index for index, row in enumerate(rows)}
    drawn, _ = space.problem.canonicalise(space.problem.draw_with_repetition(n_draws, seed, weighting))
    return np.bincount([number[row.tobytes()] for row in drawn], minlength=len(rows))


@pytest.mark.parametrize(
    ("name", "kwargs", "supercell"),
    [
        ("square_lattice", {"Na": 0.25, "K": 0.75}, (4, 4, 1)),
        ("square_lattice", {"Na": 0.125, "K": 0.375, "Rb": 0.25}, (4, 2, 1)),
        ("rock_salt", {}, (1, 2, 2)),
        ("nasicon", {}, 1),
    ],
)
def test_uniform_over_distinct_orderings(parents, name, kwargs, supercell):
    parent = parents[name](**kwargs)
    space = OrderingSpace.from_structure(parent.get_primitive_structure() if name == "nasicon" else parent, supercell)
    counts = frequencies(space, Weighting.UNIFORM, 40 * space.n_distinct)
    assert counts.sum() == 40 * space.n_distinct
    assert chisquare(counts).pvalue > 1e-3


def test_degeneracy_weighting_is_what_shuffling_gives_and_is_not_uniform(parents):
    space = OrderingSpace.from_structure(parents["square_lattice"](Na=0.25, K=0.75), (4, 4, 1))
    weights = np.concatenate([batch.degeneracies for batch in space.iter_orderings()])
    counts = frequencies(space, Weighting.DEGENERACY, 4000)
    assert chisquare(counts, 4000 * weights / weights.sum()).pvalue > 1e-3
    assert chisquare(counts).pvalue < 1e-9


def test_single_draws_over_many_seeds_are_uniform(parents):
    """The public face: one ordering per call, in the representation of iter_orderings."""
    space = OrderingSpace.from_structure(parents["square_lattice"](Na=0.25, K=0.75), (4, 4, 1))
    (everything,) = space.iter_orderings()
    number = {row.tobytes(): index for index, row in enumerate(everything.occupations)}
    counts = np.zeros(33)
    for seed in range(1320):
        counts[number[space.sample_orderings(1, seed=seed).occupations[0].tobytes()]] += 1
    assert chisquare(counts).pvalue > 1e-3


def test_half_of_a_space_drawn_without_repetition_is_uniform(parents):
    space = OrderingSpace.from_structure(parents["square_lattice"](Na=0.25, K=0.75), (4, 4, 1))
    (everything,) = space.iter_orderings()
    number = {row.tobytes(): index for index, row in enumerate(everything.occupations)}
    counts = np.zeros(33)
    for seed in range(400):
        batch = space.sample_orderings(16, seed=seed)
        chosen = [number[row.tobytes()] for row in batch.occupations]
        assert len(set(chosen)) == 16
        counts[chosen] += 1
    # Draws of one call exclude each other: the variance is smaller than that of a chi-square, never larger.
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("weighting", ["uniform", "degeneracy"])
def test_distinct_with_their_degeneracies(parents, weighting):
    space = OrderingSpace.from_structure(parents["rock_salt"](), (1, 2, 2))
    known = {
        row.tobytes(): d for b in space.iter_orderings() for row, d in zip(b.occupations, b.degeneracies, strict=True)
    }
    for n in (1, 20, 100, 153, 1000):
        batch = space.sample_orderings(n, seed=n, weighting=weighting)
        assert len({row.tobytes() for row in batch.occupations}) == len(batch.occupations) == min(n, 153)
        assert all(known[r.tobytes()] == d for r, d in zip(batch.occupations, batch.degeneracies, strict=True))


def test_a_space_of_10_to_the_20(parents):
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc")
    space = OrderingSpace.from_structure(disordered_structure(system, system.point("Li3In0.5Y0.5Br3Cl3")), (1, 2, 2))
    one, two, other = (space.sample_orderings(300, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.occupations, two.occupations)
    assert not {row.tobytes() for row in one.occupations} & {row.tobytes() for row in other.occupations}
    assert set(one.degeneracies) <= {8, 16, 32}


def test_diverse_orderings_spread_wider_than_random_ones(parents):
    from disolyte.enumeration.diversity import pair_correlations

    space = OrderingSpace.from_structure(
        parents["nasicon"](), oxidation_states={"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2}
    )
    lowest = space.lowest_energy(50)
    diverse = space.diverse_orderings(30, seed=0, beside=lowest.occupations)
    assert len({row.tobytes() for row in diverse.occupations}) == 30
    assert not {row.tobytes() for row in diverse.occupations} & {row.tobytes() for row in lowest.occupations}
    random = space.sample_orderings(30, seed=1)

    def nearest(rows):
        features = pair_correlations(
            np.concatenate([rows, random.occupations, diverse.occupations]),
            space.cell.sublattices,
            space.cell.lattice_ang,
            space.cell.frac_coords,
        )[: len(rows)]
        distance = np.linalg.norm(features[:, None] - features[None], axis=2)
        return np.min(distance[~np.eye(len(rows), dtype=bool)])

    assert nearest(diverse.occupations) > nearest(random.occupations)


def test_bad_arguments(parents):
    space = OrderingSpace.from_structure(parents["rock_salt"](), (1, 1, 2))
    for call in (
        lambda: space.sample_orderings(0),
        lambda: space.sample_orderings(1, weighting="none"),
        lambda: space.lowest_energy(0),
        lambda: next(space.iter_orderings(chunk_size=0)),
        lambda: space.diverse_orderings(-1),
    ):
        with pytest.raises(InputError):
            call()
