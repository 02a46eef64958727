"""Documents of learning curves."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from disolyte.models.schema import ModelIdentity, QuantityErrors
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.thermodynamics.schema import RankAgreement


class ConvergenceRule(Record):
    """When a number of training frames is enough.

    A size is converged if, from it on, no doubling of the training frames lowers the RMSE of energy, forces or stress
    on the fixed test set by more than ``largest_gain_per_doubling``, the standard error over seeds included; and if,
    where they are known, the ranking of structures by their energy above the hull and the diffusivity at this and all
    larger sizes agree with those at the largest size. The largest size itself never is: nothing is known beyond it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    largest_gain_per_doubling: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="Largest share of an RMSE that a doubling of the frames may still take off.",
    )
    smallest_kendall_tau: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description="Smallest rank correlation of energies above the hull with the largest size.",
    )
    largest_diffusivity_ratio: float = Field(
        default=1.5, gt=1, description="Largest ratio, either way, of the diffusivity to that at the largest size."
    )


class LearningPoint(Record):
    """One training on a subset of the training frames."""

    n_train: int = Field(description="Number of training frames.")
    seed: int = Field(description="Seed of the subset and of the training.")
    model: ModelIdentity = Field(description="The trained model.")
    model_uuid: str = Field(description="uuid of its document.")
    errors: QuantityErrors = Field(description="Errors on the fixed test set.")
    n_epochs: int = Field(description="Epochs trained.")
    wall_time_s: float = Field(description="Wall time of the training.")
    hull: RankAgreement | None = Field(
        default=None,
        description="Agreement of energies above the hull with the largest size of the same seed; None if not asked "
        "for, and for the largest size itself.",
    )
    diffusivity_cm2_per_s: float | None = Field(default=None, description="Tracer diffusivity; None if not asked for.")


class SeedSpread(Record):
    """A quantity over seeds."""

    model_config = ConfigDict(frozen=True)

    mean: float = Field(description="Mean over seeds.")
    std: float | None = Field(description="Standard deviation over seeds; None for a single seed.")
    n_seeds: int = Field(description="Number of seeds.")

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None for a single seed."""
        return None if self.std is None else self.std / self.n_seeds**0.5


class LearningLevel(Record):
    """All trainings on subsets of one size."""

    n_train: int = Field(description="Number of training frames.")
    energy_rmse_ev_per_atom: SeedSpread = Field(description="RMSE of the energy, eV/atom.")
    force_rmse_ev_per_ang: SeedSpread = Field(description="RMSE over force components, eV/Å.")
    stress_rmse_ev_per_ang3: SeedSpread | None = Field(description="RMSE over stress components, eV/Å³.")
    kendall_tau: SeedSpread | None = Field(
        default=None, description="Rank correlation of energies above the hull with the largest size."
    )
    ground_states_kept: SeedSpread | None = Field(
        default=None, description="Share of compositions whose lowest structure is that at the largest size."
    )
    diffusivity_cm2_per_s: SeedSpread | None = Field(default=None, description="Tracer diffusivity.")


class DoublingGain(Record):
    """What more frames gave: the share of an RMSE that a doubling takes off between two sizes, if it went on evenly.

    From RMSEs r at sizes n: 1 - (r_next / r) ** (1 / log2(n_next / n)). Negative where the error grew.
    """

    n_train: int = Field(description="The smaller size.")
    n_train_next: int = Field(description="The next larger size.")
    energy: float = Field(description="Gain in the RMSE of the energy.")
    energy_standard_error: float | None = Field(description="Its standard error over seeds; None for a single seed.")
    force: float = Field(description="Gain in the RMSE of the forces.")
    force_standard_error: float | None = Field(description="Its standard error over seeds; None for a single seed.")
    stress: float | None = Field(description="Gain in the RMSE of the stress.")
    stress_standard_error: float | None = Field(description="Its standard error over seeds; None for a single seed.")


class Convergence(Record):
    """Verdict on a learning curve."""

    converged: bool = Field(description="Whether a size that was tried is enough, by the rule.")
    n_train: int | None = Field(description="The smallest such size.")
    reason: str = Field(description="The values that decided, and the limits.")
    rule: ConvergenceRule = Field(description="The rule.")


class LearningCurveDoc(StageDoc):
    """Errors on a fixed test set against the number of training frames, with their spread over seeds."""

    points: list[LearningPoint] = Field(description="One for each training, by size and seed.")
    levels: list[LearningLevel] = Field(description="One for each size, ascending.")
    gains: list[DoublingGain] = Field(description="One for each pair of neighbouring sizes.")
    convergence: Convergence = Field(description="Whether more frames would still help.")
    foundation: ModelIdentity | None = Field(description="Model that was fine-tuned; None for training from scratch.")
    n_test: int = Field(description="Frames of the fixed test set.")
    dataset_sha256: str = Field(description="Hash of the dataset.")
    label_method: str = Field(description="What made the labels.")
    is_surrogate: bool = Field(description="Whether the labels come from a surrogate and not from DFT.")
    diffusion_temperature_k: float | None = Field(default=None, description="Temperature of the diffusivities.")

    @property
    def trainer(self) -> str:
        """What was done at each point, for titles."""
        return "trained from scratch" if self.foundation is None else f"{self.foundation.name} fine-tuned"
