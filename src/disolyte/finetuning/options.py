"""Settings of training, grouped; the defaults are those of the published protocol where it states them."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.errors import InputError
from disolyte.records import Record

TARGET_HEAD = "target"
"""Head that learns the dataset's labels."""
REPLAY_HEAD = "pt_head"
"""Head that keeps what the foundation knew; mace demands this name."""
LARGEST_SEED: Final = 2**32 - 1
"""Largest seed that NumPy's old generator, which mace seeds, takes."""


def check_seed(seed: int) -> None:
    """Refuse a seed that cannot be used, before any job exists.

    Raises
    ------
    InputError
        If it is no whole number from 0 to :data:`LARGEST_SEED`.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"seed={seed!r} must be a whole number from 0 to {LARGEST_SEED}")


class TrainingOptions(Record):
    """How to train.

    Examples
    --------
    >>> TrainingOptions().patience
    20
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    max_num_epochs: int = Field(default=500, ge=1, description="Largest number of epochs.")
    patience: int = Field(default=20, ge=1, description="Epochs without a better validation loss after which to stop.")
    lr: float = Field(default=0.01, gt=0, le=1, description="Learning rate at the start.")
    scheduler_patience: int = Field(
        default=6, ge=1, description="Epochs without a better validation loss after which the rate falls; < patience."
    )
    lr_factor: float = Field(default=0.8, gt=0, lt=1, description="Factor by which the rate falls.")
    batch_size: int = Field(default=10, ge=1, description="Frames in one step.")
    ema_decay: float = Field(default=0.99, gt=0, lt=1, description="Decay of the running average of the weights.")
    energy_weight: float = Field(default=1.0, ge=0, le=1e6, description="Weight of the energy per atom in the loss.")
    forces_weight: float = Field(default=10.0, ge=0, le=1e6, description="Weight of the forces in the loss.")
    stress_weight: float = Field(default=10.0, ge=0, le=1e6, description="Weight of the stress in the loss.")
    dtype: Literal["float32", "float64"] = Field(default="float64", description="Precision to train in.")
    isolated_atom_energies_ev: dict[str, float] | None = Field(
        default=None,
        description="E0 of each element, eV. None: least squares on the labels; in fine-tuning, on what the labels "
        "differ from the foundation's energies by.",
    )

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if self.scheduler_patience >= self.patience:
            raise ValueError(
                f"scheduler_patience={self.scheduler_patience} must be less than patience={self.patience}, or training "
                "stops before the rate falls for the first time; lower scheduler_patience, or raise patience"
            )
        if not any((self.energy_weight, self.forces_weight, self.stress_weight)):
            raise ValueError(
                "energy_weight, forces_weight and stress_weight are all 0: nothing would be learnt; give one of them "
                "a positive value"
            )
        return self


class FinetuneOptions(TrainingOptions):
    """How to fine-tune."""

    checks_labels: bool = Field(
        default=True,
        description="Whether labels are refused whose sign, unit or frames seem wrong to the foundation.",
    )


class ReplayOptions(Record):
    """Frames that keep the foundation from forgetting: distorted training frames with the foundation's own labels."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_frames: int = Field(default=200, description="Number of frames; one in ten is for validation. 0 is refused.")
    rattle_ang: float = Field(default=0.1, ge=0, le=1, description="Standard deviation of each displacement, Å.")
    strain: float = Field(default=0.03, ge=0, lt=0.5, description="Largest component of the random strain.")


class MaceArchitecture(Record):
    """Shape of a MACE model trained from scratch.

    The defaults are those of the published comparison, close to MACE-MP-0a medium: 128 channels of scalars and as many
    of vectors, two layers, correlation order 3, 5 Å. What it does not state is left at mace's defaults.

    Examples
    --------
    >>> MaceArchitecture().hidden_irreps
    '128x0e+128x1o'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_channels: int = Field(default=128, ge=1, description="Channels of each hidden irrep.")
    max_l: int = Field(default=1, ge=0, le=3, description="Largest degree of the hidden irreps: 0 scalars, 1 vectors.")
    n_layers: int = Field(default=2, ge=1, description="Layers of message passing.")
    correlation: int = Field(default=3, ge=1, le=4, description="Correlation order: body order less 1.")
    max_ell: int = Field(default=3, ge=0, description="Largest degree of the spherical harmonics of the edges.")
    r_max_ang: float = Field(default=5.0, gt=0, description="Cutoff, Å.")
    n_radial: int = Field(default=8, ge=1, description="Bessel functions of the distance.")
    radial_widths: tuple[int, ...] = Field(default=(64, 64, 64), description="Layers of the radial network.")

    @property
    def hidden_irreps(self) -> str:
        """Hidden irreps as e3nn writes them."""
        return "+".join(f"{self.n_channels}x{degree}{'oe'[degree % 2 == 0]}" for degree in range(self.max_l + 1))
