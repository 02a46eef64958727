r"""Arrhenius fits, :math:`\ln D = \ln D_0 - E_a / k_B T`, weighted by the errors of ln D, with the full covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from disolyte.errors import TransportError
from disolyte.units import BOLTZMANN_EV_PER_K

SCATTER_P_VALUE = 0.01
"""If scatter this improbable is seen about the line, the errors are widened to match it."""


class ExtrapolatedDiffusivity(NamedTuple):
    """Diffusivity on an Arrhenius line and its 95 % interval."""

    diffusivity_cm2_per_s: float
    ci95_cm2_per_s: tuple[float, float]

    @property
    def relative_error(self) -> float:
        """Standard error of ln D."""
        return float(np.log(self.ci95_cm2_per_s[1] / self.diffusivity_cm2_per_s) / 1.96)


@dataclass(frozen=True, eq=False)
class ArrheniusFit:
    """A weighted Arrhenius line.

    Attributes
    ----------
    activation_energy_ev, activation_energy_std_ev
        Slope and its standard error.
    prefactor_cm2_per_s
        D0.
    prefactor_ci95_cm2_per_s
        Its 95 % interval.
    covariance : (2, 2)
        Of (ln D0, E_a); dimensionless, eV and eV².
    chi2, n_points
        Weighted scatter about the line, and the number of temperatures.
    scatter_factor
        What the errors were multiplied by because the scatter is beyond chance (1 otherwise).
    plain_activation_energy_ev, plain_activation_energy_std_ev
        Unweighted fit, and the standard deviation of its slope from its residuals, as published; 0 for two points.
    temperature_range_k
        Lowest and highest temperature of the fit.
    """

    activation_energy_ev: float
    activation_energy_std_ev: float
    prefactor_cm2_per_s: float
    prefactor_ci95_cm2_per_s: tuple[float, float]
    covariance: NDArray[np.float64]
    chi2: float
    n_points: int
    scatter_factor: float
    plain_activation_energy_ev: float
    plain_activation_energy_std_ev: float
    temperature_range_k: tuple[float, float]

    def extrapolate(self, temperature_k: float) -> ExtrapolatedDiffusivity:
        """Diffusivity on the line at ``temperature_k`` and its 95 % interval, in cm²/s.

        Raises
        ------
        TransportError
            If the temperature is not positive.
        """
        if not (
            isinstance(temperature_k, int | float | np.number) and np.isfinite(temperature_k) and temperature_k > 0
        ):
            raise TransportError(f"temperature_k must be a number above 0 K, not {temperature_k!r}")
        gradient = np.array([1.0, -1.0 / (BOLTZMANN_EV_PER_K * temperature_k)])
        value = float(np.log(self.prefactor_cm2_per_s) + gradient[1] * self.activation_energy_ev)
        reach = 1.96 * float(np.sqrt(max(gradient @ self.covariance @ gradient, 0.0)))
        return ExtrapolatedDiffusivity(
            float(np.exp(value)), (float(np.exp(value - reach)), float(np.exp(value + reach)))
        )

    def reach_beyond(self, temperature_k: float) -> float:
        """How far ``temperature_k`` lies outside the fit, in multiples of the fit's range of 1/T; 0 inside."""
        low, high = (1 / t for t in reversed(self.temperature_range_k))
        outside = max(low - 1 / temperature_k, 1 / temperature_k - high, 0.0)
        return outside / (high - low)


def fit_arrhenius(
    temperatures_k: ArrayLike, diffusivities_cm2_per_s: ArrayLike, relative_errors: ArrayLike
) -> ArrheniusFit:
    """Fit ln D against 1/T, weighted by the errors of ln D.

    Parameters
    ----------
    temperatures_k, diffusivities_cm2_per_s : (n_points,)
        At least two different temperatures.
    relative_errors : (n_points,)
        Standard errors of the diffusivities, relative: those of ln D.

    Returns
    -------
    ArrheniusFit
        Line, full covariance, and the published unweighted fit beside it.

    Raises
    ------
    TransportError
        For fewer than two temperatures, or numbers that are not positive.
    """
    temperatures, diffusivities, errors = _checked(temperatures_k, diffusivities_cm2_per_s, relative_errors)
    inverse = 1.0 / (BOLTZMANN_EV_PER_K * temperatures)
    logs = np.log(diffusivities)
    weights = errors**-2.0
    centre = float(np.average(inverse, weights=weights))
    spread = inverse - centre
    # About the weighted centre, level and slope are independent; the covariance is carried back to 1/T = 0.
    level, level_variance = float(np.average(logs, weights=weights)), 1.0 / weights.sum()
    curvature = float((weights * spread**2).sum())
    slope, slope_variance = float((weights * spread * logs).sum() / curvature), 1.0 / curvature
    chi2 = float((weights * (logs - level - slope * spread) ** 2).sum())
    factor = _scatter_factor(chi2, len(logs) - 2)
    jacobian = np.array([[1.0, -centre], [0.0, -1.0]])
    covariance = factor**2 * jacobian @ np.diag([level_variance, slope_variance]) @ jacobian.T
    log_prefactor = level - slope * centre
    reach = 1.96 * float(np.sqrt(covariance[0, 0]))
    plain = stats.linregress(inverse, logs)
    return ArrheniusFit(
        activation_energy_ev=-slope,
        activation_energy_std_ev=float(np.sqrt(covariance[1, 1])),
        prefactor_cm2_per_s=float(np.exp(log_prefactor)),
        prefactor_ci95_cm2_per_s=(float(np.exp(log_prefactor - reach)), float(np.exp(log_prefactor + reach))),
        covariance=covariance,
        chi2=chi2,
        n_points=len(logs),
        scatter_factor=factor,
        plain_activation_energy_ev=-float(plain.slope),
        plain_activation_energy_std_ev=float(plain.stderr) if len(logs) > 2 else 0.0,
        temperature_range_k=(float(temperatures.min()), float(temperatures.max())),
    )


def _scatter_factor(chi2: float, dof: int) -> float:
    if dof < 1 or stats.chi2.sf(chi2, dof) > SCATTER_P_VALUE:
        return 1.0
    return float(np.sqrt(chi2 / dof))


def _checked(*columns: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    arrays = tuple(np.atleast_1d(np.asarray(column, dtype=np.float64)) for column in columns)
    names = ("temperatures_k", "diffusivities_cm2_per_s", "relative_errors")
    if any(array.shape != arrays[0].shape or array.ndim != 1 for array in arrays):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(names, arrays, strict=True))
        raise TransportError(f"an Arrhenius fit needs lists of equal length; got {shapes}")
    for name, array in zip(names, arrays, strict=True):
        if not (np.isfinite(array).all() and (array > 0).all()):
            raise TransportError(f"{name} must be finite and positive for an Arrhenius fit; got {array.tolist()}")
    if len(np.unique(arrays[0])) < 2:
        raise TransportError(f"an Arrhenius fit needs two or more temperatures; got {np.unique(arrays[0]).tolist()} K")
    return arrays
