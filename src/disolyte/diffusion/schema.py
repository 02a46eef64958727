"""Documents of the diffusion stage."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Self

import numpy as np
from monty.json import MontyEncoder
from numpy.typing import NDArray
from pydantic import Field
from pymatgen.core import Structure

from disolyte.blobs import Blob
from disolyte.diffusion.arrhenius import ArrheniusFit
from disolyte.diffusion.composition import FitBasis
from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.hopping import Concert, JumpRate, Passage, Residence
from disolyte.diffusion.schedule import MDSchedule, MobileIon
from disolyte.diffusion.transport import Interval, MsdCurves, TransportCoefficients
from disolyte.dynamics.watchdog import Verdict as RunVerdict
from disolyte.models.schema import ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.systems.schema import GridPoint


class RunRecord(Record):
    """How one MD run went."""

    temperature_k: float = Field(description="Target temperature.")
    seed: int = Field(description="Seed of velocities and thermostat.")
    verdict: RunVerdict = Field(description="How it ended.")
    engine: str = Field(description="What integrated it.")
    n_steps: int = Field(description="Steps asked for, in all segments.")
    n_segments: int = Field(default=1, description="Pieces that the run was made in, to meet a target.")
    time_step_fs: float = Field(description="Time step.")
    frame_interval_fs: float = Field(description="Time between frames.")
    discarded_ps: float = Field(description="Thrown away at the beginning.")
    n_frames: int = Field(description="Frames kept.")
    mean_temperature_k: float | None = Field(description="Mean temperature of the frames kept.")
    energy_drift_ev_per_atom_per_ps: float | None = Field(
        description="Slope of the potential energy of the frames kept."
    )
    wall_s: float = Field(description="Wall time.")


class RunFrames(Record):
    """One MD run with the frames that were kept of it."""

    record: RunRecord = Field(description="How it went.")
    positions_ang: Blob = Field(
        description="float32 (n_frames, n_atoms, 3): unwrapped positions, equilibration cut off."
    )


class Simulated(Record):
    """What was simulated."""

    point: GridPoint | None = Field(description="Composition, if it is on a grid.")
    formula: str = Field(description="Formula of the structure, or of the grid point.")
    phase: str = Field(default="", description="What tells it from other phases of its formula, if the user said so.")

    @property
    def label(self) -> str:
        """Phase and formula."""
        return " ".join(filter(None, [self.phase, self.formula]))


class DiffusionMDDoc(StageDoc, Simulated):
    """MD of one composition at all temperatures, compact: all that the analysis needs."""

    supercell: Structure = Field(description="Simulated cell, atoms in the order of the frames.")
    supercell_size: tuple[int, int, int] = Field(description="Repeats of the structure handed in.")
    mobile: MobileIon = Field(description="The mobile ion.")
    schedule: MDSchedule = Field(description="How the runs were made.")
    runs: list[RunFrames] = Field(description="All runs, by temperature and seed.")
    model: ModelIdentity = Field(description="Model behind the forces.")


class CurveData(Record):
    """Mean squared displacements for figures."""

    tracer: Blob = Field(description="float64 (3, n_lags): lag in fs, MSD of the ions, MSD of their sum per ion; Å².")
    framework: Blob = Field(description="float64 (1 + n_elements, n_lags): lag in fs, MSD of each element; Å².")
    elements: list[str] = Field(description="Elements of the framework, in the order of the rows.")

    @classmethod
    def from_curves(cls, curves: MsdCurves) -> Self:
        """Pack curves."""
        elements = list(curves.framework_ang2)
        return cls(
            tracer=Blob.from_array(np.stack([curves.lag_fs, curves.tracer_ang2, curves.collective_ang2])),
            framework=Blob.from_array(
                np.stack([curves.framework_lag_fs, *(curves.framework_ang2[element] for element in elements)])
            ),
            elements=elements,
        )

    def to_curves(self) -> MsdCurves:
        """Unpack; the payload must have been loaded."""
        lag, tracer, collective = self.tracer.to_array()
        framework: list[NDArray[np.float64]] = list(self.framework.to_array())
        return MsdCurves(lag, tracer, collective, framework[0], dict(zip(self.elements, framework[1:], strict=True)))


class DiffusionDoc(StageDoc, Simulated, TransportCoefficients):
    """Diffusion of one composition at one temperature."""

    supercell_size: tuple[int, int, int] = Field(description="Repeats of the structure handed in.")
    md_runs: list[RunRecord] = Field(description="MD runs at this temperature.")
    exclusion: str | None = Field(description="Why it must stay out of every fit; None if it may be used.")
    is_in_fit: bool = Field(description="Whether it is a point of the Arrhenius line.")
    curves: CurveData = Field(description="Mean squared displacements.")
    model: ModelIdentity = Field(description="Model behind the forces.")


class ArrheniusLine(Record):
    """The Arrhenius line of a composition, as :class:`~disolyte.diffusion.ArrheniusFit`."""

    activation_energy_ev: float = Field(description="Activation energy of the diffusivity.")
    activation_energy_std_ev: float = Field(description="Standard error, from the errors of the diffusivities.")
    prefactor_cm2_per_s: float = Field(description="D0.")
    prefactor_ci95_cm2_per_s: Interval = Field(description="95 % interval.")
    covariance: list[list[float]] = Field(description="Of (ln D0, E_a); dimensionless, eV and eV².")
    chi2: float = Field(description="Weighted scatter about the line.")
    n_points: int = Field(description="Temperatures in the fit.")
    scatter_factor: float = Field(description="What the errors were multiplied by; 1 if the scatter is chance.")
    plain_activation_energy_ev: float = Field(description="Unweighted fit, as published.")
    plain_activation_energy_std_ev: float = Field(description="Standard deviation of that fit, as published.")
    temperature_range_k: Interval = Field(description="Lowest and highest temperature of the fit.")
    basis: FitBasis = Field(description="Worst kind of point in the fit: converged, estimates or limits.")

    @classmethod
    def from_fit(cls, fit: ArrheniusFit, basis: FitBasis) -> Self:
        """Keep a fit."""
        fields = {name: getattr(fit, name) for name in cls.model_fields if name not in {"covariance", "basis"}}
        return cls(**fields, covariance=fit.covariance.tolist(), basis=basis)

    def to_fit(self) -> ArrheniusFit:
        """The fit, for extrapolation and figures."""
        fields = {name: getattr(self, name) for name in type(self).model_fields if name not in {"covariance", "basis"}}
        return ArrheniusFit(**fields, covariance=np.array(self.covariance))


class SiteRecord(Record):
    """One site of the mobile ion in the host's cell."""

    label: str = Field(description="Wyckoff position of the host, or 'interstitial'.")
    fractional: tuple[float, float, float] = Field(description="Maximum of the density, fractional coordinates.")
    occupancy: float = Field(description="Mean number of ions in the basin.")


class PathRecord(Record):
    """Best percolating path along one axis."""

    axis: str = Field(description="a, b or c.")
    labels: list[str] = Field(description="Sites on the path; the last is the first in another cell.")
    sites: list[int] = Field(description="Their numbers in the list of sites.")
    winding: tuple[int, int, int] = Field(description="Cells that it crosses until it repeats.")
    barrier_ev: float = Field(description="Free energy of the bottleneck above the deepest site.")
    barrier_std_ev: float | None = Field(
        description="Standard error; None if a block of time missed the bottleneck, so that the barrier is a guess."
    )


class TemperatureMechanism(Record):
    """How the ions move at one temperature."""

    temperature_k: float = Field(description="Temperature.")
    n_ions: int = Field(description="Mobile ions in all runs.")
    time_ps: float = Field(description="Length of a run, equilibration cut off.")
    lattice_ang: list[list[float]] = Field(description="Host's cell as simulated; rows are its vectors.")
    density: Blob = Field(description="float32 (n_a, n_b, n_c): density of the mobile ions on the host's cell, Å⁻³.")
    share_above_isosurface: float = Field(description="Share of the volume with more than 1e-4 Å⁻³.")
    sites: list[SiteRecord] = Field(description="Sites that are used.")
    unvisited: list[str] = Field(description="Positions of the host on which no maximum lies.")
    rates: list[JumpRate] = Field(description="Jump matrix between labels.")
    residences: list[Residence] = Field(description="Stays on each kind of site.")
    concert: Concert = Field(description="Jumps close in time and space.")
    hub: str | None = Field(description="Kind of site between whose visits ways are counted.")
    passages: list[Passage] = Field(description="Intraplane and interplane ways with their shares.")
    paths: list[PathRecord] = Field(description="Percolating path along each axis that has one.")
    rdf: Blob = Field(description="float64 (1 + n_elements, n_bins): distance in Å, g(r) from the mobile ion to each.")
    rdf_elements: list[str] = Field(description="Elements, in the order of the rows.")


class MechanismDoc(StageDoc, Simulated):
    """How the mobile ion moves through one composition."""

    mobile: MobileIon = Field(description="The mobile ion.")
    host: Structure = Field(description="Host whose Wyckoff positions name the sites.")
    temperatures: list[TemperatureMechanism] = Field(description="By temperature.")
    left_out: list[str] = Field(description="Temperatures without an analysis, with the reason.")
    model: ModelIdentity = Field(description="Model behind the forces.")

    def at(self, temperature_k: float) -> TemperatureMechanism | None:
        """One temperature; None if it is not there."""
        return next((one for one in self.temperatures if abs(one.temperature_k - temperature_k) < 0.5), None)


class ConductivitySource(StrEnum):
    """Where a conductivity comes from."""

    SIMULATED = "simulated"
    INTERPOLATED = "interpolated on the Arrhenius line"
    EXTRAPOLATED = "extrapolated on the Arrhenius line"


class ConductivityRow(Record):
    """Conductivity at one temperature."""

    temperature_k: float = Field(description="Temperature.")
    conductivity_s_per_cm: float = Field(description="Nernst-Einstein conductivity, Haven ratio 1.")
    conductivity_ci95_s_per_cm: Interval = Field(description="95 % interval.")
    source: ConductivitySource = Field(description="Simulated, or read off the Arrhenius line.")
    verdict: Verdict = Field(description="That of the temperature, or of the line.")
    reach: float = Field(description="How far outside the fit, in multiples of its range of 1/T.")


class TransportDoc(StageDoc, Simulated):
    """Ion transport of one composition: Arrhenius line and conductivities."""

    mobile: MobileIon = Field(description="The mobile ion.")
    verdict: Verdict = Field(description="On the Arrhenius line: converged, upper_limit or unreliable.")
    reasons: list[str] = Field(description="What speaks against 'converged', and temperatures left out.")
    runs: list[DiffusionDoc] = Field(description="All temperatures.")
    arrhenius: ArrheniusLine | None = Field(description="Arrhenius line; None for fewer than two usable temperatures.")
    conductivities: list[ConductivityRow] = Field(description="Simulated and extrapolated conductivities.")
    reference_conductivity: ConductivityRow | None = Field(
        description="At the temperature that compositions are compared at."
    )
    model: ModelIdentity = Field(description="Model behind the forces.")
    schedule: MDSchedule = Field(description="How the runs were made.")

    @property
    def activation_energy_ev(self) -> float | None:
        """Activation energy, if there is a line."""
        return None if self.arrhenius is None else self.arrhenius.activation_energy_ev

    @property
    def activation_energy_std_ev(self) -> float | None:
        """Its standard error."""
        return None if self.arrhenius is None else self.arrhenius.activation_energy_std_ev

    def run_at(self, temperature_k: float) -> DiffusionDoc | None:
        """Document of one temperature; None if it was not simulated."""
        return next((run for run in self.runs if abs(run.temperature_k - temperature_k) < 0.5), None)

    def content_sha256(self) -> str:
        """Hash of all fields but ``uuid`` and ``provenance``, those of the temperatures too."""
        inner = {"__all__": {"uuid", "provenance"}}
        content = self.model_dump(exclude={"uuid": True, "provenance": True, "runs": inner})
        return hashlib.sha256(json.dumps(content, cls=MontyEncoder, sort_keys=True).encode()).hexdigest()
