"""Two-head fine-tuning for real, through the Maker: better on the labels, resumed to the bit, honest about failures."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from disolyte.errors import FinetuningError, RunFolderInUseError
from disolyte.finetuning.finetune import finetune
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.process import run_training
from disolyte.models import SHIPPED, SMALL_MODEL_CAVEAT, ModelSource, load_model
from disolyte.ownership import own_folder


def test_learns_the_labels(document):
    after, before = document.errors[0].overall, document.foundation_errors[0].overall
    assert after.force_rmse_ev_per_ang < 0.8 * before.force_rmse_ev_per_ang
    assert before.force_rmse_ev_per_ang > 0.02
    assert after.n_frames == 6


def test_keeps_what_the_foundation_knew(document):
    replay = next(errors for errors in document.errors if errors.head == "pt_head").overall
    assert replay.energy_rmse_ev_per_atom < 0.05
    assert replay.force_rmse_ev_per_ang < 0.5


def test_both_heads_learn_from_the_first_epoch(document, options):
    assert document.heads == ["pt_head", "target"]
    trained = [epoch for epoch in document.training.epochs if epoch.epoch >= 0]
    assert len(trained) == options.max_num_epochs
    for epoch in trained:
        assert set(epoch.loss) == {"pt_head", "target"}
        assert all(loss > 0 for loss in epoch.loss.values())


def test_settings_are_those_asked_for(document, options):
    effective = document.training.effective
    assert effective["lr"] == options.lr
    assert effective["ema_decay"] == options.ema_decay
    assert effective["loss"] == "UniversalLoss"
    assert effective["n_train"] == 24 + 18
    assert (
        document.training.best_epoch
        == min(
            (epoch for epoch in document.training.epochs if epoch.epoch >= 0), key=lambda epoch: epoch.loss["target"]
        ).epoch
    )


def test_document_says_where_it_comes_from(document, dataset, foundation):
    assert document.foundation.sha256 == foundation.sha256
    assert document.dataset_sha256 == dataset.dataset_sha256
    assert SMALL_MODEL_CAVEAT in document.caveats
    assert "labels from a steepened foundation" in document.caveats
    assert document.is_surrogate
    assert document.provenance.seed == 4
    assert any("compositions of rank 3" in caveat for caveat in document.caveats)
    assert document.training.effective["e0_source"] == "least squares"
    assert set(document.training.effective["e0s_ev"]) == set(dataset.elements)


def test_parity_belongs_to_the_weights(document, dataset):
    held = dataset.to_atoms("test")
    predicted = load_model(document).predict(held)
    parity = document.parity.energies_ev_per_atom.to_array()
    sizes = np.array([len(atoms) for atoms in held])
    np.testing.assert_allclose(parity[1], predicted.energies_ev / sizes, atol=1e-5)
    np.testing.assert_allclose(parity[0], [a.info["REF_energy"] / len(a) for a in held], atol=1e-9)


def test_heads_can_be_chosen_and_differ(document, dataset):
    held = dataset.to_atoms("test")[:2]
    target = load_model(document).predict(held).energies_ev
    named = load_model(document, head="target").predict(held).energies_ev
    other = load_model(document, head="pt_head")
    replay = other.predict(held).energies_ev
    assert other.sha256 not in (document.sha256, document.multi_head.sha256)
    np.testing.assert_array_equal(target, named)
    assert np.abs(target - replay).min() > 0.1


def test_run_killed_at_random_goes_on_to_the_same_model(dataset, options, replay_options, clean_dir):
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        sys.path[:0] = {sys.path!r}
        from test_support import train
        train(Path({str(clean_dir)!r}))
    """)
    (clean_dir / "dataset.json").write_text(dataset.model_dump_json())
    (clean_dir / "test_support.py").write_text(
        textwrap.dedent("""
        from pathlib import Path
        from disolyte.finetuning.finetune import finetune
        from disolyte.finetuning.frames import Frames
        from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
        from disolyte.labelling.schema import DatasetDoc
        from disolyte.models import ModelSource, load_model

        def train(folder, directory="training"):
            dataset = DatasetDoc.model_validate_json((folder / "dataset.json").read_text())
            return finetune(
                load_model(ModelSource(name="disolyte-small")),
                Frames(*(dataset.to_atoms(split) for split in ("train", "valid", "test"))),
                options=FinetuneOptions(max_num_epochs=8, batch_size=6, dtype="float32", lr=0.005),
                replay=ReplayOptions(n_frames=20), seed=4, directory=folder / directory,
                fingerprint=dataset.dataset_sha256,
            )
        """)
    )
    # Anywhere in the making of the inputs and the start of mace, then anywhere in the epochs.
    for awaited, longest_s in (("training", 3.0), ("training/training_state.pt", 1.0)):
        process = subprocess.Popen([sys.executable, "-c", script], cwd=clean_dir, start_new_session=True)
        while not (clean_dir / awaited).exists():
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(random.uniform(0.0, longest_s))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (clean_dir / "training" / "finetuned.model").exists()

    frames = Frames(*(dataset.to_atoms(split) for split in ("train", "valid", "test")))
    foundation = load_model(ModelSource(name=SHIPPED))
    resumed = finetune(
        foundation, frames, options=options, replay=replay_options, seed=4, directory=clean_dir / "training",
        fingerprint=dataset.dataset_sha256,
    )  # fmt: skip
    assert resumed.training.n_resumed >= 1

    # In a process of its own, too: what ran before in this one shows in the last digits of the replay labels.
    whole = subprocess.run(
        [sys.executable, "-c", script.replace("train(Path", "result = train(Path").replace("))\n", "), 'whole')\n")
         + "print([epoch.loss for epoch in result.training.epochs], result.single_head.sha256)"],
        cwd=clean_dir, capture_output=True, text=True, check=True,
    )  # fmt: skip
    losses = [epoch.loss for epoch in resumed.training.epochs]
    assert whole.stdout.splitlines()[-1] == f"{losses} {resumed.single_head.sha256}"

    with pytest.raises(FinetuningError, match="other settings"):
        finetune(
            foundation, frames, options=options.model_copy(update={"lr": 0.02}), replay=replay_options, seed=4,
            directory=clean_dir / "training", fingerprint=dataset.dataset_sha256,
        )  # fmt: skip


def test_failure_carries_status_and_log(clean_dir):
    (clean_dir / "run").mkdir()
    (clean_dir / "run" / "run.json").touch()  # cut off by a full disk, as the log says
    (clean_dir / "run" / "training.log").write_text("OSError: no space left on device\n")
    with pytest.raises(FinetuningError, match=r"exit status [12](.|\n)*(error|Error)") as caught:
        run_training({"name": "none", "train_file": "missing.xyz"}, target_head="target", directory=clean_dir / "run")
    assert "no space" not in str(caught.value)
    assert "disk" not in str(caught.value)


def test_folder_of_another_training_is_refused(foundation, split_frames, options, replay_options, tmp_path):
    with own_folder(tmp_path), pytest.raises(RunFolderInUseError, match="in use by process"):
        finetune(foundation, split_frames, options=options, replay=replay_options, seed=4, directory=tmp_path)


def test_maker_survives_json(maker):
    import json

    from monty.json import MontyDecoder, MontyEncoder

    for one in (maker, FinetuneMaker()):
        assert json.loads(json.dumps(one, cls=MontyEncoder), cls=MontyDecoder) == one
    assert FinetuneMaker().options.patience == 20
    assert FinetuneMaker().foundation.name == "medium"
    assert Path.cwd().is_dir()
