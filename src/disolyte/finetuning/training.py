"""What all trainings share: common arguments, a run in a process of its own, and settings read back from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from disolyte.finetuning.options import TrainingOptions
from disolyte.finetuning.process import FinishedTraining, run_training
from disolyte.finetuning.settings import compare_settings
from disolyte.models.schema import TrainingRecord

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TrainedModule:
    """Result of a training whose settings were those asked for."""

    module: torch.nn.Module
    """The model with all its heads, on the CPU, in evaluation mode."""
    heads: list[str]
    """Its heads, in the order of the model."""
    record: TrainingRecord
    """How it went."""


def run_key(*parts: object) -> str:
    """Hash of everything that decides on the result of a run."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train(
    arguments: dict[str, object], asked: dict[str, Any], *, target_head: str, directory: Path, key: str
) -> TrainedModule:
    """Train in a process of its own, or go on with a killed run, and compare what is used with what was asked.

    Parameters
    ----------
    arguments
        Options of ``mace_run_train``; see :func:`~disolyte.finetuning.process.run_training`.
    asked
        What the run must turn out to have used, by the keys of its record of effective settings.
    target_head
        Head that decides on the best epoch and on patience.
    directory
        Folder of the run.
    key
        See :func:`run_key`.

    Raises
    ------
    FinetuningError
        If the run fails, or ran with other settings than asked.
    """
    finished = run_training(arguments, target_head=target_head, directory=directory, fingerprint=key, asked=asked)
    compare_settings(asked, finished.effective)
    return TrainedModule(
        module=_read_result(finished),
        heads=[str(head) for head in finished.effective["heads"]],
        record=_record(asked, finished),
    )


def common_arguments(options: TrainingOptions, *, name: str, seed: int, device: str) -> dict[str, object]:
    """Options of ``mace_run_train`` that do not depend on where the weights start from."""
    return {
        "name": name,
        "seed": seed,
        "device": device,
        "default_dtype": options.dtype,
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "stress_key": "REF_stress",
        "loss": "universal",
        "compute_stress": True,
        "energy_weight": options.energy_weight,
        "forces_weight": options.forces_weight,
        "stress_weight": options.stress_weight,
        "lr": options.lr,
        "ema": None,
        "ema_decay": options.ema_decay,
        "scheduler": "ReduceLROnPlateau",
        "scheduler_patience": options.scheduler_patience,
        "lr_factor": options.lr_factor,
        "batch_size": options.batch_size,
        "valid_batch_size": 2 * options.batch_size,
        "max_num_epochs": options.max_num_epochs,
        "patience": options.patience,
        "plot": False,
        "save_cpu": None,
    }


def common_settings(options: TrainingOptions, *, heads: list[str], n_train: int, r_max_ang: float) -> dict[str, Any]:
    """What a run must turn out to have used; keys as in the runner's record of effective settings."""
    return {
        "lr": options.lr,
        "ema_decay": options.ema_decay,
        "loss": "UniversalLoss",
        "energy_weight": options.energy_weight,
        "forces_weight": options.forces_weight,
        "stress_weight": options.stress_weight,
        "patience": options.patience,
        "max_num_epochs": options.max_num_epochs,
        "batch_size": options.batch_size,
        "scheduler_patience": options.scheduler_patience,
        "dtype": options.dtype,
        "heads": heads,
        "n_train": n_train,
        "r_max_ang": r_max_ang,
    }


def _read_result(finished: FinishedTraining) -> torch.nn.Module:
    """Model of the finished run. Our own process wrote this pickle a moment ago; it goes no further."""
    import mace  # noqa: F401  before e3nn, which fails on torch >= 2.6 otherwise
    import torch

    return torch.load(finished.model_path, map_location="cpu", weights_only=False).eval()


def _record(asked: dict[str, Any], finished: FinishedTraining) -> TrainingRecord:
    progress = finished.progress
    return TrainingRecord(
        asked=asked,
        effective=finished.effective,
        epochs=progress["epochs"],
        best_epoch=progress["best_epoch"],
        stopped_early=progress["stopped_early"],
        wall_time_s=finished.wall_time_s,
        n_resumed=progress["n_resumed"],
        warnings=progress.get("warnings", []),
    )
