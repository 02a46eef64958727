"""Multi-head fine-tuning from labelled frames to a packed model, with every setting checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from disolyte.errors import FinetuningError
from disolyte.finetuning.frames import Frames, check_frames
from disolyte.finetuning.inputs import TrainingInputs, prepare_inputs
from disolyte.finetuning.mislabelling import check_against_foundation
from disolyte.finetuning.options import REPLAY_HEAD, TARGET_HEAD, FinetuneOptions, ReplayOptions
from disolyte.finetuning.reference_energies import ReferenceEnergies, as_mace_argument
from disolyte.finetuning.training import common_arguments, common_settings, run_key, train
from disolyte.models.architecture import default_dtype
from disolyte.models.graphs import batch_graphs
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import select_head
from disolyte.models.schema import PackedModel, TrainingRecord
from disolyte.ownership import own_folder

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
    target_module: torch.nn.Module
    """What is packed in ``single_head``: building it anew takes a second."""
    module: torch.nn.Module
    """What is packed in ``multi_head``."""


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
        If there are too few frames, elements in validation or test that are not in training, or labels that cannot be
        those of the frames.
    ModelCoverageError
        If the foundation does not know an element.
    FinetuningError
        If multi-head training cannot start, fails, or would run with other settings than asked.
    RunFolderError
        If ``directory`` cannot be written to, or another process trains in it.
    """
    check_frames(frames, options.batch_size)
    foundation.check_elements(frames.train)
    if options.checks_labels:
        check_against_foundation(foundation, frames.train, frames.valid, frames.test)
    key = run_key(options.model_dump(), replay.model_dump(), seed, foundation.sha256, foundation.dtype, fingerprint)
    with own_folder(directory):
        inputs = prepare_inputs(
            foundation, frames, options=options, replay=replay, seed=seed, directory=directory, key=key
        )
        trained = train(
            mace_arguments(options, inputs.e0s, seed=seed, device=foundation.device),
            common_settings(
                options,
                heads=[REPLAY_HEAD, TARGET_HEAD],
                n_train=len(frames.train) + len(inputs.replay.train),
                r_max_ang=foundation.r_max_ang,
            ),
            target_head=TARGET_HEAD,
            directory=directory,
            key=key,
        )
    single = select_head(trained.module, TARGET_HEAD, name="fine-tuned model")
    check_export(trained.module, single, frames.valid[:4])
    return FinetunedModel(
        single_head=PackedModel.from_module(single),
        multi_head=PackedModel.from_module(trained.module),
        heads=trained.heads,
        training=trained.record,
        inputs=inputs,
        target_module=single,
        module=trained.module,
    )


def mace_arguments(options: FinetuneOptions, e0s: ReferenceEnergies, *, seed: int, device: str) -> dict[str, object]:
    """Command line of ``mace_run_train``; paths are relative to the run's folder."""
    head = {"train_file": "train.xyz", "valid_file": "valid.xyz", "E0s": as_mace_argument(e0s.e0s_ev)}
    return {
        **common_arguments(options, name="finetuned", seed=seed, device=device),
        "foundation_model": "foundation.model",
        "multiheads_finetuning": True,
        "heads": str({TARGET_HEAD: head}),
        "pt_train_file": "replay_train.xyz",
        "pt_valid_file": "replay_valid.xyz",
        "real_pt_data_ratio_threshold": 0.0,
        "force_mh_ft_lr": True,
    }


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
