"""The training loop that runs inside mace: its steps, with a patience that stops and a resume that resumes.

``mace.tools.train`` ends early only in distributed runs, and when it is restarted it goes back to the best checkpoint
and forgets its running averages and its patience. This loop takes mace's own training step and validation, and keeps
all that it needs to go on in one file that is replaced as a whole after each epoch.
"""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from disolyte.errors import FinetuningError
from disolyte.finetuning.settings import compare_settings

STATE_FILE = "training_state.pt"
PREVIOUS_STATE_FILE = "training_state.previous.pt"
PROGRESS_FILE = "progress.json"
EFFECTIVE_FILE = "effective.json"


@dataclass
class TrainingLoop:
    """Stand-in for ``mace.tools.train`` with a call of the same arguments.

    Parameters
    ----------
    directory
        Folder of the run: state, progress and effective settings are written to it.
    target_head
        Head whose validation loss decides on the best weights, on patience and on the learning rate.
    asked
        What the run must turn out to use, by the keys of its record of effective settings.
    """

    directory: Path
    target_head: str
    asked: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_loss: float = math.inf
    best_epoch: int = -1
    best_weights: dict[str, Any] = field(default_factory=dict)
    bad_epochs: int = 0
    n_resumed: int = 0
    warnings: list[str] = field(default_factory=list)

    def __call__(self, **given: Any) -> None:
        """Train; arguments as of ``mace.tools.train``."""
        if given.get("swa") is not None or given.get("distributed"):
            raise FinetuningError("stage two (swa) and distributed training are not supported by this runner")
        check_labels(given["train_loader"])
        if self.target_head not in given["valid_loaders"]:
            raise FinetuningError(f"no head {self.target_head!r}; the run has {', '.join(given['valid_loaders'])}")
        self._write_effective(given)
        epoch = self._restore(given)
        if epoch == 0:
            self._validate(given, epoch=-1, averaged=False)
        started, first = time.monotonic(), epoch
        while epoch < given["max_num_epochs"] and self.bad_epochs < given["patience"]:
            if epoch > 0:
                given["lr_scheduler"].step(metrics=self.history[-1]["loss"][self.target_head])
            self._train_epoch(given, epoch)
            self._validate(given, epoch, averaged=True)
            self._judge(given, epoch)
            epoch += 1
            self._save(given, epoch)
            rate = (time.monotonic() - started) / (epoch - first)
            self._write_progress(given, rate)
        if epoch == first:  # ended already, perhaps before it could write how
            self._write_progress(given, 0.0)
        logging.info("Training ended after %d epochs; best epoch %d", epoch, self.best_epoch)
        self._hand_over_best(given)

    def _train_epoch(self, given: dict[str, Any], epoch: int) -> None:
        from mace.tools.train import train_one_epoch

        passed = ("model", "loss_fn", "optimizer", "output_args", "max_grad_norm", "ema", "logger", "device", "rank")
        train_one_epoch(
            data_loader=given["train_loader"],
            epoch=epoch,
            distributed=False,
            distributed_model=None,
            **{key: given[key] for key in passed},
        )

    def _validate(self, given: dict[str, Any], epoch: int, *, averaged: bool) -> None:
        """Validate every head, with the running averages of the weights once there are some."""
        from mace.tools.train import evaluate

        ema = given["ema"]
        record: dict[str, Any] = {
            "epoch": epoch,
            "loss": {},
            "energy_rmse_ev_per_atom": {},
            "force_rmse_ev_per_ang": {},
            "stress_rmse_ev_per_ang3": {},
        }
        with ema.average_parameters() if averaged and ema is not None else nullcontext():
            for head, loader in given["valid_loaders"].items():
                loss, aux = evaluate(
                    model=given["model"],
                    loss_fn=given["loss_fn"],
                    data_loader=loader,
                    output_args=given["output_args"],
                    device=given["device"],
                )
                record["loss"][head] = float(loss)
                record["energy_rmse_ev_per_atom"][head] = float(aux["rmse_e_per_atom"])
                record["force_rmse_ev_per_ang"][head] = float(aux["rmse_f"])
                if "rmse_stress" in aux:
                    record["stress_rmse_ev_per_ang3"][head] = float(aux["rmse_stress"])
        self.history.append(record)
        logging.info("epoch %d: %s", epoch, json.dumps(record))
        for head, loss in record["loss"].items():
            if not math.isfinite(loss):
                raise FinetuningError(f"the validation loss of head {head!r} is {loss} after epoch {epoch}; lower lr")
            if epoch >= 0 and loss <= 0:
                raise FinetuningError(f"the validation loss of head {head!r} is {loss}: its labels carry no weight")

    def _judge(self, given: dict[str, Any], epoch: int) -> None:
        """Keep the weights if they are the best so far."""
        loss = self.history[-1]["loss"][self.target_head]
        if loss >= self.best_loss:
            self.bad_epochs += 1
            return
        self.best_loss, self.best_epoch, self.bad_epochs = loss, epoch, 0
        ema = given["ema"]
        with ema.average_parameters() if ema is not None else nullcontext():
            self.best_weights = {
                name: tensor.detach().cpu().clone() for name, tensor in given["model"].state_dict().items()
            }

    def _save(self, given: dict[str, Any], epoch: int) -> None:
        import torch

        ema = given["ema"]
        state = {
            "epoch": epoch,
            "model": given["model"].state_dict(),
            "optimizer": given["optimizer"].state_dict(),
            "lr_scheduler": given["lr_scheduler"].lr_scheduler.state_dict(),
            "ema": None if ema is None else ema.state_dict(),
            "shuffle": given["train_loader"].generator.get_state(),
            "rng": torch.get_rng_state(),
            "loop": {
                "history": self.history,
                "best_loss": self.best_loss,
                "best_epoch": self.best_epoch,
                "best_weights": self.best_weights,
                "bad_epochs": self.bad_epochs,
                "n_resumed": self.n_resumed,
                "warnings": self.warnings,
            },
        }
        temporary = self.directory / f"{STATE_FILE}.part"
        with temporary.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        if (self.directory / STATE_FILE).is_file():
            (self.directory / STATE_FILE).replace(self.directory / PREVIOUS_STATE_FILE)
        temporary.replace(self.directory / STATE_FILE)

    def _restore(self, given: dict[str, Any]) -> int:
        """Take up a killed run where its last epoch ended; return the epoch to do next."""
        import torch

        state, warnings = _read_state(self.directory)
        self.warnings = warnings
        if state is None:
            return 0
        given["model"].load_state_dict(state["model"])
        given["optimizer"].load_state_dict(state["optimizer"])
        given["lr_scheduler"].lr_scheduler.load_state_dict(state["lr_scheduler"])
        if given["ema"] is not None:
            given["ema"].load_state_dict(state["ema"])
        given["train_loader"].generator.set_state(state["shuffle"])
        torch.set_rng_state(state["rng"])
        for key, value in state["loop"].items():
            setattr(self, key, value)
        self.warnings = self.warnings + warnings
        self.n_resumed += 1
        logging.info("Going on after epoch %d", state["epoch"] - 1)
        return int(state["epoch"])

    def _write_effective(self, given: dict[str, Any]) -> None:
        """Write what the run really uses, read from the objects that use it, and stop if other things were asked."""
        ema, loss = given["ema"], given["loss_fn"]
        effective = {
            "lr": given["optimizer"].param_groups[0]["lr"],
            "optimizer": type(given["optimizer"]).__name__,
            "ema_decay": None if ema is None else float(ema.decay),
            "loss": type(loss).__name__,
            "energy_weight": float(loss.energy_weight),
            "forces_weight": float(loss.forces_weight),
            "stress_weight": float(loss.stress_weight),
            "patience": given["patience"],
            "max_num_epochs": given["max_num_epochs"],
            "batch_size": given["train_loader"].batch_size,
            "max_grad_norm": given["max_grad_norm"],
            "scheduler_patience": getattr(given["lr_scheduler"].lr_scheduler, "patience", None),
            "dtype": str(next(given["model"].parameters()).dtype).removeprefix("torch."),
            "heads": list(given["model"].heads),
            "n_train": len(given["train_loader"].dataset),
            "r_max_ang": float(given["model"].r_max),
        }
        (self.directory / EFFECTIVE_FILE).write_text(json.dumps(effective, indent=1), encoding="utf-8")
        compare_settings(self.asked, effective)

    def _write_progress(self, given: dict[str, Any], seconds_per_epoch: float) -> None:
        left = min(given["max_num_epochs"] - len(self.history) + 1, given["max_num_epochs"])
        progress = {
            "epochs": self.history,
            "max_num_epochs": given["max_num_epochs"],
            "best_epoch": self.best_epoch,
            "stopped_early": self.bad_epochs >= given["patience"],
            "n_resumed": self.n_resumed,
            "warnings": self.warnings,
            "seconds_per_epoch": seconds_per_epoch,
            "eta_s": 0.0 if self.bad_epochs >= given["patience"] else left * seconds_per_epoch,
        }
        temporary = self.directory / f"{PROGRESS_FILE}.part"
        temporary.write_text(json.dumps(progress), encoding="utf-8")
        temporary.replace(self.directory / PROGRESS_FILE)

    def _hand_over_best(self, given: dict[str, Any]) -> None:
        """Leave the best weights as the only checkpoint: mace loads the one with the highest epoch."""
        from mace.tools import CheckpointState

        if not self.best_weights:
            raise FinetuningError("no epoch was trained: max_num_epochs and patience must be at least 1")
        handler = given["checkpoint_handler"]
        for stale in Path(handler.io.directory).glob("*_epoch-*.pt"):
            stale.unlink()
        handler.io.old_path = None
        given["model"].load_state_dict(self.best_weights)
        handler.save(
            state=CheckpointState(given["model"], given["optimizer"], given["lr_scheduler"]), epochs=self.best_epoch
        )


def _read_state(directory: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Last state in ``directory`` that can be read, None if there is none, and what could not be read."""
    import torch

    warnings: list[str] = []
    for name in (STATE_FILE, PREVIOUS_STATE_FILE):
        if not (directory / name).is_file():
            continue
        try:
            return torch.load(directory / name, map_location="cpu", weights_only=True), warnings
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            logging.warning("%s cannot be read: %s", directory / name, error)
            warnings.append(f"{name} could not be read, so that the run went on from an earlier epoch")
    return None, warnings


def check_labels(train_loader: Any) -> None:
    """Refuse heads whose frames carry no weight: mace gives weight 0 to what it finds no label for.

    Raises
    ------
    FinetuningError
        Naming head and quantity.
    """
    weights: dict[tuple[int, str], float] = {}
    for frame in train_loader.dataset:
        for quantity in ("energy", "forces", "stress"):
            key = (int(frame["head"]), quantity)
            weights[key] = weights.get(key, 0.0) + float(frame["weight"]) * float(frame[f"{quantity}_weight"])
    for (head, quantity), weight in weights.items():
        if weight <= 0:
            raise FinetuningError(f"the training frames of head number {head} carry no {quantity} labels")
