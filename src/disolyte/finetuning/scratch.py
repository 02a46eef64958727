"""Training from scratch: random weights, the same frames, process, settings and errors as fine-tuning."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from disolyte.finetuning.frames import Frames, check_frames
from disolyte.finetuning.inputs import make_once, write_frames
from disolyte.finetuning.options import MaceArchitecture, TrainingOptions
from disolyte.finetuning.reference_energies import (
    ReferenceEnergies,
    as_mace_argument,
    chosen_e0s,
    composition_rank,
    least_squares_per_atom,
)
from disolyte.finetuning.settings import compare_settings
from disolyte.finetuning.training import common_arguments, common_settings, run_key, train
from disolyte.models.schema import PackedModel, TrainingRecord
from disolyte.ownership import own_folder

if TYPE_CHECKING:
    import torch

SCRATCH_HEAD: Final = "Default"
"""Only head of a model trained from scratch; mace's own name."""


@dataclass(frozen=True)
class ScratchModel:
    """Result of training from scratch."""

    model: PackedModel
    training: TrainingRecord
    e0s: ReferenceEnergies
    module: torch.nn.Module
    """What is packed in ``model``."""


def train_from_scratch(
    frames: Frames,
    *,
    architecture: MaceArchitecture,
    options: TrainingOptions,
    seed: int,
    directory: Path,
    device: str = "cpu",
    fingerprint: str = "",
) -> ScratchModel:
    """Train a MACE model with random first weights on ``frames``.

    Parameters
    ----------
    frames
        Labelled frames.
    architecture
        Shape of the model.
    options
        Settings.
    seed
        Seed of weights and shuffling.
    directory
        Folder of the run. What a killed run with the same settings left there is taken up.
    device
        torch device.
    fingerprint
        Hash of the dataset.

    Raises
    ------
    DatasetError
        If there are too few frames, elements in validation or test that are not in training, or broken labels.
    FinetuningError
        If training fails, or ran with other settings, or on another architecture, than asked.
    RunFolderError
        If ``directory`` cannot be written to, or another process trains in it.
    """
    check_frames(frames, options.batch_size)
    key = run_key(options.model_dump(), architecture.model_dump(), seed, fingerprint)

    def write_all() -> dict[str, Any]:
        write_frames(directory, train=frames.train, valid=frames.valid)
        return {"e0s": asdict(scratch_e0s(frames, options))}

    with own_folder(directory):
        e0s = ReferenceEnergies(**make_once(directory, key, write_all)["e0s"])
        trained = train(
            scratch_arguments(architecture, options, e0s, seed=seed, device=device),
            common_settings(options, heads=[SCRATCH_HEAD], n_train=len(frames.train), r_max_ang=architecture.r_max_ang),
            target_head=SCRATCH_HEAD,
            directory=directory,
            key=key,
        )
    packed = PackedModel.from_module(trained.module)
    asked = asked_architecture(architecture)
    used = {name: packed.architecture.get(name) for name in asked}
    compare_settings(asked, used)
    record = trained.record.model_copy(
        update={"asked": trained.record.asked | asked, "effective": trained.record.effective | used}
    )
    return ScratchModel(model=packed, training=record, e0s=e0s, module=trained.module)


def scratch_e0s(frames: Frames, options: TrainingOptions) -> ReferenceEnergies:
    """E0s as given, else those that best explain the energies of the training frames.

    Raises
    ------
    FinetuningError
        If E0s are given, and cannot be those of the labels.
    """
    if options.isolated_atom_energies_ev is not None:
        chosen = chosen_e0s(frames.train, options.isolated_atom_energies_ev)
        return ReferenceEnergies(chosen, chosen, composition_rank(frames.train), source="given")
    energies = np.array([float(atoms.info["REF_energy"]) for atoms in frames.train])
    found, rank = least_squares_per_atom(frames.train, energies)
    return ReferenceEnergies(found, found, rank)


def scratch_arguments(
    architecture: MaceArchitecture, options: TrainingOptions, e0s: ReferenceEnergies, *, seed: int, device: str
) -> dict[str, object]:
    """Command line of ``mace_run_train``; paths are relative to the run's folder."""
    return {
        **common_arguments(options, name="scratch", seed=seed, device=device),
        "train_file": "train.xyz",
        "valid_file": "valid.xyz",
        "E0s": as_mace_argument(e0s.e0s_ev),
        "model": "ScaleShiftMACE",
        "num_channels": architecture.n_channels,
        "max_L": architecture.max_l,
        "num_interactions": architecture.n_layers,
        "correlation": architecture.correlation,
        "max_ell": architecture.max_ell,
        "r_max": architecture.r_max_ang,
        "num_radial_basis": architecture.n_radial,
        "radial_MLP": str(list(architecture.radial_widths)),
    }


def asked_architecture(architecture: MaceArchitecture) -> dict[str, Any]:
    """What the trained model must turn out to be, by the keys of its stored architecture."""
    return {
        "hidden_irreps": architecture.hidden_irreps,
        "num_interactions": architecture.n_layers,
        "correlation": architecture.correlation,
        "max_ell": architecture.max_ell,
        "num_bessel": architecture.n_radial,
        "radial_MLP": list(architecture.radial_widths),
    }
