"""A student of the small model: near its teacher, faster, and usable as any model."""

import json

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder

from disolyte.errors import InputError
from disolyte.finetuning.distillation import SpeedComparison, SpeedTest, StudentDoc, StudentFrames, makers
from disolyte.finetuning.distillation.comparison import baseline_errors, check_smaller, student_caveats
from disolyte.finetuning.distillation.makers import DistillationMaker
from disolyte.finetuning.options import MaceArchitecture, TrainingOptions
from disolyte.finetuning.reference_energies import ReferenceEnergies
from disolyte.finetuning.scratch import ScratchModel
from disolyte.models import BROAD, SHIPPED, SMALL_MODEL_CAVEAT, ModelDoc, ModelSource, PackedModel, load_model
from disolyte.models.schema import TrainingRecord
from disolyte.plots import plot_parity
from disolyte.sampling.schema import FrameBatch

ARCHITECTURE = MaceArchitecture(
    n_channels=8, max_l=0, max_ell=2, correlation=2, r_max_ang=4.0, n_radial=6, radial_widths=(16, 16)
)
MAKER = DistillationMaker(
    teacher=ModelSource(name=SHIPPED),
    architecture=ARCHITECTURE,
    options=TrainingOptions(max_num_epochs=14, batch_size=4, dtype="float32", lr=0.02),
    frames=StudentFrames(n_distorted=36, rattles_ang=(0.05, 0.1)),
    speed=SpeedTest(n_steps=6, n_rounds=4),
    seed=1,
)


@pytest.fixture(scope="module")
def sample(make_frames):
    frames = make_frames(12, seed=5)
    for atoms in frames:
        atoms.info = {"family": atoms.info["family"]}
    return FrameBatch.from_atoms(frames)


@pytest.fixture(scope="module")
def student(dataset, sample, run_job, tmp_path_factory):
    return run_job(MAKER.make(dataset, sample=sample), StudentDoc, tmp_path_factory.mktemp("student"))


def test_student_comes_near_its_teacher(student):
    agreement, scatter = student.teacher_agreement.overall, student.teacher_scatter
    assert student.teacher_agreement.split == "held out"
    assert agreement.force_rmse_ev_per_ang < 0.7 * scatter.force_rmse_ev_per_ang
    assert agreement.energy_rmse_ev_per_atom < scatter.energy_rmse_ev_per_atom


def test_student_is_faster(student):
    speed = student.speed
    assert speed.ratio == pytest.approx(speed.student_steps_per_s / speed.teacher_steps_per_s)
    assert speed.ratio > 1.1
    assert speed.n_atoms == 160
    assert student.n_parameters < 0.5 * student.n_teacher_parameters


def test_student_and_teacher_are_judged_by_the_labels(student, dataset, foundation):
    ours, its = student.errors[0], student.teacher_errors[0]
    assert (ours.split, its.split) == ("test", "test")
    assert ours.overall.n_frames == its.overall.n_frames == dataset.n_test
    held = dataset.to_atoms("test")
    errors = [
        predicted - atoms.arrays["REF_forces"]
        for predicted, atoms in zip(foundation.predict(held).forces_ev_per_ang, held, strict=True)
    ]
    rmse = np.sqrt(np.mean(np.square(np.concatenate(errors))))
    assert its.overall.force_rmse_ev_per_ang == pytest.approx(rmse, rel=1e-3)
    # The labels are the teacher's forces, a tenth steeper.
    assert its.overall.force_rmse_ev_per_ang < ours.overall.force_rmse_ev_per_ang
    assert plot_parity(student).axes


def test_student_is_a_model(student, dataset):
    assert isinstance(student, ModelDoc)
    loaded = load_model(student)
    frames = dataset.to_atoms("test")[:2]
    parity = student.parity.energies_ev_per_atom.to_array()
    sizes = [len(atoms) for atoms in frames]
    np.testing.assert_allclose(loaded.predict(frames).energies_ev / sizes, parity[1][:2], atol=1e-5)
    assert loaded.sha256 == student.sha256
    decoded = MontyDecoder().process_decoded(json.loads(json.dumps(student, cls=MontyEncoder)))
    assert isinstance(decoded, StudentDoc)
    assert decoded.speed == student.speed


def test_caveats_of_the_teacher_travel_along(student, dataset):
    assert SMALL_MODEL_CAVEAT in student.caveats
    assert set(dataset.caveats) <= set(student.caveats)
    assert "energies from a small student of the model 'disolyte-small'" in student.caveats
    assert set(student.caveats) <= set(load_model(student).caveats)
    assert student.is_surrogate
    assert student.teacher.name == SHIPPED
    assert student.dataset_sha256 == dataset.dataset_sha256


def test_counts_add_up(student, dataset, sample):
    assert student.n_left_out == 0
    originals = student.n_train - 36
    held_out = (student.n_valid + student.n_held_out) / (1 + 36 / originals)  # with copies in proportion
    assert originals + held_out == pytest.approx(dataset.n_frames + len(sample), abs=1)
    assert student.training.effective["n_train"] == student.n_train
    assert student.r_max_ang == 4.0


def test_distils_from_a_sample_alone(make_frames, monkeypatch, clean_dir, hand_made_student):
    frames = make_frames(9, seed=6)
    for number, atoms in enumerate(frames):
        atoms.info["family"] = f"family-{number // 2}"
    monkeypatch.setattr(makers, "train_from_scratch", hand_made_student)
    document = DistillationMaker.make.original(MAKER, sample=FrameBatch.from_atoms(frames))
    assert document.errors == [document.teacher_agreement]
    assert document.teacher_errors == []
    assert document.parity is None
    assert document.dataset_sha256 is None
    assert document.label_method == SHIPPED
    assert document.n_held_out < document.n_train


@pytest.fixture
def hand_made_student():
    """Stands in for the training: the broad model is the student, to be had at once."""

    def train(frames, *, architecture, **_):
        module = load_model(ModelSource(name=BROAD)).module
        record = TrainingRecord(asked={}, effective={}, epochs=[], best_epoch=0, stopped_early=False, wall_time_s=0.0)
        packed = PackedModel.from_module(module)
        return ScratchModel(model=packed, training=record, e0s=ReferenceEnergies({}, {}, 0), module=module)

    return train


def test_nothing_to_learn_from_is_refused(clean_dir):
    for sample in (None, FrameBatch.from_atoms([])):
        with pytest.raises(InputError, match="no frames to learn from"):
            DistillationMaker.make.original(MAKER, sample=sample)


def test_student_larger_than_its_teacher_is_refused(foundation):
    with pytest.raises(InputError, match=r"smaller than its teacher 'disolyte-small' in nothing \(n_channels 128"):
        check_smaller(MaceArchitecture(), foundation)
    check_smaller(ARCHITECTURE, foundation)
    check_smaller(MaceArchitecture(r_max_ang=3.5), foundation)


def test_slow_student_says_so(foundation):
    def speed(student):
        return SpeedComparison(
            teacher_steps_per_s=10.0, student_steps_per_s=student, formula="LiCl", n_atoms=2, device="cpu",
            dtype="float32", n_threads=1, machine="x86_64",
        )  # fmt: skip

    assert len(student_caveats(foundation, speed(11.0))) == 1
    assert any("0.80 times the speed" in caveat for caveat in student_caveats(foundation, speed(8.0)))


def test_baseline_is_the_scatter_of_the_labels(make_frames):
    frames = make_frames(40, seed=9)
    errors = baseline_errors(frames)
    forces = np.concatenate([atoms.arrays["REF_forces"] for atoms in frames])
    assert errors.force_rmse_ev_per_ang == pytest.approx(np.sqrt(np.mean(forces**2)))
    stresses = np.array([atoms.info["REF_stress"] for atoms in frames])
    assert errors.stress_rmse_ev_per_ang3 == pytest.approx(np.sqrt(np.mean((stresses - stresses.mean(axis=0)) ** 2)))
    energies = np.array([atoms.info["REF_energy"] / len(atoms) for atoms in frames])
    assert errors.energy_rmse_ev_per_atom < 0.5 * energies.std()


def test_maker_survives_json():
    for one in (MAKER, DistillationMaker()):
        assert json.loads(json.dumps(one, cls=MontyEncoder), cls=MontyDecoder) == one
