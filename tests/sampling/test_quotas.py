from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disolyte.sampling.frames import farthest_point_order
from disolyte.sampling.quotas import frames_per_run, share_out, stratify


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 400))
def test_shares_are_as_even_as_can_be(capacities, total):
    shares = share_out(capacities, total)
    assert sum(shares) == min(total, sum(capacities))
    assert all(share <= capacity for share, capacity in zip(shares, capacities, strict=True))
    unfilled = [share for share, capacity in zip(shares, capacities, strict=True) if share < capacity]
    if unfilled:  # nobody who could take more has less than another, but for a remainder
        assert max(shares) - min(unfilled) <= 1


def test_frames_are_stratified_over_compositions_and_families():
    compositions = ["A"] * 40 + ["B"] * 25 + ["C"] * 3
    families = ["A-0"] * 30 + ["A-1"] * 10 + ["B-0"] * 25 + ["C-0"] * 3
    chosen = stratify(compositions, families, 43)
    assert Counter(compositions[i] for i in chosen) == {"A": 20, "B": 20, "C": 3}
    assert Counter(families[i] for i in chosen) == {"A-0": 10, "A-1": 10, "B-0": 20, "C-0": 3}
    assert chosen == sorted(set(chosen))
    assert [i for i in chosen if families[i] == "A-0"] == list(range(10))  # the first of each
    assert stratify(compositions, families, 1000) == list(range(68))


def test_runs_are_asked_for_what_reaches_the_wanted_size():
    """84 structures of 11 compositions, unevenly spread, 200 frames each to take from."""
    n_runs = [2, 4, 6, 8, 8, 8, 8, 10, 10, 10, 10]
    compositions = [f"x{i}" for i, n in enumerate(n_runs) for _ in range(n)]
    n_frames = frames_per_run(compositions, 2500, 200)
    share = 2500 / 11
    assert share / 2 < n_frames <= 200
    got = stratify(
        [c for c in compositions for _ in range(n_frames)],
        [f"{c}-{i}" for i, c in enumerate(compositions) for _ in range(n_frames)],
        2500,
    )
    assert len(got) == 2500
    assert frames_per_run(["x"] * 3, 10_000, 200) == 200  # out of reach: all there are


def test_farthest_points_cover_better_than_random_ones():
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.normal(0, 0.1, (180, 5)), generator.normal(3, 0.1, (20, 5))])

    def largest_hole(chosen):
        return np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1).max()

    order = farthest_point_order(points, first=7)
    assert sorted(order) == list(range(200))
    assert order[0] == 7
    assert points[order[1]].mean() > 2  # the other cluster at once
    assert largest_hole(order[:10]) < largest_hole(generator.permutation(200)[:10])


def test_equal_points_are_all_taken():
    assert sorted(farthest_point_order(np.zeros((5, 2)), first=2)) == list(range(5))


@pytest.mark.parametrize("total", [0, 3])
def test_nothing_to_share(total):
    assert share_out([], total) == []
