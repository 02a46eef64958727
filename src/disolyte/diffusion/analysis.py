"""From displacements to transport coefficients with a verdict: the one call that ties the pieces together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disolyte import units
from disolyte.diffusion import estimators, gates
from disolyte.diffusion.covariance import WindowOverlaps
from disolyte.diffusion.displacements import Trajectory, check_trajectory
from disolyte.diffusion.gates import Evidence, TrustGates, Verdict
from disolyte.diffusion.moments import Moments, collect_moments
from disolyte.diffusion.regime import Window, choose_window
from disolyte.diffusion.tensor import TensorEstimate, plane_normal
from disolyte.diffusion.transport import DiffusionResult, MsdCurves
from disolyte.errors import TransportError

MAX_HAVEN_SPAN = 2.0
"""A Haven ratio whose interval spans more than this factor is not trusted."""

NAMED_PLANES = {"ab": (0, 0, 1), "ac": (0, 1, 0), "bc": (1, 0, 0)}
"""Planes that are always reported, by their Miller indices."""


@dataclass(frozen=True)
class _Ion:
    """What turns slopes into conductivities."""

    mobile: str
    charge: float
    lattice_ang: NDArray[np.float64]
    temperature_k: float
    n_ions: int
    frame_interval_fs: float

    def diffusivity(self, slope_ang2: float) -> float:
        """Diffusivity in cm²/s from a slope per frame."""
        return slope_ang2 / (6 * self.frame_interval_fs) * units.CM2_PER_S_PER_ANG2_PER_FS

    def conductivity(self, diffusivity_cm2_per_s: float) -> float:
        """Nernst-Einstein conductivity in S/cm."""
        return units.nernst_einstein_s_per_cm(
            diffusivity_cm2_per_s,
            n_ions=self.n_ions,
            charge=self.charge,
            volume_ang3=self.volume_ang3,
            temperature_k=self.temperature_k,
        )

    @property
    def volume_ang3(self) -> float:
        """Volume of the cell."""
        return float(abs(np.linalg.det(self.lattice_ang)))


def analyse_displacements(
    displacements_ang: ArrayLike | Sequence[NDArray[Any]],
    species: Sequence[object],
    lattice_ang: ArrayLike,
    *,
    mobile: str,
    charge: float,
    frame_interval_fs: float,
    temperature_k: float,
    seed: int = 0,
    trust_gates: TrustGates | None = None,
) -> DiffusionResult:
    """Diffusivity, conductivity and Haven ratio of the mobile ions, with errors and a verdict.

    The drift of the non-mobile atoms is removed. The diffusivity is the generalised least-squares slope of the MSD over
    all time origins, from where motion is diffusive to half of the run; its error comes from the analytic covariance
    and is checked against a bootstrap over ions and blocks of time.

    Parameters
    ----------
    displacements_ang : (n_frames, n_atoms, 3)
        Unwrapped displacements since frame 0, equilibration already cut off; may be memory-mapped. A list of such
        arrays stands for independent runs of the same cell, whose ions are pooled.
    species : (n_atoms,)
        Element of each atom.
    lattice_ang : (3, 3)
        Rows are the cell vectors.
    mobile
        Element of the mobile ion.
    charge
        Its charge, elementary charges.
    frame_interval_fs
        Time between frames.
    temperature_k
        Temperature.
    seed
        Seed of the bootstrap.
    trust_gates
        Limits of the gates; their defaults if not given.

    Returns
    -------
    DiffusionResult
        Frozen. Its numbers are finite whatever the verdict.

    Raises
    ------
    TransportError
        For wrapped or non-finite displacements, wrong shapes, too few frames, no mobile ions, no charge, or a
        temperature or interval that is not positive.
    """
    trust_gates = trust_gates or TrustGates()
    _check_numbers(charge, frame_interval_fs, temperature_k, seed)
    arrays = displacements_ang if isinstance(displacements_ang, list | tuple) else [displacements_ang]
    if not arrays:
        raise TransportError("no runs were given; give displacements of shape (n_frames, n_atoms, 3)")
    if isinstance(displacements_ang, list | tuple) and _n_dimensions(arrays[0]) != 3:
        arrays = [displacements_ang]
    runs = [check_trajectory(array, species, lattice_ang, mobile) for array in arrays]
    moments = collect_moments(runs, frame_interval_fs, trust_gates.jump_length_ang)
    ion = _Ion(
        mobile,
        charge,
        np.asarray(lattice_ang, dtype=np.float64),
        temperature_k,
        moments.n_ions,
        frame_interval_fs,
    )
    return _Analysis(runs, moments, ion, trust_gates, seed).result()


def _n_dimensions(array: object) -> int:
    """Depth of an array or of nested lists, which may be of unequal length."""
    shape = getattr(array, "shape", None)
    if shape is not None:
        return len(shape)
    return 1 + _n_dimensions(array[0]) if isinstance(array, list | tuple) and array else 0


def _check_numbers(charge: float, frame_interval_fs: float, temperature_k: float, seed: int) -> None:
    numbers = {"charge": charge, "frame_interval_fs": frame_interval_fs, "temperature_k": temperature_k}
    for name, value in numbers.items():
        if not isinstance(value, Real):
            raise TransportError(f"{name} must be a number, not {value!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise TransportError(f"seed must be a whole number of at least 0, not {seed!r}")
    if not np.isfinite(charge) or charge == 0:
        raise TransportError(f"charge {charge} carries no current; give the charge of the mobile ion, such as 1 for Li")
    if not (np.isfinite(temperature_k) and temperature_k > 0):
        raise TransportError(f"temperature_k must be above 0 K, not {temperature_k}")
    if not (np.isfinite(frame_interval_fs) and frame_interval_fs > 0):
        raise TransportError(f"frame_interval_fs must be above 0 fs, not {frame_interval_fs}")


class _Analysis:
    """Steps of one analysis, so that each can be read by itself."""

    def __init__(self, runs: list[Trajectory], moments: Moments, ion: _Ion, limits: TrustGates, seed: int) -> None:
        self.runs, self.moments, self.ion, self.limits, self.seed = runs, moments, ion, limits, seed
        self.statistics = moments.statistics()
        self.overlaps = WindowOverlaps.of(moments.lags, moments.n_frames)
        self.window: Window = choose_window(
            self.statistics, self.overlaps, ion.frame_interval_fs, limits.jump_length_ang, moments.turning
        )
        fit = self.window.fit
        self.second = estimators.bootstrap(runs, moments, self.statistics, fit, seed)
        self.slope = self.window.slope_ang2
        self.slope_std, self.errors_agree = estimators.choose_error(self.window.slope_std_ang2, self.second)

    def evidence(self) -> Evidence:
        """What the gates are asked about."""
        moments = self.moments
        problem = gates.framework_problem(moments.framework_lags, moments.framework_ang2, self.limits)
        return Evidence(
            slope_ang2=self.slope,
            slope_std_ang2=self.slope_std,
            second_slope_ang2=self.second.slope_ang2,
            errors_agree=self.errors_agree,
            is_diffusive=self.window.is_diffusive,
            local_slope=self.window.local_slope,
            max_msd_ang2=float(moments.msd_ang2[-1]),
            n_walkers=len(moments.components_ang2),
            n_jumps=moments.n_jumps,
            n_frames=moments.n_frames,
            framework_problem=problem,
        )

    def result(self) -> DiffusionResult:
        """Put the result together."""
        evidence = self.evidence()
        verdict, reasons = gates.judge(evidence, self.limits)
        ion, slope = self.ion, self.slope
        low, high = estimators.interval(slope, self.slope_std)
        if verdict is Verdict.UPPER_LIMIT or slope <= 0:
            slope = high = gates.upper_slope_ang2(evidence, self.limits)
            low = 0.0
        diffusivity = ion.diffusivity(slope)
        ci95 = (ion.diffusivity(low), ion.diffusivity(high))
        return DiffusionResult(
            verdict=verdict,
            reasons=reasons,
            temperature_k=ion.temperature_k,
            mobile=ion.mobile,
            charge=ion.charge,
            diffusivity_cm2_per_s=diffusivity,
            diffusivity_ci95_cm2_per_s=ci95,
            diffusivity_relative_error=self._relative(self.slope_std),
            slope_diffusivity_cm2_per_s=ion.diffusivity(self.slope),
            bootstrap_diffusivity_cm2_per_s=ion.diffusivity(self.second.slope_ang2),
            bootstrap_relative_error=self._relative(self.second.std_ang2),
            analytic_relative_error=self._relative(self.window.slope_std_ang2),
            conductivity_s_per_cm=ion.conductivity(diffusivity),
            conductivity_ci95_s_per_cm=(ion.conductivity(ci95[0]), ion.conductivity(ci95[1])),
            **self._tensor(),
            **self._collective(),
            **self._plain(),
            **self._bookkeeping(evidence),
            curves=self._curves(),
        )

    def _relative(self, std_ang2: float) -> float:
        """Relative error; that of a slope of zero is taken against the slope's own error."""
        return std_ang2 / max(abs(self.slope), std_ang2 / 10, 1e-300)

    def _tensor(self) -> dict[str, Any]:
        ion = self.ion
        # M_ab grows as 2 D_ab t; the isotropic relation divides the trace by 6.
        walkers = 3 * ion.diffusivity(1.0) * (self.moments.components_ang2 @ self.window.fit.weights)
        estimate = TensorEstimate.from_walkers(walkers, ion.diffusivity(self.slope), ion.diffusivity(self.slope_std))
        planes = {name: estimate.in_plane(plane_normal(ion.lattice_ang, hkl)) for name, hkl in NAMED_PLANES.items()}
        return {
            "diffusivity_tensor_cm2_per_s": estimate.matrix,
            "diffusivity_tensor_std_cm2_per_s": estimate.matrix_std,
            "tensor_covariance": estimate.covariance,
            "planar_diffusivities_cm2_per_s": {name: plane[0] for name, plane in planes.items()},
            "planar_diffusivity_stds_cm2_per_s": {name: plane[1] for name, plane in planes.items()},
        }

    def _collective(self) -> dict[str, Any]:
        ion, fit = self.ion, self.window.fit
        slope, std = estimators.collective_slope(self.moments, self.statistics, self.overlaps, self.window)
        slope = max(slope, 1e-12)
        tracer = fit.slope_ang2 if fit.slope_ang2 > 0 else max(self.slope_std, 1e-12)
        low, high = estimators.interval(slope, std)
        haven = tracer / slope
        ci95 = estimators.ratio_interval(haven, self._relative(self.slope_std), std / slope)
        return {
            "collective_diffusivity_cm2_per_s": ion.diffusivity(slope),
            "collective_diffusivity_ci95_cm2_per_s": (ion.diffusivity(low), ion.diffusivity(high)),
            "collective_conductivity_s_per_cm": ion.conductivity(ion.diffusivity(slope)),
            "haven_ratio": haven,
            "haven_ratio_ci95": ci95,
            "haven_ratio_is_trusted": bool(ci95[1] <= MAX_HAVEN_SPAN * ci95[0]),
        }

    def _plain(self) -> dict[str, Any]:
        ion, line = self.ion, estimators.plain_line(self.moments.lags, self.moments.msd_ang2)
        return {
            "plain_diffusivity_cm2_per_s": ion.diffusivity(line.slope_ang2),
            "plain_diffusivity_std_cm2_per_s": ion.diffusivity(line.std_ang2),
            "plain_conductivity_s_per_cm": ion.conductivity(ion.diffusivity(line.slope_ang2)),
        }

    def _bookkeeping(self, evidence: Evidence) -> dict[str, Any]:
        moments, dt = self.moments, self.ion.frame_interval_fs
        rsd = evidence.empirical_rsd(self.limits)
        return {
            "n_effective": evidence.n_effective(self.limits),
            "empirical_rsd": min(rsd, 1e6),
            "n_jumps": int(moments.n_jumps.sum()),
            "share_jumped": float(np.mean(moments.n_jumps > 0)),
            "max_msd_ang2": evidence.max_msd_ang2,
            "local_slope": float(np.nan_to_num(evidence.local_slope, posinf=1e6, neginf=-1e6)),
            "window_fs": (float(moments.lags[self.window.fit.start] * dt), float(moments.lags[-1] * dt)),
            "framework_msd_ang2": {element: float(msd[-1]) for element, msd in moments.framework_ang2.items()},
            "framework_is_bounded": evidence.framework_problem is None,
            "n_mobile": moments.n_ions,
            "volume_ang3": self.ion.volume_ang3,
            "lattice_ang": self.ion.lattice_ang,
            "n_runs": moments.n_runs,
            "n_frames": moments.n_frames,
            "frame_interval_fs": dt,
            "jump_length_ang": self.limits.jump_length_ang,
            "drift_reference": self.runs[0].drift_reference,
            "seed": self.seed,
        }

    def _curves(self) -> MsdCurves:
        moments, dt = self.moments, self.ion.frame_interval_fs
        collective = moments.collective_ang2[:, :3].sum(axis=1).mean(axis=0)
        return MsdCurves(
            np.asarray(moments.lags * dt, dtype=np.float64),
            np.asarray(moments.msd_ang2, dtype=np.float64),
            np.asarray(collective, dtype=np.float64),
            np.asarray(moments.framework_lags * dt, dtype=np.float64),
            moments.framework_ang2,
        )
