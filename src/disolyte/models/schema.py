"""Documents of trained models: weights as blobs, architecture as JSON, and what is known of their errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field

from disolyte.blobs import Blob
from disolyte.errors import ModelIntegrityError, ModelNotFoundError
from disolyte.models.architecture import build_module, describe_architecture, model_sha256, pack_weights
from disolyte.provenance import StageDoc
from disolyte.records import Record

if TYPE_CHECKING:
    import torch


class ModelIdentity(Record):
    """Name and hash of a model that something was made with."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model.")
    sha256: str = Field(description="SHA-256: of the file of a pickled model, else of architecture and weights.")


class PackedModel(Record):
    """A model without code: architecture in names and numbers, weights in arrays, one hash over both."""

    architecture: dict[str, Any] = Field(description="Arguments of mace.modules.ScaleShiftMACE, as names and numbers.")
    weights: Blob = Field(description="Parameters and buffers, an .npz archive.")
    sha256: str = Field(description="SHA-256 of architecture and weights.")

    @classmethod
    def from_module(cls, module: torch.nn.Module) -> Self:
        """Pack a ScaleShiftMACE."""
        architecture, weights = describe_architecture(module), pack_weights(module)
        return cls(
            architecture=architecture,
            weights=Blob.from_bytes(weights),
            sha256=model_sha256(architecture, weights),
        )

    def to_module(self) -> torch.nn.Module:
        """Rebuild the model on the CPU, in evaluation mode.

        Raises
        ------
        ModelIntegrityError
            If the content does not match its hash.
        """
        return build_module(self.architecture, self.checked_weights())

    def checked_weights(self) -> bytes:
        """Weights, once architecture and weights were compared with the recorded hash.

        Raises
        ------
        ModelIntegrityError
            If they do not match.
        """
        weights = self.weights.to_bytes()
        found = model_sha256(self.architecture, weights)
        if found != self.sha256:
            raise ModelIntegrityError(
                f"the model's content has SHA-256 {found}, recorded is {self.sha256}: it is corrupt"
            )
        return weights

    def write(self, path: Path | str) -> Path:
        """Write ``path`` (weights, ``.npz``) and a ``.json`` of the same name (architecture and hash) beside it."""
        path = Path(path).with_suffix(".npz")
        path.write_bytes(self.weights.to_bytes())
        record = {"sha256": self.sha256, "architecture": self.architecture}
        path.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read what :meth:`write` wrote; the hash is checked by :meth:`to_module`.

        Raises
        ------
        ModelNotFoundError, ModelIntegrityError
            If one of the two files is missing or cannot be read.
        """
        path = Path(path)
        try:
            record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            weights = path.read_bytes()
            return cls(architecture=record["architecture"], weights=Blob.from_bytes(weights), sha256=record["sha256"])
        except FileNotFoundError as error:
            raise ModelNotFoundError(
                f"{error.filename} is missing; a model is two files side by side, {path.name} and {path.stem}.json"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelIntegrityError(f"{path.with_suffix('.json')} does not describe a model: {error}") from error


class QuantityErrors(Record):
    """Errors of a model on labelled frames. A quantity without labels is None."""

    n_frames: int = Field(description="Number of frames.")
    energy_rmse_ev_per_atom: float = Field(description="Root mean square error of the energy, eV/atom.")
    energy_mae_ev_per_atom: float = Field(description="Mean absolute error of the energy, eV/atom.")
    force_rmse_ev_per_ang: float = Field(description="Root mean square error over force components, eV/Å.")
    force_mae_ev_per_ang: float = Field(description="Mean absolute error over force components, eV/Å.")
    stress_rmse_ev_per_ang3: float | None = Field(description="Root mean square error over stress components, eV/Å³.")
    stress_mae_ev_per_ang3: float | None = Field(description="Mean absolute error over stress components, eV/Å³.")
    force_rmse_by_element_ev_per_ang: dict[str, float] = Field(
        default_factory=dict, description="Root mean square error over the force components of each element, eV/Å."
    )


class HeadErrors(Record):
    """Errors of one head of a model on one set of frames, together and per composition."""

    head: str = Field(description="Head of the model.")
    split: str = Field(description="Frames they were taken on: 'test', 'valid', 'replay'.")
    overall: QuantityErrors = Field(description="Over all frames.")
    by_composition: dict[str, QuantityErrors] = Field(default_factory=dict, description="Per composition.")


class EpochRecord(Record):
    """Validation after one epoch of training, per head."""

    epoch: int = Field(description="Number of the epoch, from 0; -1 is before training.")
    loss: dict[str, float] = Field(description="Validation loss of each head.")
    energy_rmse_ev_per_atom: dict[str, float] = Field(
        description="Validation RMSE of the energy of each head, eV/atom."
    )
    force_rmse_ev_per_ang: dict[str, float] = Field(description="Validation RMSE of the forces of each head, eV/Å.")
    stress_rmse_ev_per_ang3: dict[str, float] = Field(
        default_factory=dict, description="Validation RMSE of the stress of each head, eV/Å³."
    )


class ParityData(Record):
    """Reference and predicted values on the test set, for parity plots."""

    energies_ev_per_atom: Blob = Field(description="Reference, prediction; shape (2, n_frames), eV/atom.")
    forces_ev_per_ang: Blob = Field(description="Reference, prediction; shape (2, total atoms, 3), eV/Å, float32.")
    stresses_ev_per_ang3: Blob | None = Field(description="Reference, prediction; shape (2, n_frames, 3, 3), eV/Å³.")
    numbers: Blob = Field(description="Atomic number of each row of the forces, shape (total atoms,).")


class TrainingRecord(Record):
    """How a training run went, and with which settings it really ran."""

    asked: dict[str, Any] = Field(description="Settings that were asked for.")
    effective: dict[str, Any] = Field(description="The same settings as read back from the run.")
    epochs: list[EpochRecord] = Field(description="Validation after each epoch.")
    best_epoch: int = Field(description="Epoch whose weights were kept.")
    stopped_early: bool = Field(description="Whether patience ended the run before the largest number of epochs.")
    wall_time_s: float = Field(description="Wall time of training, of the last process if it was resumed, s.")
    n_resumed: int = Field(default=0, description="How often the run was killed and went on from its checkpoint.")
    warnings: list[str] = Field(default_factory=list, description="What went wrong on the way, and what was done.")


class ModelDoc(StageDoc):
    """A trained model: weights, architecture, training record and errors. It needs no other file to be used."""

    name: str = Field(description="Name of the model.")
    sha256: str = Field(description="SHA-256 of the single-head model, by which other documents name it.")
    single_head: PackedModel = Field(description="The model with its target head alone: what to predict with.")
    multi_head: PackedModel | None = Field(default=None, description="The model with all its heads, as trained.")
    head: str = Field(description="Target head: the one in single_head.")
    heads: list[str] = Field(description="All heads, in the order of the model.")
    elements: list[str] = Field(description="Elements that it was made for.")
    r_max_ang: float = Field(description="Cutoff, Å.")
    dtype: str = Field(description="Precision it was trained in.")
    foundation: ModelIdentity | None = Field(default=None, description="Model that training started from.")
    dataset_sha256: str | None = Field(default=None, description="Hash of the dataset it was trained on.")
    label_method: str | None = Field(default=None, description="What made the labels of the dataset.")
    is_surrogate: bool = Field(default=False, description="Whether the labels come from a surrogate and not from DFT.")
    replay_sha256: str | None = Field(default=None, description="Hash of the replay frames labelled by the foundation.")
    training: TrainingRecord | None = Field(default=None, description="Record of the training run.")
    errors: list[HeadErrors] = Field(
        default_factory=list, description="Errors of each head on frames never trained on."
    )
    foundation_errors: list[HeadErrors] = Field(
        default_factory=list,
        description="Errors of the foundation on the same frames, its E0s refitted on the training frames.",
    )
    parity: ParityData | None = Field(default=None, description="Reference and prediction on the test set.")

    @property
    def identity(self) -> ModelIdentity:
        """Name and hash, for documents made with this model."""
        return ModelIdentity(name=self.name, sha256=self.sha256)
