"""The training loop against scripted validation losses, without a network."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from disolyte.errors import FinetuningError
from disolyte.finetuning.loop import PREVIOUS_STATE_FILE, PROGRESS_FILE, STATE_FILE, TrainingLoop, check_labels


class Scripted(TrainingLoop):
    """Loop whose epochs have the losses of a list."""

    def run(self, losses, *, patience, max_num_epochs=100, **more):
        self.trained = []
        self.scheduled = []
        given = {
            "train_loader": type("Loader", (), {"dataset": [labelled()]})(),
            "valid_loaders": {"pt_head": None, self.target_head: None},
            "max_num_epochs": max_num_epochs,
            "patience": patience,
            "losses": losses,
            "lr_scheduler": self,
            **more,
        }
        self(**given)

    def step(self, metrics):
        self.scheduled.append(metrics)

    def _write_effective(self, given): ...

    def _restore(self, given):
        return 0

    def _save(self, given, epoch): ...

    def _hand_over_best(self, given): ...

    def _train_epoch(self, given, epoch):
        self.trained.append(epoch)

    def _validate(self, given, epoch, *, averaged):
        loss = given["losses"][max(epoch, 0)]
        heads = {"pt_head": 0.5, self.target_head: loss}
        self.history.append(
            {"epoch": epoch, "loss": heads, "energy_rmse_ev_per_atom": heads, "force_rmse_ev_per_ang": heads}
        )

    def _judge(self, given, epoch):
        super()._judge({"ema": None, "model": type("Empty", (), {"state_dict": dict})()}, epoch)


class Resumable(Scripted):
    """Scripted loop that keeps its state, of a network of one weight."""

    _save = TrainingLoop._save
    _restore = TrainingLoop._restore

    def run(self, losses, **settings):
        model = torch.nn.Linear(1, 1)
        optimizer = torch.optim.Adam(model.parameters())
        self.lr_scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        loader = SimpleNamespace(dataset=[labelled()], generator=torch.Generator())
        super().run(losses, model=model, optimizer=optimizer, ema=None, train_loader=loader, **settings)


def resumable(tmp_path):
    return Resumable(directory=tmp_path, target_head="target")


def labelled(**changes):
    frame = {"head": 1, "weight": 1.0, "energy_weight": 1.0, "forces_weight": 1.0, "stress_weight": 1.0}
    return {**frame, **changes}


def scripted(tmp_path):
    return Scripted(directory=tmp_path, target_head="target")


def test_patience_stops_at_the_right_epoch(tmp_path):
    loop = scripted(tmp_path)
    loop.run([5.0, 4.0, 3.0, 3.5, 3.0, 3.2] + [1.0] * 50, patience=3)
    assert loop.best_epoch == 2
    assert loop.trained == [0, 1, 2, 3, 4, 5]
    progress = json.loads((tmp_path / PROGRESS_FILE).read_text())
    assert progress["stopped_early"] is True
    assert progress["eta_s"] == 0


def test_better_loss_resets_patience(tmp_path):
    loop = scripted(tmp_path)
    loop.run([5.0, 6.0, 4.0, 6.0, 3.0, 6.0, 7.0, 8.0], patience=2)
    assert loop.best_epoch == 4
    assert loop.trained[-1] == 6


def test_never_more_than_the_largest_number_of_epochs(tmp_path):
    loop = scripted(tmp_path)
    loop.run([1 / (n + 1) for n in range(20)], patience=5, max_num_epochs=7)
    assert loop.trained == list(range(7))
    assert json.loads((tmp_path / PROGRESS_FILE).read_text())["stopped_early"] is False


def test_rate_follows_the_target_head(tmp_path):
    loop = scripted(tmp_path)
    loop.run([5.0, 4.0, 3.0], patience=5, max_num_epochs=3)
    assert loop.scheduled == [5.0, 4.0]


@pytest.mark.parametrize("quantity", ["energy", "forces", "stress"])
def test_head_without_labels_is_refused(quantity):
    frames = [labelled(), labelled(head=0, **{f"{quantity}_weight": 0.0})]
    with pytest.raises(FinetuningError, match=f"head number 0 carry no {quantity}"):
        check_labels(type("Loader", (), {"dataset": frames})())


@pytest.mark.parametrize(("loss", "epoch"), [(math.nan, 0), (0.0, 0), (math.inf, 3)])
def test_loss_without_meaning_ends_the_run(tmp_path, loss, epoch, monkeypatch):
    import mace  # noqa: F401
    import mace.tools.train as module

    loop = TrainingLoop(directory=tmp_path, target_head="target")
    import sys

    monkeypatch.setattr(
        sys.modules["mace.tools.train"], "evaluate", lambda **_: (loss, {"rmse_e_per_atom": 1.0, "rmse_f": 1.0})
    )
    given = {"ema": None, "valid_loaders": {"pt_head": None}, "model": None, "loss_fn": None, "output_args": None}
    with pytest.raises(FinetuningError, match="pt_head"):
        loop._validate({**given, "device": None}, epoch, averaged=False)
    assert module is not None


def test_patience_goes_on_where_a_killed_run_left_it(tmp_path):
    losses = [5.0, 4.0, 3.0, 3.5, 3.1, 3.2, 3.3] + [1.0] * 50
    resumable(tmp_path).run(losses, patience=4, max_num_epochs=5)
    loop = resumable(tmp_path)
    loop.run(losses, patience=4)
    assert loop.trained == [5, 6]
    assert (loop.best_epoch, loop.best_loss, loop.bad_epochs, loop.n_resumed) == (2, 3.0, 4, 1)


def test_run_killed_after_its_last_state_tells_of_all_epochs(tmp_path):
    losses = [1 / (n + 1) for n in range(20)]
    resumable(tmp_path).run(losses, patience=5, max_num_epochs=4)
    (tmp_path / PROGRESS_FILE).unlink()
    resumable(tmp_path).run(losses, patience=5, max_num_epochs=4)
    progress = json.loads((tmp_path / PROGRESS_FILE).read_text())
    assert [record["epoch"] for record in progress["epochs"]] == [-1, 0, 1, 2, 3]
    assert (progress["n_resumed"], progress["eta_s"]) == (1, 0)


def test_damaged_state_is_passed_over_for_the_one_before(tmp_path):
    losses = [1 / (n + 1) for n in range(20)]
    resumable(tmp_path).run(losses, patience=5, max_num_epochs=4)
    state = tmp_path / STATE_FILE
    state.write_bytes(state.read_bytes()[:700])
    loop = resumable(tmp_path)
    loop.run(losses, patience=5, max_num_epochs=6)
    assert loop.trained == [3, 4, 5]
    assert [record["epoch"] for record in loop.history] == [-1, 0, 1, 2, 3, 4, 5]
    (warning,) = json.loads((tmp_path / PROGRESS_FILE).read_text())["warnings"]
    assert STATE_FILE in warning


def test_run_without_a_good_state_begins_afresh(tmp_path):
    losses = [1 / (n + 1) for n in range(20)]
    resumable(tmp_path).run(losses, patience=5, max_num_epochs=4)
    (tmp_path / STATE_FILE).write_bytes(b"")
    (tmp_path / PREVIOUS_STATE_FILE).write_bytes(b"PK\x03\x04 broken")
    loop = resumable(tmp_path)
    loop.run(losses, patience=5, max_num_epochs=2)
    assert loop.trained == [0, 1]
    assert len(json.loads((tmp_path / PROGRESS_FILE).read_text())["warnings"]) == 2


def test_unknown_target_head_is_refused(tmp_path):
    loop = scripted(tmp_path)
    loop.target_head = "tagret"
    given = {"train_loader": type("Loader", (), {"dataset": [labelled()]})(), "valid_loaders": {"target": None}}
    with pytest.raises(FinetuningError, match="'tagret'"):
        loop(**given)
