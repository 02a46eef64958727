"""Trainings for real beside each other: fine-tuned, naive, from scratch; what each keeps, learns and stands in MD."""

import json
import subprocess
import sys

import numpy as np
import pytest
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte.dynamics import Engine, MDProtocol, Thermostat
from disolyte.errors import FinetuningError, InputError, RunFolderInUseError
from disolyte.finetuning.finetune import mace_arguments
from disolyte.finetuning.inputs import write_frames
from disolyte.finetuning.loop import PROGRESS_FILE
from disolyte.finetuning.makers import ScratchTrainMaker
from disolyte.finetuning.metrics import compare, quantity_errors
from disolyte.finetuning.options import MaceArchitecture, TrainingOptions
from disolyte.finetuning.process import _watch, describe_epoch, find_cause, run_training
from disolyte.finetuning.reference_energies import as_mace_argument, estimate_e0s
from disolyte.finetuning.replay import make_replay
from disolyte.finetuning.scratch import SCRATCH_HEAD, scratch_arguments, scratch_e0s, train_from_scratch
from disolyte.finetuning.stability.contacts import pair_floors, shortest_distances_ang
from disolyte.finetuning.stability.makers import StabilityMaker
from disolyte.finetuning.stability.schema import StabilityDoc
from disolyte.finetuning.training import common_settings, train
from disolyte.models import ModelDoc, load_model
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import select_head
from disolyte.ownership import own_folder

TINY = MaceArchitecture(n_channels=8, max_l=0, max_ell=2, correlation=2, radial_widths=(16, 16))


@pytest.fixture(scope="module")
def scratch_maker():
    options = TrainingOptions(max_num_epochs=3, batch_size=6, dtype="float32", lr=0.01)
    return ScratchTrainMaker(architecture=TINY, options=options, seed=2)


@pytest.fixture(scope="module")
def scratch(scratch_maker, dataset, run_job, tmp_path_factory):
    return run_job(scratch_maker.make(dataset), ModelDoc, tmp_path_factory.mktemp("scratch"))


def test_scratch_model_is_what_was_asked_for(scratch, scratch_maker, dataset):
    effective = scratch.training.effective
    assert effective["hidden_irreps"] == "8x0e"
    assert (effective["correlation"], effective["num_interactions"], effective["r_max_ang"]) == (2, 2, 5.0)
    assert (effective["lr"], effective["loss"], effective["n_train"]) == (0.01, "UniversalLoss", 24)
    assert scratch.foundation is None
    assert scratch.heads == [SCRATCH_HEAD]
    assert scratch.dataset_sha256 == dataset.dataset_sha256
    held = dataset.to_atoms("test")
    predicted = load_model(scratch).predict(held).energies_ev / np.array([len(atoms) for atoms in held])
    np.testing.assert_allclose(scratch.parity.energies_ev_per_atom.to_array()[1], predicted, atol=1e-5)
    assert set(scratch.errors[0].by_composition) == set(dataset.compositions["test"])


def test_scratch_learns_stress_too(scratch):
    assert all(SCRATCH_HEAD in epoch.stress_rmse_ev_per_ang3 for epoch in scratch.training.epochs)
    losses = [epoch.loss[SCRATCH_HEAD] for epoch in scratch.training.epochs]
    assert losses[-1] < losses[0]


def test_published_architecture_is_the_default():
    maker = ScratchTrainMaker()
    assert maker.architecture.hidden_irreps == "128x0e+128x1o"
    assert (maker.architecture.r_max_ang, maker.architecture.n_layers, maker.architecture.correlation) == (5.0, 2, 3)
    assert (maker.options.lr, maker.options.patience, maker.options.max_num_epochs) == (0.01, 20, 500)


def test_stress_is_in_the_loss_of_scratch_training(split_frames):
    options = TrainingOptions()
    arguments = scratch_arguments(TINY, options, scratch_e0s(split_frames, options), seed=0, device="cpu")
    assert arguments["loss"] == "universal"
    assert arguments["stress_weight"] > 0


def test_isolated_atoms_are_taken_as_given(split_frames):
    given = {"Li": -1.0, "Cl": -2.0, "Br": -3.0, "Y": -4.0, "In": -5.0, "O": -6.0}
    e0s = scratch_e0s(split_frames, TrainingOptions(isolated_atom_energies_ev=given))
    assert e0s.e0s_ev == {symbol: value for symbol, value in given.items() if symbol != "O"}
    with pytest.raises(FinetuningError, match="has no Li"):
        scratch_e0s(
            split_frames, TrainingOptions(isolated_atom_energies_ev={"Cl": 0.0, "Br": 0.0, "Y": 0.0, "In": 0.0})
        )


def test_other_architecture_than_asked_is_refused(scratch_maker, split_frames, clean_dir, monkeypatch):
    """A mace that overrides an option of the architecture must not pass unnoticed."""
    from disolyte.finetuning import scratch as module

    packed = type("Packed", (), {"architecture": {**module.asked_architecture(TINY), "correlation": 3}})
    monkeypatch.setattr(module, "train", lambda *_, **__: type("Trained", (), {"module": None, "record": None}))
    monkeypatch.setattr(module.PackedModel, "from_module", lambda _: packed)
    with pytest.raises(FinetuningError, match="correlation: asked 2, used 3"):
        module.train_from_scratch(
            split_frames, architecture=TINY, options=scratch_maker.options, seed=0, directory=clean_dir / "run"
        )


@pytest.fixture(scope="module")
def naive(foundation, split_frames, options, replay_options, tmp_path_factory):
    """The same training without the replay head: what multi-head fine-tuning is to improve on."""
    import torch

    directory = tmp_path_factory.mktemp("naive")
    write_frames(directory, train=split_frames.train, valid=split_frames.valid)
    torch.save(foundation.module, directory / "foundation.model")
    e0s = estimate_e0s(foundation, split_frames.train)
    arguments = mace_arguments(options, e0s, seed=4, device="cpu")
    for key in ("heads", "pt_train_file", "pt_valid_file", "real_pt_data_ratio_threshold", "force_mh_ft_lr"):
        del arguments[key]
    arguments |= {"multiheads_finetuning": False, "train_file": "train.xyz", "valid_file": "valid.xyz"}
    arguments["E0s"] = as_mace_argument(e0s.e0s_ev)
    finished = run_training(arguments, target_head="Default", directory=directory)
    module = torch.load(finished.model_path, map_location="cpu", weights_only=False)
    return LoadedModel(module, name="naive", sha256="")


def test_two_heads_forget_less_than_one(document, naive, foundation, split_frames, replay_options):
    """Forces on frames that the foundation labelled, whose labels the naive training never sees."""
    kept = make_replay(foundation, split_frames.test, replay_options.model_copy(update={"n_frames": 30}), seed=77).train
    keeper = LoadedModel(select_head(document.multi_head.to_module(), "pt_head", name="multi"), name="multi", sha256="")
    of_two, of_one = (quantity_errors(compare(model, kept)).force_rmse_ev_per_ang for model in (keeper, naive))
    print(f"replay frames: multi-head {of_two:.4f} eV/Å, naive {of_one:.4f} eV/Å")
    assert of_two < 0.7 * of_one


def test_scratch_model_fails_in_md_where_the_fine_tuned_one_does_not(document, scratch, dataset, run_job, tmp_path):
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in dataset.to_atoms("test")[:2]]
    protocol = MDProtocol(temperature_k=800.0, n_steps=250, thermostat=Thermostat.BUSSI, record_every=10, seed=5)
    maker = StabilityMaker(protocol=protocol, engine=Engine.ASE, dtype="float32")
    doc = run_job(maker.make([document, scratch], structures, dataset=dataset), StabilityDoc, tmp_path)
    tuned, untaught = doc.models
    assert (tuned.is_fine_tuned, untaught.is_fine_tuned) == (True, False)
    assert [run.family for run in tuned.runs] == [run.family for run in untaught.runs]
    print([run.reasons for run in tuned.runs], [run.reasons for run in untaught.runs])
    assert tuned.stable
    assert untaught.n_failed > 0
    failed = next(run for run in untaught.runs if run.failed)
    assert failed.reasons
    assert all(run.largest_energy_change_ev_per_atom < 0.3 for run in tuned.runs)


def test_floors_come_from_labels_within_reason(dataset):
    frames = dataset.to_atoms("train")
    shortest = shortest_distances_ang(frames)
    assert shortest["Cl", "Li"] == min(
        atoms.get_distances(i, [j for j, other in enumerate(atoms.symbols) if other == "Cl"], mic=True).min()
        for atoms in frames
        if "Cl" in atoms.get_chemical_symbols()
        for i, symbol in enumerate(atoms.symbols)
        if symbol == "Li"
    )
    pairs = [("Cl", "Li"), ("Li", "Li"), ("Na", "O")]
    chloride, lithium, unknown = pair_floors(pairs, frames, labelled_fraction=0.85, contact_fraction=0.5)
    assert chloride.floor_ang == pytest.approx(min(0.85 * shortest["Cl", "Li"], 0.8 * (1.02 + 1.28)))
    assert lithium.floor_ang == pytest.approx(0.8 * 2 * 1.28)  # 3.5 Å apart on their sites, closer in a jump
    assert unknown.floor_ang == pytest.approx(0.5 * (1.66 + 0.66))
    assert unknown.labelled_ang is None


def test_stability_needs_models_and_structures(document):
    maker = StabilityMaker()
    with pytest.raises(InputError, match="no models"):
        maker.make.original(maker, [], [])
    with pytest.raises(InputError, match="no structures"):
        maker.make.original(maker, [document], [])
    with pytest.raises(InputError, match="labelled_fraction=1.5"):
        StabilityMaker(labelled_fraction=1.5)


@pytest.mark.parametrize(
    ("status", "log", "cause"),
    [
        (1, "Traceback\ntorch.OutOfMemoryError: CUDA out of memory. Tried", "lower batch_size"),
        (1, "OSError: [Errno 28] No space left on device", "disk is full"),
        (
            1,
            "x\ndisolyte.errors.FinetuningError: the validation loss is nan",
            "FinetuningError: the validation loss is",
        ),
        (1, "RuntimeError: basic_ios::clear: iostream error", "the disk may be full"),
        (1, "RuntimeError: [enforce fail] PytorchStreamWriter failed writing file data/0", "the disk may be full"),
        (-9, "epoch 3", "SIGKILL killed it: as a rule the machine ran out of memory"),
        (-15, "epoch 3", "SIGTERM killed it"),
        (1, "", "names no error"),
    ],
)
def test_cause_of_a_failure_is_named(status, log, cause):
    assert cause in find_cause(status, log)


def test_full_disk_is_told_from_its_free_space():
    log = "RuntimeError: basic_ios::clear: iostream error"
    assert find_cause(1, log, free_bytes=1000).startswith("the disk is full")
    assert "may be full" in find_cause(1, log, free_bytes=10**12)


def test_runner_of_a_parent_that_is_gone_ends_at_once(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "disolyte.finetuning.runner", str(tmp_path / "run.json"), str(2**30)],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 3


def test_scratch_folder_of_another_training_is_refused(split_frames, tmp_path):
    options = TrainingOptions(batch_size=6)
    with own_folder(tmp_path), pytest.raises(RunFolderInUseError, match="in use by process"):
        train_from_scratch(split_frames, architecture=TINY, options=options, seed=0, directory=tmp_path)


@pytest.mark.parametrize(("key", "value"), [("lr", 0.5), ("heads", ["pt_head", "Default"])])
def test_other_settings_end_the_run_before_its_first_epoch(scratch_maker, split_frames, tmp_path, key, value):
    options = scratch_maker.options
    write_frames(tmp_path, train=split_frames.train, valid=split_frames.valid)
    arguments = scratch_arguments(TINY, options, scratch_e0s(split_frames, options), seed=0, device="cpu")
    asked = common_settings(
        options, heads=[SCRATCH_HEAD], n_train=len(split_frames.train), r_max_ang=TINY.r_max_ang
    )  # fmt: skip
    with pytest.raises(FinetuningError, match=f"{key}: asked .*, used"):
        train(arguments, {**asked, key: value}, target_head=SCRATCH_HEAD, directory=tmp_path, key="")
    assert "epoch -1" not in (tmp_path / "training.log").read_text()


def test_every_epoch_is_shown(document, tmp_path, caplog):
    epochs = [epoch.model_dump() for epoch in document.training.epochs]
    progress = {"epochs": epochs, "max_num_epochs": 8, "eta_s": 0.0, "seconds_per_epoch": 2.0}
    (tmp_path / PROGRESS_FILE).write_text(json.dumps(progress))
    with caplog.at_level("INFO", logger="jobflow"):
        _watch(subprocess.Popen([sys.executable, "-c", "pass"]), tmp_path)
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "before training", *(f"epoch {number} of 8" for number in range(1, 9))
    ]  # fmt: skip


def test_progress_says_errors_of_both_heads_and_time_left(document):
    epochs = [epoch.model_dump() for epoch in document.training.epochs]
    progress = {"epochs": epochs, "max_num_epochs": 20, "eta_s": 24.0, "seconds_per_epoch": 2.0}
    line = describe_epoch(epochs[-1], progress)
    assert line.startswith("epoch 8 of 20: pt_head ")
    assert "target" in line
    assert "meV/Å³" in line
    assert line.endswith("at most 24 s left")
    assert describe_epoch(epochs[-2], progress).endswith("at most 26 s left")
