"""Multi-head fine-tuning from labelled frames to a packed model, with every setting checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from disolyte.errors import DatasetError, FinetuningError
from disolyte.finetuning.inputs import Frames, TrainingInputs, prepare_inputs
from disolyte.finetuning.options import REPLAY_HEAD, TARGET_HEAD, FinetuneOptions, ReplayOptions
from disolyte.finetuning.process import FinishedTraining, run_training
from disolyte.finetuning.reference_energies import ReferenceEnergies, as_mace_argument
from disolyte.models.architecture import default_dtype
from disolyte.models.graphs import batch_graphs
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import select_head
from disolyte.models.schema import PackedModel, TrainingRecord

if TYPE_CHECKING:
    import torch

_EXPORT_TOLERANCE_EV_PER_ATOM = 1e-4


@dataclass(frozen=True)
class FinetunedModel:
    """Result of fine-tuning."""

    single_head: PackedModel
    multi_head: PackedModel
    heads: list[str]
    training: TrainingRecord
    inputs: TrainingInputs


def finetune(
    foundation: LoadedModel,
    frames: Frames,
    *,
    options: FinetuneOptions,
    replay: ReplayOptions,
    seed: int,
    directory: Path,
    fingerprint: str = "",
) -> FinetunedModel:
    """Fine-tune ``foundation`` on ``frames`` with two heads.

    Parameters
    ----------
    foundation
        Model to start from, in the precision to train in.
    frames
        Labelled frames.
    options, replay
        Settings.
    seed
        Seed of weights, shuffling and replay frames.
    directory
        Folder of the run. What a killed run with the same settings left there is taken up.
    fingerprint
        Hash of the dataset.

    Raises
    ------
    DatasetError
        If there are too few frames, or elements in validation or test that are not in training.
    ModelCoverageError
        If the foundation does not know an element.
    FinetuningError
        If multi-head training cannot start, fails, or ran with other settings than asked.
    """
    check_frames(frames, options)
    foundation.check_elements(frames.train)
    key = _key(options, replay, seed, foundation, fingerprint)
    inputs = prepare_inputs(foundation, frames, options=options, replay=replay, seed=seed, directory=directory, key=key)
    finished = run_training(
        mace_arguments(options, inputs.e0s, seed=seed, device=foundation.device),
        target_head=TARGET_HEAD,
        directory=directory,
        fingerprint=key,
    )
    asked = asked_settings(options, foundation, n_train=len(frames.train) + len(inputs.replay.train))
    compare_settings(asked, finished.effective)
    module = _read_result(finished)
    single = select_head(module, TARGET_HEAD, name="fine-tuned model")
    check_export(module, single, frames.valid[:4])
    return FinetunedModel(
        single_head=PackedModel.from_module(single),
        multi_head=PackedModel.from_module(module),
        heads=[str(head) for head in finished.effective["heads"]],
        training=_record(asked, finished),
        inputs=inputs,
    )


def _key(options: FinetuneOptions, replay: ReplayOptions, seed: int, foundation: LoadedModel, fingerprint: str) -> str:
    """Hash of everything that decides on the result."""
    parts = [options.model_dump(), replay.model_dump(), seed, foundation.sha256, foundation.dtype, fingerprint]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def check_frames(frames: Frames, options: FinetuneOptions) -> None:
    """Refuse frames that training would choke on or pass over.

    Raises
    ------
    DatasetError
        Naming what is wrong.
    """
    if len(frames.train) < options.batch_size or not frames.valid:
        raise DatasetError(
            f"{len(frames.train)} training and {len(frames.valid)} validation frames; at least one batch "
            f"({options.batch_size}) and one validation frame are needed: label more frames or lower batch_size"
        )
    trained = {symbol for atoms in frames.train for symbol in atoms.get_chemical_symbols()}
    for split, held in (("validation", frames.valid), ("test", frames.test)):
        if unseen := {symbol for atoms in held for symbol in atoms.get_chemical_symbols()} - trained:
            raise DatasetError(
                f"{', '.join(sorted(unseen))} is in the {split} frames and in none of the training frames; split again"
            )
    for atoms in (*frames.train, *frames.valid, *frames.test):
        if not ("REF_energy" in atoms.info and "REF_forces" in atoms.arrays and "REF_stress" in atoms.info):
            raise DatasetError(
                f"a frame of {atoms.get_chemical_formula()} lacks REF_energy, REF_forces or REF_stress; label it again"
            )


def mace_arguments(options: FinetuneOptions, e0s: ReferenceEnergies, *, seed: int, device: str) -> dict[str, object]:
    """Command line of ``mace_run_train``; paths are relative to the run's folder."""
    head = {"train_file": "train.xyz", "valid_file": "valid.xyz", "E0s": as_mace_argument(e0s.e0s_ev)}
    return {
        "name": "finetuned",
        "seed": seed,
        "device": device,
        "default_dtype": options.dtype,
        "foundation_model": "foundation.model",
        "multiheads_finetuning": True,
        "heads": str({TARGET_HEAD: head}),
        "pt_train_file": "replay_train.xyz",
        "pt_valid_file": "replay_valid.xyz",
        "real_pt_data_ratio_threshold": 0.0,
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "stress_key": "REF_stress",
        "loss": "universal",
        "compute_stress": True,
        "energy_weight": options.energy_weight,
        "forces_weight": options.forces_weight,
        "stress_weight": options.stress_weight,
        "lr": options.lr,
        "force_mh_ft_lr": True,
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


def asked_settings(options: FinetuneOptions, foundation: LoadedModel, *, n_train: int) -> dict[str, Any]:
    """What the run must turn out to have used; keys as in the runner's record of effective settings."""
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
        "heads": [REPLAY_HEAD, TARGET_HEAD],
        "n_train": n_train,
        "r_max_ang": foundation.r_max_ang,
    }


def compare_settings(asked: dict[str, Any], effective: dict[str, Any]) -> None:
    """Refuse a run that used other settings than asked.

    Raises
    ------
    FinetuningError
        Naming each setting with both values.
    """
    different = [
        f"{key}: asked {value!r}, used {effective.get(key)!r}"
        for key, value in asked.items()
        if not _same(value, effective.get(key))
    ]
    if different:
        raise FinetuningError(
            "training ran with other settings than asked (" + "; ".join(different) + "); the model is not handed on. "
            "The installed mace-torch may treat these options differently: disolyte is made for >=0.3.16,<0.4"
        )


def _same(asked: object, used: object) -> bool:
    if isinstance(asked, float) and isinstance(used, int | float):
        return abs(asked - used) <= 1e-6 * max(abs(asked), 1e-12)
    return asked == used


def _read_result(finished: FinishedTraining) -> torch.nn.Module:
    """Model of the finished run. Our own process wrote this pickle a moment ago; it goes no further."""
    import mace  # noqa: F401  before e3nn, which fails on torch >= 2.6 otherwise
    import torch

    return torch.load(finished.model_path, map_location="cpu", weights_only=False).eval()


def check_export(multi: torch.nn.Module, single: torch.nn.Module, frames: Sequence[Atoms]) -> None:
    """Refuse a single-head model that does not agree with its head in the multi-head model.

    Raises
    ------
    FinetuningError
        With the difference.
    """
    energies = []
    for module, head in ((multi, list(multi.heads).index(TARGET_HEAD)), (single, 0)):  # type: ignore[arg-type]
        dtype = next(module.parameters()).dtype
        numbers = module.get_buffer("atomic_numbers").numpy()
        index = np.full(119, -1, dtype=np.int64)
        index[numbers] = np.arange(len(numbers))
        graph = batch_graphs(
            frames,
            r_max_ang=float(module.get_buffer("r_max")),
            species_index=index,
            n_species=len(numbers),
            device="cpu",
            dtype=dtype,
        )
        graph["head"] += head
        with default_dtype(str(dtype).removeprefix("torch.")):
            energies.append(module(graph, compute_force=False)["energy"].detach().numpy())
    sizes = np.array([len(atoms) for atoms in frames])
    difference = float(np.abs((energies[0] - energies[1]) / sizes).max())
    if difference > _EXPORT_TOLERANCE_EV_PER_ATOM:
        raise FinetuningError(
            f"the exported head differs from the trained one by {difference:.2e} eV/atom, more than "
            f"{_EXPORT_TOLERANCE_EV_PER_ATOM:.0e}; the installed mace-torch exports heads wrongly"
        )


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
    )
