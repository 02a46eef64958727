"""Committees of real models: the spread ranks the errors, and the least certain frames go on to be labelled."""

import json

import numpy as np
import pytest
from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder

from disolyte.errors import FinetuningError, InputError, ModelCoverageError
from disolyte.finetuning.committee import Committee, CommitteeDoc, UncertainFrameChoice, UncertainFramesDoc
from disolyte.finetuning.committee.makers import (
    CommitteeFlowMaker,
    CommitteeMaker,
    LastLayerCommitteeMaker,
    UncertainFramesMaker,
)
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.labelling.makers import LabelMaker, SurrogateStaticMaker
from disolyte.labelling.schema import LabelDoc
from disolyte.models import BROAD, SHIPPED, SMALL_MODEL_CAVEAT, ModelDoc, ModelSource, load_model
from disolyte.models.descriptors import describe_structures
from disolyte.sampling.schema import FrameBatch

FLOW = CommitteeFlowMaker(
    n_members=3,
    finetune_maker=FinetuneMaker(
        foundation=ModelSource(name=SHIPPED),
        options=FinetuneOptions(max_num_epochs=5, batch_size=6, dtype="float32", lr=0.005),
        replay=ReplayOptions(n_frames=12),
        seed=20,
    ),
    committee_maker=CommitteeMaker(dtype="float32"),
)


class Outcome:
    """What the flow left in its store."""

    def __init__(self, store, flow, pick, label):
        self.members = [ModelDoc.model_validate(store.get_output(job.uuid, load=True)) for job in flow.jobs[:-1]]
        self.committee = CommitteeDoc.model_validate(store.get_output(flow.jobs[-1].uuid, load=True))
        self.picked = UncertainFramesDoc.model_validate(store.get_output(pick.uuid, load=True))
        self.labels = LabelDoc.model_validate(store.get_output(label.uuid, load=True))


@pytest.fixture(scope="module")
def outcome(wide_dataset, pool, tmp_path_factory):
    """Train, assess, choose from a pool in which each frame has a twin, and label what was chosen."""
    twins = [atoms.copy() for atoms in pool]
    for atoms in twins:
        atoms.positions += np.random.default_rng(1).normal(scale=1e-3, size=atoms.positions.shape)
    flow = FLOW.make(wide_dataset)
    pick = UncertainFramesMaker(choice=UncertainFrameChoice(n_frames=4)).make(
        flow.output["committee"], flow.output["members"], FrameBatch.from_atoms(pool + twins)
    )
    label = LabelMaker(static_maker=SurrogateStaticMaker()).make(pick.output.frames)
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder = tmp_path_factory.mktemp("committee")
    run_locally(Flow([flow, pick, label]), store=store, ensure_success=True, root_dir=folder, create_folders=True)
    return Outcome(store, flow, pick, label)


def test_spread_ranks_the_errors(outcome):
    assert outcome.committee.forces.spearman > 0.5
    assert outcome.committee.forces.n_tested == 30 * 20 * 3


def test_scale_brings_the_expected_errors_near_the_true_ones(outcome):
    forces = outcome.committee.forces
    assert forces.scale > 1.2  # members of one foundation are more alike than right
    assert 0.4 < forces.scale * forces.rms_spread / forces.rmse < 2.5
    for nominal in (0.5, 0.8, 0.9):
        point = forces.coverage_at(nominal)
        assert abs(point.observed - nominal) < abs(point.observed_unscaled - nominal)
    assert forces.curve[-1].observed > 2 * forces.curve[0].observed


def test_mean_is_better_than_the_average_member(outcome):
    alone = [member.errors.force_rmse_ev_per_ang for member in outcome.committee.members]
    assert outcome.committee.errors.overall.force_rmse_ev_per_ang < np.sqrt(np.mean(np.square(alone)))


def test_document_says_who_is_in_it(outcome, wide_dataset):
    document = outcome.committee
    assert [member.seed for member in document.members] == [20, 21, 22]
    assert [member.sha256 for member in document.members] == [model.sha256 for model in outcome.members]
    assert document.dataset_sha256 == wide_dataset.dataset_sha256
    assert document.n_failed == 0
    assert SMALL_MODEL_CAVEAT in document.caveats
    for member, model in zip(document.members, outcome.members, strict=True):
        assert member.errors.force_rmse_ev_per_ang == pytest.approx(
            model.errors[0].overall.force_rmse_ev_per_ang, rel=1e-3
        )


def test_frames_of_the_document_belong_to_its_numbers(outcome):
    frames, forces = outcome.committee.frames, outcome.committee.forces
    errors = frames.force_errors_ev_per_ang.to_array()
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(forces.rmse)  # all frames have 20 atoms
    assert np.sqrt(np.mean(frames.force_spreads_ev_per_ang.to_array() ** 2)) == pytest.approx(forces.rms_spread)


def test_chosen_frames_are_uncertain_and_no_twins(outcome, pool):
    picked = outcome.picked
    spreads = picked.pool_force_spreads_ev_per_ang.to_array()
    assert picked.n_pool == 24
    assert picked.indices[0] == int(np.argmax(spreads))
    assert len({index % 12 for index in picked.indices}) == len(picked.indices) == 4
    assert picked.n_duplicates >= 4
    assert np.mean(picked.force_spreads_ev_per_ang) > np.mean(spreads)
    np.testing.assert_allclose(picked.force_spreads_ev_per_ang, spreads[picked.indices])
    for index, atoms in zip(picked.indices, picked.frames.to_atoms(), strict=True):
        np.testing.assert_allclose(atoms.positions, pool[index % 12].positions, atol=0.01)


def test_chosen_frames_are_labelled_as_they_are(outcome):
    assert outcome.labels.n_labelled == 4


def test_predictor_answers_as_the_documents_say(outcome, wide_dataset):
    committee = Committee.load(outcome.committee, [*reversed(outcome.members)])
    frames = wide_dataset.to_atoms("test")[:3]
    predictions = committee.predict(frames)
    alone = [load_model(model).predict(frames).energies_ev for model in outcome.members]
    np.testing.assert_allclose(predictions.energies_ev, np.mean(alone, axis=0), atol=1e-4)
    np.testing.assert_allclose(
        predictions.energy_spreads_ev, outcome.committee.energies.scale * np.std(alone, axis=0, ddof=1), rtol=1e-3
    )
    expected = outcome.committee.forces.scale * outcome.committee.frames.force_spreads_ev_per_ang.to_array()[:3]
    np.testing.assert_allclose(predictions.frame_force_spreads_ev_per_ang, expected, rtol=1e-3)
    single = committee.predict(frames[1])
    np.testing.assert_allclose(single.energies_ev, predictions.energies_ev[1:2], atol=1e-4)


def test_member_that_is_not_there_is_named(outcome):
    with pytest.raises(InputError, match="1 of 3 members are not among the 2 models"):
        Committee.load(outcome.committee, outcome.members[:2])


def test_unequal_frames_have_unequal_descriptors(outcome, pool):
    descriptors = describe_structures(load_model(outcome.members[0]), pool)
    distances = np.linalg.norm(descriptors[:, None] - descriptors[None], axis=2)
    assert distances[~np.eye(len(pool), dtype=bool)].min() > 0


@pytest.fixture(scope="module")
def heads(outcome, wide_dataset):
    maker = LastLayerCommitteeMaker(n_heads=6, dtype="float32", seed=2)
    return LastLayerCommitteeMaker.make.original(maker, outcome.members[0], wide_dataset)


def test_heads_without_training_rank_the_errors_too(heads, outcome):
    assert heads.forces.spearman > 0.5
    assert len({member.sha256 for member in heads.members}) == 6
    # Their mean is the model that they belong to.
    alone = outcome.committee.members[0].errors
    assert heads.errors.overall.force_rmse_ev_per_ang == pytest.approx(alone.force_rmse_ev_per_ang, rel=1e-3)
    assert heads.last_layer.model == outcome.members[0].identity


def test_heads_are_had_again_from_document_and_model(heads, outcome, wide_dataset, pool):
    committee = Committee.load(heads, outcome.members)
    assert [model.sha256 for model in committee.models] == [member.sha256 for member in heads.members]
    expected = heads.forces.scale * heads.frames.force_spreads_ev_per_ang.to_array()[:2]
    predictions = committee.predict(wide_dataset.to_atoms("test")[:2])
    np.testing.assert_allclose(predictions.frame_force_spreads_ev_per_ang, expected, rtol=1e-3)
    with pytest.raises(InputError, match="1 of 1 members are not among the 2 models"):
        Committee.load(heads, outcome.members[1:])
    picked = UncertainFramesMaker.make.original(
        UncertainFramesMaker(choice=UncertainFrameChoice(n_frames=3)),
        heads,
        outcome.members,
        FrameBatch.from_atoms(pool),
    )
    assert len(picked.indices) == 3


def test_heads_of_a_model_of_other_data_are_refused(outcome, dataset):
    with pytest.raises(InputError, match="member 0 .* was trained on dataset"):
        LastLayerCommitteeMaker.make.original(LastLayerCommitteeMaker(), outcome.members[0], dataset)
    with pytest.raises(InputError, match="n_heads=1 must be at least 2"):
        LastLayerCommitteeMaker(n_heads=1)


def assess(members, dataset, **changes):
    return CommitteeMaker.make.original(CommitteeMaker(dtype="float32", **changes), members, dataset)


def test_missing_member_is_a_caveat_and_too_few_an_error(hand_made, wide_dataset):
    members = hand_made(2, dataset_sha256=wide_dataset.dataset_sha256)
    document = assess([members[0], None, members[1]], wide_dataset)
    assert document.n_failed == 1
    assert any("1 of 3 members" in caveat for caveat in document.caveats)
    with pytest.raises(FinetuningError, match="1 of 3 members were not trained, 3 are needed"):
        assess([members[0], None, members[1]], wide_dataset, min_members=3)
    with pytest.raises(FinetuningError, match="3 of 3 members were not trained"):
        assess([None, None, None], wide_dataset)


def test_members_that_make_no_committee_are_refused(hand_made, wide_dataset):
    known = {"dataset_sha256": wide_dataset.dataset_sha256}
    one, other = hand_made(2, **known)
    with pytest.raises(InputError, match="committee of 1 has no spread"):
        assess([one], wide_dataset)
    with pytest.raises(InputError, match="members 0 and 1 have the same weights"):
        assess([one, one], wide_dataset)
    with pytest.raises(InputError, match="member 1 .* was trained on dataset 0000"):
        assess([one, other.model_copy(update={"dataset_sha256": "0" * 64})], wide_dataset)
    with pytest.raises(InputError, match="no known dataset"):
        assess([one, other.model_copy(update={"dataset_sha256": None})], wide_dataset)
    with pytest.raises(InputError, match="different elements: not all know .*Zr"):
        assess([one, *hand_made(1, source=BROAD, **known)], wide_dataset)


def test_dataset_without_test_frames_is_refused(hand_made, wide_dataset, make_dataset):
    whole = [wide_dataset.to_atoms(split) for split in ("train", "valid")]
    members = hand_made(2, dataset_sha256=make_dataset(*whole, []).dataset_sha256)
    with pytest.raises(InputError, match="no test frames"):
        assess(members, make_dataset(*whole, []).model_copy(update={"n_test": 0}))


def test_pools_that_cannot_be_ranked_are_refused(outcome, hand_made, pool):
    def choose(frames, **choice):
        maker = UncertainFramesMaker(choice=UncertainFrameChoice(**choice))
        return UncertainFramesMaker.make.original(maker, outcome.committee, outcome.members, frames)

    with pytest.raises(InputError, match="pool holds no frames"):
        choose(FrameBatch.from_atoms([]))
    with pytest.raises(InputError, match="pool holds no frames"):
        choose([])
    foreign = pool[0].copy()
    foreign.symbols[0] = "Na"
    with pytest.raises(ModelCoverageError, match="Na"):
        choose(FrameBatch.from_atoms([foreign]))
    with pytest.raises(InputError, match="no frame has an expected force error"):
        choose(FrameBatch.from_atoms(pool), min_force_spread_ev_per_ang=1e3)


def test_settings_that_make_no_committee_are_refused_before_any_job():
    with pytest.raises(InputError, match="min_members=1"):
        CommitteeMaker(min_members=1)
    with pytest.raises(InputError, match="n_members=1 is less than the 2"):
        CommitteeFlowMaker(n_members=1)


def test_makers_survive_json():
    for one in (
        FLOW,
        LastLayerCommitteeMaker(n_heads=3),
        UncertainFramesMaker(choice=UncertainFrameChoice(n_frames=7)),
    ):
        assert json.loads(json.dumps(one, cls=MontyEncoder), cls=MontyDecoder) == one
