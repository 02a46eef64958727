"""What a molecular-dynamics run does, independent of the engine that does it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.records import Record


class Thermostat(StrEnum):
    """How the temperature is held.

    ``BERENDSEN`` is what the published protocol uses; it gives the right mean temperature but too narrow a kinetic
    energy distribution. ``BUSSI`` rescales velocities as gently and samples the canonical ensemble.
    """

    NVE = "nve"
    BERENDSEN = "berendsen"
    BUSSI = "bussi"
    LANGEVIN = "langevin"
    NOSE_HOOVER = "nose-hoover"


class Engine(StrEnum):
    """What integrates the equations of motion.

    ``AUTO`` takes torch-sim where it is installed and pays off, else ASE; see :func:`disolyte.dynamics.choose_engine`.
    """

    AUTO = "auto"
    ASE = "ase"
    TORCH_SIM = "torch-sim"


class MDProtocol(Record):
    """Molecular dynamics of one system at constant cell.

    Velocities are drawn from the Maxwell–Boltzmann distribution, scaled to the temperature; the centre of mass rests.
    Systems that share a seed share their random numbers: give each its own.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")

    temperature_k: float = Field(gt=0, description="Target temperature; that of the first velocities for NVE.")
    n_steps: int = Field(gt=0, description="Number of time steps.")
    time_step_fs: float = Field(
        default=1.0, gt=0, le=10.0, description="Time step. Lattice vibrations need about twenty steps a period."
    )
    thermostat: Thermostat = Field(default=Thermostat.BERENDSEN, description="How the temperature is held.")
    thermostat_time_fs: float = Field(
        default=100.0, gt=0, description="Relaxation time of the thermostat; inverse friction for Langevin."
    )
    record_every: int = Field(default=10, gt=0, description="Steps between recorded frames. Step 0 is recorded too.")
    seed: int = Field(default=0, ge=0, description="Seed of velocities and thermostat.")

    @model_validator(mode="after")
    def _relax_slower_than_a_step(self) -> Self:
        if self.thermostat_time_fs < self.time_step_fs:
            raise ValueError(
                f"thermostat_time_fs={self.thermostat_time_fs} is shorter than time_step_fs={self.time_step_fs}; "
                "take 100 time steps or so"
            )
        return self

    @property
    def n_frames(self) -> int:
        """Frames of a completed run."""
        return self.n_steps // self.record_every + 1
