"""Forces and stresses as derivatives of the energies: right ones pass, spoiled ones are told by what spoils them."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from disolyte.errors import DatasetError
from disolyte.labelling import QualityGate, SplitFractions, build_dataset
from disolyte.labelling.consistency import measure_consistency
from disolyte.labelling.labels import iter_labelled_frames

sys.path.insert(0, str(Path(__file__).parent))
springs = importlib.import_module("springs")


def build(document, **gate):
    return build_dataset(
        [document],
        gate=QualityGate(**gate),
        fractions=SplitFractions(),
        minimum_fraction=0.8,
        seed=0,
        record={"caveats": []},
    )


def test_derivatives_have_slopes_of_one():
    found = measure_consistency(list(iter_labelled_frames(springs.spring_docs())))
    assert found.n_pairs == 8 * 15
    assert found.force_slope == pytest.approx(1.0, abs=0.03)
    assert found.stress_slope == pytest.approx(1.0, abs=0.05)
    assert found.problems == []
    kept = build(springs.spring_docs()).consistency
    assert kept.force_slope == pytest.approx(found.force_slope), "the dataset keeps the evidence"


def shuffled(label, numbers, rng):
    return replace(label, forces_ev_per_ang=rng.permutation(label.forces_ev_per_ang))


def opposite_forces(label, numbers, rng):
    return replace(label, forces_ev_per_ang=-label.forces_ev_per_ang)


def per_atom(label, numbers, rng):
    return replace(label, energy_ev=label.energy_ev / len(numbers))


def hartree_per_bohr(label, numbers, rng):
    return replace(label, forces_ev_per_ang=label.forces_ev_per_ang / 51.42)


def opposite_stress(label, numbers, rng):
    return replace(label, stress_ev_per_ang3=-label.stress_ev_per_ang3)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shuffled, "forces are not derivatives.*another order"),
        (opposite_forces, "forces are not derivatives.*sign is wrong"),
        (per_atom, "forces are not derivatives.*energies per atom"),
        (hartree_per_bohr, "forces are not derivatives.*unit"),
        (opposite_stress, "stresses are not derivatives.*sign is wrong"),
    ],
)
def test_spoiled_labels_are_refused(spoil, words):
    document = springs.spring_docs(n_frames=12, change=spoil)
    with pytest.raises(DatasetError, match=words):
        build(document)
    assert build(document, checks_consistency=False).consistency is None


@pytest.mark.parametrize("factor", [160.2, 1602.0])
def test_stress_in_another_unit_is_refused(factor):
    document = springs.spring_docs(
        change=lambda label, *_: replace(label, stress_ev_per_ang3=factor * label.stress_ev_per_ang3)
    )
    with pytest.raises(DatasetError, match="stress limit"):
        build(document)
    small = springs.spring_docs(
        change=lambda label, *_: replace(label, stress_ev_per_ang3=label.stress_ev_per_ang3 / factor)
    )
    with pytest.raises(DatasetError, match="stresses are not derivatives.*unit"):
        build(small)


def test_nothing_is_said_without_close_frames():
    found = measure_consistency(list(iter_labelled_frames(springs.spring_docs(n_frames=2))))
    assert found.n_pairs == 8
    assert found.force_slope is None
    assert found.problems == []


def test_labels_of_a_real_model_pass():
    """CHGNet's labels of rattled salt: anharmonic, and its own derivatives."""
    pytest.importorskip("chgnet")
    labellers = importlib.import_module("labellers")
    from disolyte.labelling.makers import SurrogateStaticMaker

    _, frames = labellers.rattled_salts(n_families=3, n_frames=6)
    labels = SurrogateStaticMaker().make.original(SurrogateStaticMaker(), frames)
    found = measure_consistency(list(iter_labelled_frames(labels)))
    assert found.force_slope == pytest.approx(1.0, abs=0.15)
    assert found.stress_slope is None, "the cells of a family are alike"
    assert np.isfinite(found.force_slope_error)
