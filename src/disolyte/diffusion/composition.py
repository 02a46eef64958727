"""All temperatures of one composition together: which enter the Arrhenius fit, and what the whole is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from disolyte.diffusion.arrhenius import ArrheniusFit, fit_arrhenius
from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.transport import TransportCoefficients

MIN_TEMPERATURES = 3
"""Fewest temperatures of a trustworthy Arrhenius line: with two there is nothing to see a wrong one by."""

MIN_FIT_ERROR = 0.01
"""Least relative error that a point of the fit is given."""


class FitBasis(StrEnum):
    """What an Arrhenius line rests on."""

    CONVERGED = "converged"
    ESTIMATES = "estimates"
    LIMITS = "limits"


@dataclass(frozen=True)
class Measurement:
    """One temperature, and why it must stay out of every fit (None if it may be used)."""

    result: TransportCoefficients
    exclusion: str | None = None


@dataclass(frozen=True)
class CompositionFit:
    """The Arrhenius line of a composition.

    Attributes
    ----------
    fit
        None if fewer than two temperatures are fit for it.
    basis
        Worst kind of point in it.
    used
        Indices of the measurements in the fit.
    verdict, reasons
        On the composition as a whole.
    """

    fit: ArrheniusFit | None
    basis: FitBasis | None
    used: list[int]
    verdict: Verdict
    reasons: list[str]


def fit_composition(measurements: Sequence[Measurement]) -> CompositionFit:
    """Choose the temperatures for the Arrhenius fit, fit them, and judge the whole.

    Converged temperatures alone are fitted if there are three. Otherwise unconverged estimates are added, and, only to
    reach two temperatures, upper limits; the verdict is then ``unreliable``. A temperature at which the run broke or
    the framework melted is never used.
    """
    usable = [i for i, one in enumerate(measurements) if one.exclusion is None]
    reasons = [_why_out(one) for one in measurements if one.exclusion is not None]
    verdicts = {i: measurements[i].result.verdict for i in usable}
    converged = [i for i in usable if verdicts[i] is Verdict.CONVERGED]
    estimates = [i for i in usable if verdicts[i] is not Verdict.UPPER_LIMIT]
    used, basis = converged, FitBasis.CONVERGED
    if _n_temperatures(measurements, converged) < MIN_TEMPERATURES:
        used, basis = estimates, FitBasis.ESTIMATES if len(estimates) > len(converged) else FitBasis.CONVERGED
    if _n_temperatures(measurements, used) < 2 and estimates:
        used, basis = usable, FitBasis.LIMITS
    reasons += [_why_poor(measurements[i], i in used) for i in usable if verdicts[i] is not Verdict.CONVERGED]
    if _n_temperatures(measurements, used) < 2:
        nothing_moved = bool(usable) and not estimates
        reasons.append(f"no Arrhenius line: {len(used)} temperature(s) with a diffusivity, at least 2 are needed")
        return CompositionFit(None, None, [], Verdict.UPPER_LIMIT if nothing_moved else Verdict.UNRELIABLE, reasons)
    fit = _fit([measurements[i].result for i in used])
    trusted = basis is FitBasis.CONVERGED and _n_temperatures(measurements, used) >= MIN_TEMPERATURES
    if not trusted:
        reasons.append(_why_untrusted(basis, len(converged)))
    if fit.scatter_factor > 1:
        reasons.append(
            f"the points scatter {fit.scatter_factor:.1f} times as much about the line as their errors allow"
        )
        trusted = False
    return CompositionFit(fit, basis, used, Verdict.CONVERGED if trusted else Verdict.UNRELIABLE, reasons)


def _n_temperatures(measurements: Sequence[Measurement], indices: list[int]) -> int:
    return len({round(measurements[i].result.temperature_k, 3) for i in indices})


def _fit(results: list[TransportCoefficients]) -> ArrheniusFit:
    """Weighted fit; a limit enters with an error of 100 %."""
    errors = [
        1.0 if one.verdict is Verdict.UPPER_LIMIT else min(max(one.diffusivity_relative_error, MIN_FIT_ERROR), 1.0)
        for one in results
    ]
    return fit_arrhenius([one.temperature_k for one in results], [one.diffusivity_cm2_per_s for one in results], errors)


def _why_out(one: Measurement) -> str:
    return f"{one.result.temperature_k:g} K is left out: {one.exclusion}"


def _why_poor(one: Measurement, is_used: bool) -> str:  # noqa: FBT001
    kind = "a limit" if one.result.verdict is Verdict.UPPER_LIMIT else "an estimate"
    use = f"used as {kind}" if is_used else "not used"
    verdict = one.result.verdict.replace("_", " ")
    return f"{one.result.temperature_k:g} K: {verdict}, {use}: {one.result.reasons[0]}"


def _why_untrusted(basis: FitBasis, n_converged: int) -> str:
    if basis is FitBasis.LIMITS:
        return "E_a rests on an upper limit of the diffusivity and is indicative only"
    return f"E_a rests on {n_converged} converged temperature(s), fewer than {MIN_TEMPERATURES}"
