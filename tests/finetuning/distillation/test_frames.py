"""Frames for a student: split without leakage, distorted, labelled by the teacher."""

import numpy as np
import pytest
from ase import Atoms

from disolyte.errors import InputError, ModelCoverageError
from disolyte.finetuning.distillation.frames import StudentFrames, join_pool, split_pool, teach
from disolyte.finetuning.distillation.speed import SpeedTest, measure_steps_per_s, repeat_to_size
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.reference.structures import distort, random_ordering
from disolyte.models import BROAD, ModelSource, load_model


def draw(n_families, n_each, seed=0):
    rng = np.random.default_rng(seed)
    frames = []
    for number in range(n_families):
        ordering = random_ordering(rng)
        for _ in range(n_each):
            frames.append(distort(ordering, rng, rattle_ang=0.05, strain=0.01, volume=0.0))
            frames[-1].info = {"family": f"family-{number}", "composition": "mixed"}
    return frames


def families(frames):
    return {atoms.info["family"] for atoms in frames}


@pytest.mark.parametrize(("n_families", "n_held"), [(3, 1), (4, 1), (10, 1), (40, 4)])
def test_no_family_is_in_two_splits(n_families, n_held):
    pool = draw(n_families, 2)
    frames = split_pool(pool, held_out_fraction=0.1, seed=0)
    parts = [families(part) for part in (frames.train, frames.valid, frames.test)]
    assert [len(part) for part in parts] == [n_families - 2 * n_held, n_held, n_held]
    assert len(set.union(*parts)) == n_families
    assert sum(len(part) for part in vars(frames).values()) == len(pool)
    again = split_pool(pool[::-1], held_out_fraction=0.1, seed=0)
    assert families(again.test) == parts[2]


def test_too_few_families_are_refused():
    with pytest.raises(InputError, match="2 structure families cannot be split"):
        split_pool(draw(2, 5), held_out_fraction=0.1, seed=0)


def test_what_a_dataset_holds_out_stays_held_out():
    pool = draw(5, 3)
    dataset = Frames(train=draw(1, 1, seed=7), valid=pool[3:4], test=pool[6:7])  # of families 1 and 2
    joined = join_pool(dataset, pool)
    assert "family-1" not in families(joined.train) | families(joined.test)
    assert "family-2" not in families(joined.train) | families(joined.valid)
    assert {len(part) for part in (joined.valid, joined.test)} == {1 + 3}
    assert len(joined.train) == 1 + 9


def test_teacher_labels_frames_and_copies_in_their_splits(foundation):
    pool = draw(4, 2)
    sources = split_pool(pool, held_out_fraction=0.1, seed=0)
    settings = StudentFrames(n_distorted=6, rattles_ang=(0.05, 0.1))
    taught = teach(foundation, sources, settings, seed=3)
    assert [len(part) for part in vars(taught.frames).values()] == [4 + 6, 2 + 3, 2 + 3]
    for name, frames in vars(taught.frames).items():
        predicted = foundation.predict(frames)
        assert families(frames) == families(getattr(sources, name))
        for index, atoms in enumerate(frames):
            assert atoms.info["REF_energy"] == pytest.approx(predicted.energies_ev[index], abs=1e-4)
            np.testing.assert_allclose(atoms.arrays["REF_forces"], predicted.forces_ev_per_ang[index], atol=1e-4)
    np.testing.assert_array_equal(taught.frames.train[0].positions, sources.train[0].positions)
    assert np.abs(taught.frames.train[4].positions - sources.train[0].positions).max() > 0.01
    repeated = teach(foundation, sources, settings, seed=3)
    np.testing.assert_array_equal(taught.frames.train[-1].positions, repeated.frames.train[-1].positions)


def test_own_labels_of_the_frames_are_not_taken_over(foundation):
    pool = draw(3, 1)
    for atoms in pool:
        atoms.info["REF_energy"] = 1e6
    taught = teach(foundation, split_pool(pool, held_out_fraction=0.1, seed=0), StudentFrames(n_distorted=0), seed=0)
    assert all(abs(atoms.info["REF_energy"]) < 1e3 for part in vars(taught.frames).values() for atoms in part)


def test_frames_that_tear_the_teacher_are_left_out(foundation):
    pool = draw(4, 3)
    sources = split_pool(pool, held_out_fraction=0.1, seed=0)
    largest = [float(np.abs(forces).max()) for forces in foundation.predict(sources.train).forces_ev_per_ang]
    *_, second, first = sorted(largest)
    held = max(
        float(np.abs(forces).max()) for forces in foundation.predict(sources.valid + sources.test).forces_ev_per_ang
    )
    limit = (first + second) / 2
    taught = teach(foundation, sources, StudentFrames(n_distorted=0, max_force_ev_per_ang=limit), seed=0)
    assert len(taught.frames.train) == 5
    assert taught.n_left_out == 1 + (6 - len(taught.frames.valid) - len(taught.frames.test))
    assert (taught.n_left_out == 1) == (held < limit)
    left = sources.train[int(np.argmax(largest))].positions
    assert not any(np.array_equal(atoms.positions, left) for atoms in taught.frames.train)
    with pytest.raises(InputError, match="on all 6 train frames the teacher 'disolyte-small' gives forces above"):
        teach(foundation, sources, StudentFrames(n_distorted=0, max_force_ev_per_ang=1e-3), seed=0)


def test_nothing_to_learn_from_is_refused(foundation):
    with pytest.raises(InputError, match="no frames to learn from"):
        teach(foundation, Frames([], [], []), StudentFrames(), seed=0)
    foreign = draw(3, 1)
    foreign[0].symbols[0] = "Na"
    with pytest.raises(ModelCoverageError, match="Na"):
        teach(foundation, Frames(foreign, [], []), StudentFrames(n_distorted=0), seed=0)


@pytest.mark.parametrize("n", [1, 20, 21, 150, 500])
def test_cell_grows_to_the_wanted_size(n):
    atoms = random_ordering(np.random.default_rng(0))
    cell = repeat_to_size(atoms, n)
    assert n <= len(cell) or n == 1
    assert len(cell) < max(2 * n, 21)
    assert cell.cell.lengths().max() / cell.cell.lengths().min() < 2.6
    molecule = Atoms("HCl", [(0, 0, 0), (1.3, 0, 0)])
    assert len(repeat_to_size(molecule, 100)) == 2


def test_larger_model_takes_longer(foundation):
    cell = repeat_to_size(random_ordering(np.random.default_rng(0)), 80)
    large = load_model(ModelSource(name=BROAD))
    rates = measure_steps_per_s([large, foundation, foundation], cell, SpeedTest(n_steps=4, n_rounds=3))
    assert rates[0] < rates[1]
    assert 0.6 < rates[1] / rates[2] < 1.7
