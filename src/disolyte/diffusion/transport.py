"""The typed result of an analysis: coefficients, errors, verdict and bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.msd import PAIRS
from disolyte.diffusion.tensor import PlanarDiffusivity, PrincipalAxes, TensorEstimate, plane_normal
from disolyte.records import Record

Matrix = Annotated[
    np.ndarray,
    BeforeValidator(lambda value: np.asarray(value, dtype=np.float64)),
    PlainSerializer(lambda value: value.tolist()),
    WithJsonSchema({"type": "array"}),
]
"""An array, nested lists in JSON."""

Interval = tuple[float, float]


class TransportCoefficients(Record):
    """Diffusion of the mobile ion at one temperature. All numbers are finite whatever the verdict.

    With the verdict ``upper_limit`` the diffusivity, its interval from 0, and the conductivity state a 95 % limit;
    ``slope_diffusivity_cm2_per_s`` is then still the fitted slope. With ``unreliable`` they are estimates whose errors
    may be wrong.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    verdict: Verdict = Field(description="converged, upper_limit or unreliable.")
    reasons: list[str] = Field(description="What speaks against 'converged'.")
    temperature_k: float = Field(description="Temperature.")
    mobile: str = Field(description="Element of the mobile ion.")
    charge: float = Field(description="Its charge, elementary charges.")

    diffusivity_cm2_per_s: float = Field(description="Tracer diffusivity, or its 95 % upper limit.")
    diffusivity_ci95_cm2_per_s: Interval = Field(description="95 % interval.")
    diffusivity_relative_error: float = Field(description="Standard error of the fitted slope, relative.")
    slope_diffusivity_cm2_per_s: float = Field(
        description="Generalised least-squares slope / 6, also where nothing moved."
    )
    diffusivity_tensor_cm2_per_s: Matrix = Field(description="Tensor in Cartesian axes, shape (3, 3).")
    diffusivity_tensor_std_cm2_per_s: Matrix = Field(description="Its standard errors, shape (3, 3).")
    tensor_covariance: Matrix = Field(
        description="Covariance of xx, yy, zz, yz, xz, xy, from the scatter of the ions; (cm²/s)², shape (6, 6)."
    )
    planar_diffusivities_cm2_per_s: dict[str, float] = Field(
        description="Diffusivity within the planes ab, ac and bc, n = 2."
    )
    planar_diffusivity_stds_cm2_per_s: dict[str, float] = Field(description="Their standard errors.")
    bootstrap_diffusivity_cm2_per_s: float = Field(description="Second estimate, from separate blocks of the run.")
    bootstrap_relative_error: float = Field(description="Its error by resampling ions and blocks, relative.")
    analytic_relative_error: float = Field(description="Error by the analytic covariance of the MSD, relative.")

    conductivity_s_per_cm: float = Field(description="Nernst-Einstein conductivity with a Haven ratio of 1.")
    conductivity_ci95_s_per_cm: Interval = Field(description="95 % interval.")
    collective_diffusivity_cm2_per_s: float = Field(
        description="Charge diffusivity, from the sum of all displacements."
    )
    collective_diffusivity_ci95_cm2_per_s: Interval = Field(description="95 % interval.")
    collective_conductivity_s_per_cm: float = Field(description="Conductivity from the charge diffusivity.")
    haven_ratio: float = Field(description="Tracer over charge diffusivity.")
    haven_ratio_ci95: Interval = Field(description="95 % interval.")
    haven_ratio_is_trusted: bool = Field(description="Whether the interval spans at most a factor of two.")

    plain_diffusivity_cm2_per_s: float = Field(description="By the published recipe: unweighted slope of the MSD / 6.")
    plain_diffusivity_std_cm2_per_s: float = Field(
        description="Standard deviation of that fit; far too small, for comparison only."
    )
    plain_conductivity_s_per_cm: float = Field(description="Nernst-Einstein conductivity from it, Haven ratio 1.")

    n_effective: float = Field(description="N · max MSD / a², the number of independent jumps.")
    empirical_rsd: float = Field(description="3.43/√n_effective + 0.04 (He, Zhu, Mo 2018).")
    n_jumps: int = Field(description="Changes of site seen in all runs.")
    share_jumped: float = Field(description="Share of the mobile ions that changed site at least once.")
    max_msd_ang2: float = Field(description="MSD at half of the run.")
    local_slope: float = Field(description="d ln MSD / d ln t in the middle of the window.")
    window_fs: Interval = Field(description="First and last lag of the fit.")
    framework_msd_ang2: dict[str, float] = Field(description="MSD of each element of the framework at half of the run.")
    framework_is_bounded: bool = Field(description="False if the framework melted or broke down.")

    n_mobile: int = Field(description="Mobile ions in the cell.")
    volume_ang3: float = Field(description="Volume of the cell.")
    lattice_ang: Matrix = Field(description="Rows are the vectors of the simulated cell, shape (3, 3).")
    n_runs: int = Field(description="Independent runs analysed together.")
    n_frames: int = Field(description="Frames analysed of each run.")
    frame_interval_fs: float = Field(description="Time between frames.")
    jump_length_ang: float = Field(description="Distance between neighbouring sites, a, that the gates use.")
    drift_reference: str = Field(description="What was held at rest.")
    seed: int = Field(description="Seed of the bootstrap.")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @property
    def tensor(self) -> TensorEstimate:
        """The diffusivity tensor with its covariance."""
        matrix = self.diffusivity_tensor_cm2_per_s
        return TensorEstimate(np.array([matrix[pair] for pair in PAIRS]), self.tensor_covariance)

    def planar_diffusivity_cm2_per_s(self, normal: ArrayLike) -> float:
        """Diffusivity within the plane that has the Cartesian ``normal``, (tr D − n·D·n)/2."""
        return self.tensor.in_plane(normal).diffusivity_cm2_per_s

    def plane(self, hkl: ArrayLike) -> PlanarDiffusivity:
        """Diffusivity within the plane with Miller indices ``hkl`` of the simulated cell, and its standard error."""
        return self.tensor.in_plane(plane_normal(self.lattice_ang, hkl))

    @property
    def principal_axes(self) -> PrincipalAxes:
        """Directions of fastest to slowest diffusion, with errors."""
        return self.tensor.principal_axes(self.seed)


@dataclass(frozen=True, eq=False)
class MsdCurves:
    """Curves for figures.

    Attributes
    ----------
    lag_fs : (n_lags,)
        Lags up to half of the run.
    tracer_ang2, collective_ang2 : (n_lags,)
        MSD of the ions, and of their sum per ion.
    framework_lag_fs : (n_framework_lags,)
        Lags of the framework.
    framework_ang2
        MSD per element, same length.
    """

    lag_fs: NDArray[np.float64]
    tracer_ang2: NDArray[np.float64]
    collective_ang2: NDArray[np.float64]
    framework_lag_fs: NDArray[np.float64]
    framework_ang2: dict[str, NDArray[np.float64]]


class DiffusionResult(TransportCoefficients):
    """What :func:`~disolyte.diffusion.analyse_displacements` returns: the coefficients and the curves behind them."""

    curves: MsdCurves = Field(description="Mean squared displacements.", repr=False)

    def coefficients(self) -> dict[str, Any]:
        """All fields but the curves, as keyword arguments of a document."""
        return {name: getattr(self, name) for name in TransportCoefficients.model_fields}
