"""Frames to label next: uncertain ones, and no two alike."""

from functools import partial

import numpy as np
import pytest
from pydantic import ValidationError

from disolyte.errors import InputError
from disolyte.finetuning.committee import UncertainFrameChoice, select_uncertain
from disolyte.finetuning.committee.selection import displacement_distance, find_candidates
from disolyte.models.descriptors import describe_structures


def select(spreads, points, n, *, distance=0.1, candidates=None):
    points = np.asarray(points, dtype=float)
    candidates = range(len(points)) if candidates is None else candidates
    return select_uncertain(np.asarray(spreads), points, list(candidates), n_frames=n, duplicate_distance=distance)


def test_least_certain_frame_comes_first():
    spreads = np.random.default_rng(0).random(50)
    chosen = select(spreads, np.random.default_rng(1).normal(size=(50, 4)), 1)
    assert chosen.indices == [int(np.argmax(spreads))]


def test_no_near_duplicate_is_chosen_even_if_nothing_else_is_left():
    rng = np.random.default_rng(2)
    originals = rng.normal(size=(12, 6))
    copies = originals + rng.normal(scale=0.005, size=originals.shape)
    chosen = select(rng.random(24), np.concatenate([originals, copies]), 24)
    assert len(chosen.indices) == 12
    assert sorted(index % 12 for index in chosen.indices) == list(range(12))
    assert chosen.n_duplicates == 12


def test_crowd_of_like_frames_does_not_take_all_places():
    # 40 frames of one kind are the least certain; one each of four other kinds follows.
    rng = np.random.default_rng(3)
    crowd = rng.normal(scale=0.2, size=(40, 3))
    others = 5.0 * np.eye(4)[:, :3] + 4.0
    spreads = np.concatenate([rng.uniform(0.9, 1.0, 40), np.full(4, 0.6)])
    by_spread_alone = np.argsort(-spreads)[:5]
    chosen = select(spreads, np.concatenate([crowd, others]), 5)
    assert set(by_spread_alone) <= set(range(40))
    assert {40, 41, 42, 43} < set(chosen.indices)


def test_of_frames_equally_strange_the_less_certain_one_is_taken():
    chosen = select([1.0, 0.2, 0.9], [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]], 2)
    assert chosen.indices == [0, 2]


def test_only_candidates_are_chosen():
    chosen = select([9.0, 8.0, 1.0, 2.0], [[0.0], [1.0], [2.0], [3.0]], 4, candidates=[2, 3])
    assert sorted(chosen.indices) == [2, 3]


def test_distance_of_a_displacement_tells_twins_from_strangers(foundation, pool):
    describe = partial(describe_structures, foundation)
    points = describe(pool)
    strangers = np.linalg.norm(points[:, None] - points[None], axis=2)[~np.eye(len(pool), dtype=bool)].min()
    distances = [displacement_distance(describe, pool, rms) for rms in (0.0, 0.001, 0.01, 0.05)]
    assert distances[0] == pytest.approx(0.0, abs=1e-5)
    assert distances == sorted(distances)
    assert distances[2] == pytest.approx(10 * distances[1], rel=0.5)
    assert distances[3] < strangers
    # Frames of one ordering in motion: neighbours in time are twins, those of other times are not.
    rng = np.random.default_rng(0)
    run = [pool[0].copy() for _ in range(6)]
    for atoms in run:
        atoms.positions += rng.normal(scale=0.2, size=atoms.positions.shape)
    twins = [atoms.copy() for atoms in run]
    for atoms in twins:
        atoms.positions += rng.normal(scale=0.005, size=atoms.positions.shape)
    spreads = np.linspace(1.0, 2.0, 12)
    chosen = select(spreads, describe(run + twins), 12, distance=displacement_distance(describe, run, 0.05))
    assert len(chosen.indices) == 6
    assert {index % 6 for index in chosen.indices} == set(range(6))


def test_limits_of_the_spread():
    spreads = np.array([0.01, 0.05, 0.2, 3.0])
    limits = UncertainFrameChoice(min_force_spread_ev_per_ang=0.04, max_force_spread_ev_per_ang=1.0)
    assert find_candidates(spreads, limits) == [1, 2]
    assert find_candidates(spreads, UncertainFrameChoice()) == [0, 1, 2, 3]
    with pytest.raises(InputError, match=r"between 5 and inf eV/Å; those of the pool go from 0.01 to 3"):
        find_candidates(spreads, UncertainFrameChoice(min_force_spread_ev_per_ang=5.0))


def test_limits_out_of_order_are_refused():
    with pytest.raises(ValidationError, match="must lie above"):
        UncertainFrameChoice(min_force_spread_ev_per_ang=1.0, max_force_spread_ev_per_ang=0.5)
