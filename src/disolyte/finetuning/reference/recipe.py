"""The recipes of the reference models that are shipped."""

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
from disolyte.finetuning.reference.orderings import Orderings, SystemOrderings
from disolyte.finetuning.reference.structures import HalideOrderings, training_structures
from disolyte.finetuning.reference.trials import run_trials
from disolyte.finetuning.reference_energies import as_mace_argument, least_squares_per_atom
from disolyte.models.loaded import LoadedModel
from disolyte.models.schema import PackedModel, QuantityErrors
from disolyte.models.sources import BROAD, SHIPPED

logger = logging.getLogger(__name__)

FORCE_LIMIT_EV_PER_ANG: Final = 20.0
"""Frames with a larger force component are left out."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides on the weights. Seeds are fixed: on one machine the result is the same."""

    name: str
    systems: tuple[str, ...] = ()
    """Systems that cells are drawn from in turn; none for the C2/m Li3MX6 halides of the small model."""
    seed: int = 1
    n_distorted: int = 500
    """Rattled and strained orderings."""
    rattles_ang: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.3)
    """Standard deviations of their displacements."""
    round_epochs: tuple[int, ...] = (25,)
    """Epochs of the models that make the dynamics frames, one model for each round."""
    n_cells: int = 24
    """Cells of each round; the frames of the last sixth of them are never trained on."""
    n_quench: int = 0
    """Steps of descent before the dynamics."""
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
    round_lr_decay: float | None = None
    lr_decay: float | None = None
    """Factor on the rate after each epoch, in the rounds and in the end; None halves it after three without gain."""
    energy_weight: float = 2.0
    """Weight of energies; that of forces and stresses is 10."""

    def orderings(self) -> Orderings:
        """What cells are drawn from."""
        return SystemOrderings(self.systems) if self.systems else HalideOrderings()


_TURN: Final = (
    "nasicon", "lpsgo", "liybc", "nasicon", "lpsgo", "argyrodite", "li3ps4-beta",
    "nasicon", "lpsgo", "liybc", "li4geo4-cmcm", "li3ps4-alpha", "argyrodite", "li3ps4-gamma",
)  # fmt: skip

RECIPES: Final = {
    "small": Recipe(name=SHIPPED),
    "broad": Recipe(
        name=BROAD,
        systems=_TURN,
        n_distorted=728,
        rattles_ang=(0.02, 0.04, 0.07, 0.1, 0.15),
        round_epochs=(8, 6),
        n_cells=84,
        n_quench=20,
        n_steps=200,
        sample_every=50,
        epochs=20,
        n_valid=42,
        channels=24,
        r_max_ang=4.5,
        round_lr_decay=0.9,
        lr_decay=0.85,
        energy_weight=20.0,
    ),
}
"""Recipes by the name that the command line knows."""


def train_reference_model(recipe: Recipe, *, work: Path, out: Path) -> PackedModel:
    """Make data, train, and write the model and its card to ``out``.

    Steps that are already done in ``work`` are not repeated.
    """
    work.mkdir(parents=True, exist_ok=True)
    distorted = _labelled(work / "distorted.xyz", lambda: _distorted(recipe))
    seen: list[Atoms] = []
    held: list[Atoms] = []
    for number in range(len(recipe.round_epochs)):
        new, kept = _dynamics_round(recipe, number, distorted, seen, work)
        seen = new + seen
        held += kept
    model = _train(recipe, distorted, seen, work.resolve() / "final", epochs=recipe.epochs, decay=recipe.lr_decay)
    tests = {"distorted orderings": distorted[recipe.n_valid : 2 * recipe.n_valid], "dynamics at 600-1300 K": held}
    packed = PackedModel.from_module(model.module)
    trials = run_trials(model, SystemOrderings(recipe.systems), work / "trials") if recipe.systems else None
    out.mkdir(parents=True, exist_ok=True)
    packed.write(out / f"{recipe.name}.npz")
    card = write_card(
        packed,
        {name: quantity for kind, frames in tests.items() for name, quantity in _errors(model, kind, frames).items()},
        name=recipe.name,
        recipe=asdict(recipe),
        n_train=len(distorted) - 2 * recipe.n_valid + max(len(seen) - recipe.n_valid, 0),
        trials=trials,
    )
    (out / f"{recipe.name}.md").write_text(card, encoding="utf-8")
    logger.info("written to %s, SHA-256 %s", out, packed.sha256)
    return packed


def _errors(model: LoadedModel, kind: str, frames: list[Atoms]) -> dict[str, QuantityErrors]:
    """Errors over all ``frames`` of a kind, and over those of each system."""
    parity = compare(model, frames)
    systems = np.array([atoms.info.get("system", "") for atoms in frames])
    errors = {kind: quantity_errors(parity)}
    for system in sorted(set(systems) - {""}):
        errors[f"{kind}: {system}"] = quantity_errors(parity, systems == system)
    return errors


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
    rng = np.random.default_rng(recipe.seed)
    return training_structures(recipe.n_distorted, recipe.orderings(), rng, recipe.rattles_ang)


def _dynamics_round(
    recipe: Recipe, number: int, distorted: list[Atoms], seen: list[Atoms], work: Path
) -> tuple[list[Atoms], list[Atoms]]:
    """Frames to train on, shuffled, and frames for the test, from dynamics with a model of what there is so far."""

    def make() -> list[Atoms]:
        directory = work.resolve() / f"round-{number}"
        model = _train(
            recipe, distorted, seen, directory, epochs=recipe.round_epochs[number], decay=recipe.round_lr_decay
        )
        frames, n_lost = dynamics_frames(
            model,
            recipe.orderings(),
            np.random.default_rng(recipe.seed + 1 + number),
            n_cells=recipe.n_cells,
            n_quench=recipe.n_quench,
            n_steps=recipe.n_steps,
            every=recipe.sample_every,
        )
        logger.info("%d frames of dynamics; %d of %d cells left physics", len(frames), n_lost, recipe.n_cells)
        return frames

    frames = _labelled(work / f"dynamics-{number}.xyz", make)
    first_held = recipe.n_cells - recipe.n_cells // 6
    new = [atoms for atoms in frames if atoms.info["cell_index"] < first_held]
    order = np.random.default_rng(recipe.seed + number).permutation(len(new))
    return [new[i] for i in order], [atoms for atoms in frames if atoms.info["cell_index"] >= first_held]


def _train(
    recipe: Recipe,
    distorted: list[Atoms],
    dynamics: list[Atoms],
    directory: Path,
    *,
    epochs: int,
    decay: float | None,
) -> LoadedModel:
    """Train on all but the validation frames of each kind and the test frames among the distorted ones."""
    import mace  # noqa: F401  before e3nn, which fails on torch >= 2.6 otherwise
    import torch

    n_valid = recipe.n_valid
    train = distorted[2 * n_valid :] + dynamics[n_valid:]
    valid = distorted[:n_valid] + dynamics[:n_valid]
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / "train.xyz", train, format="extxyz")
    write(directory / "valid.xyz", valid, format="extxyz")
    arguments = _training_arguments(recipe, train, epochs=epochs, decay=decay)
    finished = run_training(arguments, target_head="Default", directory=directory)
    packed = PackedModel.from_module(torch.load(finished.model_path, map_location="cpu", weights_only=False))
    return LoadedModel(packed.to_module(), name=recipe.name, sha256=packed.sha256)


def _training_arguments(recipe: Recipe, train: list[Atoms], *, epochs: int, decay: float | None) -> dict[str, object]:
    """Options of ``mace_run_train``."""
    e0s, _ = least_squares_per_atom(train, np.array([atoms.info["REF_energy"] for atoms in train]))
    arguments: dict[str, object] = {
        "name": "model", "seed": recipe.seed, "device": "cpu", "default_dtype": "float32",
        "train_file": "train.xyz", "valid_file": "valid.xyz", "E0s": as_mace_argument(e0s),
        "energy_key": "REF_energy", "forces_key": "REF_forces", "stress_key": "REF_stress",
        "model": "ScaleShiftMACE", "num_channels": recipe.channels, "hidden_irreps": f"{recipe.channels}x0e",
        "max_L": 0, "max_ell": recipe.max_ell, "correlation": recipe.correlation, "num_interactions": 2,
        "r_max": recipe.r_max_ang, "MLP_irreps": "16x0e", "radial_MLP": "[32,32,32]",
        "loss": "universal", "energy_weight": recipe.energy_weight, "forces_weight": 10, "stress_weight": 10,
        "compute_stress": True,
        "batch_size": recipe.batch_size, "valid_batch_size": 20, "max_num_epochs": epochs, "patience": epochs,
        "lr": recipe.lr, "scheduler_patience": 3, "lr_factor": 0.5, "ema": None, "ema_decay": 0.99, "plot": False,
    }  # fmt: skip
    if decay is not None:
        arguments |= {"scheduler": "ExponentialLR", "lr_scheduler_gamma": decay}
    return arguments
