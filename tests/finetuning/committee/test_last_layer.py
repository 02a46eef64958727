"""Heads whose last layers are drawn: exactly linear, and apart where the data say nothing."""

import numpy as np
import pytest

from disolyte.errors import InputError
from disolyte.finetuning.committee import combine_predictions
from disolyte.finetuning.committee.last_layer import attach_heads, describe_energies, draw_offsets
from disolyte.models import BROAD, ModelSource, load_model


@pytest.fixture(scope="module", params=["small", "broad"])
def model(request, foundation):
    if request.param == "small":
        return load_model(ModelSource(name="disolyte-small"), dtype="float64")
    return load_model(ModelSource(name=BROAD), dtype="float64")


def test_features_are_the_derivatives_of_the_energy(model, pool):
    frames = pool[:5]
    features = describe_energies(model, frames, batch_size=2)
    offset = np.random.default_rng(0).normal(size=features.shape[1])
    before = model.predict(frames).energies_ev
    (head,) = attach_heads(model, offset[None])
    change = (head.predict(frames).energies_ev - before) / [len(atoms) for atoms in frames]
    np.testing.assert_allclose(change, features @ offset, rtol=1e-6)
    np.testing.assert_array_equal(model.predict(frames).energies_ev, before)


def test_mean_of_the_heads_is_the_model(model, pool):
    frames = pool[:4]
    features = describe_energies(model, frames)
    offsets = draw_offsets(features, np.full(4, 0.01), n_heads=5, ridge=1e-4, seed=0)
    combined = combine_predictions([head.predict(frames) for head in attach_heads(model, offsets)])
    alone = model.predict(frames)
    np.testing.assert_allclose(combined.energies_ev, alone.energies_ev, atol=1e-6)
    np.testing.assert_allclose(combined.forces_ev_per_ang[1], alone.forces_ev_per_ang[1], atol=1e-6)
    assert (combined.energy_spreads_ev > 0).all()


def test_spread_on_the_training_frames_is_the_error_there():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 12)) * np.geomspace(1.0, 1e-2, 12)
    offsets = draw_offsets(features, rng.normal(scale=0.03, size=200), n_heads=4000, ridge=1e-8, seed=0)
    np.testing.assert_allclose(offsets.mean(axis=0), 0.0, atol=1e-9)
    spreads = (features @ offsets.T).std(axis=1, ddof=1)
    assert np.sqrt(np.mean(spreads**2)) == pytest.approx(0.03, rel=0.15)


def test_directions_without_data_are_the_least_certain():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, 3)) * [1.0, 1.0, 0.05]
    offsets = draw_offsets(features, np.full(300, 0.01), n_heads=2000, ridge=1e-8, seed=0)
    spreads = (np.eye(3) @ offsets.T).std(axis=1, ddof=1)
    assert spreads[2] / spreads[0] == pytest.approx(20.0, rel=0.15)
    # With a variance of the features of 1 the rigidity is that of 300 frames alike in all directions.
    assert spreads[0] == pytest.approx(spreads[1], rel=0.15)


def test_offsets_of_another_model_are_refused(model):
    with pytest.raises(InputError, match="7 offsets for the .* weights of the last layers"):
        attach_heads(model, np.zeros((2, 7)))
