"""The recipe of the small reference model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms
from ase.io import read, write

from disolyte.finetuning.metrics import compare, quantity_errors
from disolyte.finetuning.process import run_training
from disolyte.finetuning.reference.active import dynamics_frames
from disolyte.finetuning.reference.card import write_card
from disolyte.finetuning.reference.labels import label_with_chgnet
from disolyte.finetuning.reference.structures import training_structures
from disolyte.finetuning.reference_energies import as_mace_argument, least_squares_per_atom
from disolyte.models.loaded import LoadedModel
from disolyte.models.schema import PackedModel
from disolyte.models.sources import SHIPPED

logger = logging.getLogger(__name__)

FORCE_LIMIT_EV_PER_ANG: Final = 20.0
"""Frames with a larger force component are left out."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides on the weights. Seeds are fixed: on one machine the result is the same."""

    seed: int = 1
    n_distorted: int = 500
    """Rattled and strained orderings."""
    first_epochs: int = 25
    """Epochs of the model that makes the dynamics frames."""
    n_cells: int = 24
    """Cells of the dynamics round; the frames of the last sixth of them are never trained on."""
    n_steps: int = 720
    sample_every: int = 40
    epochs: int = 40
    n_valid: int = 40
    """Validation frames of each kind."""
    channels: int = 16
    max_ell: int = 2
    correlation: int = 3
    r_max_ang: float = 5.0
    batch_size: int = 8
    lr: float = 0.01


def train_reference_model(recipe: Recipe, *, work: Path, out: Path) -> PackedModel:
    """Make data, train twice, and write the model and its card to ``out``.

    Steps that are already done in ``work`` are not repeated.
    """
    work.mkdir(parents=True, exist_ok=True)
    distorted = _labelled(work / "distorted.xyz", lambda: _distorted(recipe))
    n_held = recipe.n_valid
    dynamics = _labelled(
        work / "dynamics.xyz",
        lambda: _dynamics(
            recipe,
            _train(recipe, distorted[2 * n_held :], distorted[:n_held], recipe.first_epochs, work.resolve() / "first"),
        ),
    )
    held_cells = recipe.n_cells - recipe.n_cells // 6
    seen = [atoms for atoms in dynamics if atoms.info["cell_index"] < held_cells]
    order = np.random.default_rng(recipe.seed).permutation(len(seen))
    seen = [seen[i] for i in order]
    model = _train(
        recipe,
        distorted[2 * n_held :] + seen[n_held:],
        distorted[:n_held] + seen[:n_held],
        recipe.epochs,
        work.resolve() / "second",
    )
    tests = {
        "distorted orderings": distorted[n_held : 2 * n_held],
        "dynamics at 600-1300 K": [atoms for atoms in dynamics if atoms.info["cell_index"] >= held_cells],
    }
    errors = {name: quantity_errors(compare(model, frames)) for name, frames in tests.items()}
    packed = PackedModel.from_module(model.module)
    out.mkdir(parents=True, exist_ok=True)
    packed.write(out / f"{SHIPPED}.npz")
    n_train = len(distorted) - 2 * n_held + len(seen) - n_held
    (out / f"{SHIPPED}.md").write_text(
        write_card(packed, errors, recipe=asdict(recipe), n_train=n_train), encoding="utf-8"
    )
    logger.info("written to %s, SHA-256 %s", out, packed.sha256)
    return packed


def _labelled(path: Path, make: Callable[[], list[Atoms]]) -> list[Atoms]:
    """Frames in ``path``, made and labelled first if it is not there."""
    if not path.is_file():
        frames = make()
        logger.info("labelling %d frames for %s", len(frames), path.name)
        labelled = label_with_chgnet(frames)
        for atoms, source in zip(labelled, frames, strict=True):
            atoms.info.update(source.info)
        labelled = [atoms for atoms in labelled if np.abs(atoms.arrays["REF_forces"]).max() < FORCE_LIMIT_EV_PER_ANG]
        write(path.with_suffix(".part"), labelled, format="extxyz")
        path.with_suffix(".part").replace(path)
    return list(read(path, index=":", format="extxyz"))


def _distorted(recipe: Recipe) -> list[Atoms]:
    return training_structures(recipe.n_distorted, np.random.default_rng(recipe.seed))


def _dynamics(recipe: Recipe, model: LoadedModel) -> list[Atoms]:
    rng = np.random.default_rng(recipe.seed + 1)
    frames, n_lost = dynamics_frames(model, recipe.n_cells, recipe.n_steps, recipe.sample_every, rng)
    logger.info("%d frames of dynamics; %d of %d cells left physics", len(frames), n_lost, recipe.n_cells)
    return frames


def _train(recipe: Recipe, train: list[Atoms], valid: list[Atoms], epochs: int, directory: Path) -> LoadedModel:
    import mace  # noqa: F401  before e3nn, which fails on torch >= 2.6 otherwise
    import torch

    directory.mkdir(parents=True, exist_ok=True)
    write(directory / "train.xyz", train, format="extxyz")
    write(directory / "valid.xyz", valid, format="extxyz")
    e0s, _ = least_squares_per_atom(train, np.array([atoms.info["REF_energy"] for atoms in train]))
    arguments: dict[str, object] = {
        "name": "model", "seed": recipe.seed, "device": "cpu", "default_dtype": "float32",
        "train_file": "train.xyz", "valid_file": "valid.xyz", "E0s": as_mace_argument(e0s),
        "energy_key": "REF_energy", "forces_key": "REF_forces", "stress_key": "REF_stress",
        "model": "ScaleShiftMACE", "num_channels": recipe.channels, "hidden_irreps": f"{recipe.channels}x0e",
        "max_L": 0, "max_ell": recipe.max_ell, "correlation": recipe.correlation, "num_interactions": 2,
        "r_max": recipe.r_max_ang, "MLP_irreps": "16x0e", "radial_MLP": "[32,32,32]",
        "loss": "universal", "energy_weight": 2, "forces_weight": 10, "stress_weight": 10, "compute_stress": True,
        "batch_size": recipe.batch_size, "valid_batch_size": 20, "max_num_epochs": epochs, "patience": epochs,
        "lr": recipe.lr, "scheduler_patience": 3, "lr_factor": 0.5, "ema": None, "ema_decay": 0.99, "plot": False,
    }  # fmt: skip
    finished = run_training(arguments, target_head="Default", directory=directory)
    packed = PackedModel.from_module(torch.load(finished.model_path, map_location="cpu", weights_only=False))
    return LoadedModel(packed.to_module(), name=SHIPPED, sha256=packed.sha256)
