"""Settings of fine-tuning, grouped; the defaults are those of the published protocol where it states them."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from disolyte.records import Record

TARGET_HEAD = "target"
"""Head that learns the dataset's labels."""
REPLAY_HEAD = "pt_head"
"""Head that keeps what the foundation knew; mace demands this name."""


class FinetuneOptions(Record):
    """How to train.

    Examples
    --------
    >>> FinetuneOptions().patience
    20
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_num_epochs: int = Field(default=500, ge=1, description="Largest number of epochs.")
    patience: int = Field(default=20, ge=1, description="Epochs without a better validation loss after which to stop.")
    lr: float = Field(default=0.01, gt=0, description="Learning rate at the start.")
    scheduler_patience: int = Field(
        default=6, ge=1, description="Epochs without a better validation loss after which the rate falls; < patience."
    )
    lr_factor: float = Field(default=0.8, gt=0, lt=1, description="Factor by which the rate falls.")
    batch_size: int = Field(default=10, ge=1, description="Frames in one step.")
    ema_decay: float = Field(default=0.99, gt=0, lt=1, description="Decay of the running average of the weights.")
    energy_weight: float = Field(default=1.0, ge=0, description="Weight of the energy per atom in the loss.")
    forces_weight: float = Field(default=10.0, ge=0, description="Weight of the forces in the loss.")
    stress_weight: float = Field(default=10.0, ge=0, description="Weight of the stress in the loss.")
    dtype: Literal["float32", "float64"] = Field(default="float64", description="Precision to train in.")
    isolated_atom_energies_ev: dict[str, float] | None = Field(
        default=None,
        description="E0 of each element, eV. None: least squares on labels minus the foundation's energies.",
    )


class ReplayOptions(Record):
    """Frames that keep the foundation from forgetting: distorted training frames with the foundation's own labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_frames: int = Field(default=200, description="Number of frames; one in ten is for validation. 0 is refused.")
    rattle_ang: float = Field(default=0.1, ge=0, description="Standard deviation of each displacement, Å.")
    strain: float = Field(default=0.03, ge=0, lt=0.5, description="Largest component of the random strain.")
