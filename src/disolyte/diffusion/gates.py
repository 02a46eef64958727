r"""What must hold before a diffusivity is called converged, and the limit that is given when nothing moved.

The number of independent jumps is measured as :math:`N_\mathrm{eff} = N \max\mathrm{MSD} / a^2`, with the relative
standard deviation :math:`3.43/\sqrt{N_\mathrm{eff}} + 0.04` found by He, Zhu, Mo (npj Comput. Mater. 4, 18 (2018)) for
ab initio MD.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats


class Verdict(StrEnum):
    """What a diffusivity is worth."""

    CONVERGED = "converged"
    UPPER_LIMIT = "upper_limit"
    UNRELIABLE = "unreliable"


@dataclass(frozen=True)
class TrustGates:
    """Limits of the gates.

    Parameters
    ----------
    jump_length_ang
        Distance between neighbouring sites of the mobile ion, a.
    max_empirical_rsd
        Largest relative standard deviation by the formula of He, Zhu and Mo.
    max_relative_error
        Largest standard error of the fitted diffusivity, relative.
    min_share_jumped
        Least share of the mobile ions that changed site.
    min_jumps
        Fewest changes of site in all runs together for a diffusivity instead of a limit.
    framework_msd_ang2
        MSD above which the framework must not go on growing.
    rotation_msd_ang2
        MSD that turning groups of atoms cannot exceed, so that an element above it has left its place.
    """

    jump_length_ang: float = 3.0
    max_empirical_rsd: float = 0.5
    max_relative_error: float = 0.3
    min_share_jumped: float = 0.5
    min_jumps: int = 4
    framework_msd_ang2: float = 2.25
    rotation_msd_ang2: float = 12.5

    @property
    def min_msd_ang2(self) -> float:
        """MSD that must be passed, a²/2."""
        return self.jump_length_ang**2 / 2


@dataclass(frozen=True)
class Evidence:
    """What the gates are asked about. Slopes are per frame, in Å²."""

    slope_ang2: float
    slope_std_ang2: float
    second_slope_ang2: float
    errors_agree: bool
    is_diffusive: bool
    local_slope: float
    max_msd_ang2: float
    n_walkers: int
    n_jumps: NDArray[np.intp]
    n_frames: int
    framework_problem: str | None

    def n_effective(self, gates: TrustGates) -> float:
        """Independent jumps, N·max MSD / a²."""
        return self.n_walkers * self.max_msd_ang2 / gates.jump_length_ang**2

    def empirical_rsd(self, gates: TrustGates) -> float:
        """Relative standard deviation that He, Zhu and Mo find for that many jumps."""
        return 3.43 / float(np.sqrt(self.n_effective(gates))) + 0.04 if self.max_msd_ang2 > 0 else float("inf")


def judge(evidence: Evidence, gates: TrustGates) -> tuple[Verdict, list[str]]:
    """Verdict, and the reasons that speak against ``converged``."""
    immobile = _reasons_immobile(evidence, gates)
    if evidence.framework_problem:
        return Verdict.UNRELIABLE, [evidence.framework_problem]
    if immobile:
        return Verdict.UPPER_LIMIT, immobile
    doubts = _reasons_doubtful(evidence, gates)
    return (Verdict.UNRELIABLE, doubts) if doubts else (Verdict.CONVERGED, [])


def _reasons_immobile(evidence: Evidence, gates: TrustGates) -> list[str]:
    reasons = []
    jumps = int(evidence.n_jumps.sum())
    if evidence.max_msd_ang2 < gates.min_msd_ang2:
        reasons.append(
            f"largest MSD {evidence.max_msd_ang2:.2g} Å² is below a²/2 = {gates.min_msd_ang2:.2g} Å²: ions did not "
            "leave their sites; run longer or hotter"
        )
    if jumps < gates.min_jumps:
        reasons.append(f"{jumps} changes of site seen, fewer than {gates.min_jumps}; run longer or hotter")
    if evidence.slope_ang2 <= 1.645 * evidence.slope_std_ang2:
        reasons.append("the slope of the MSD cannot be told from zero; run longer or hotter")
    return reasons


def _reasons_doubtful(evidence: Evidence, gates: TrustGates) -> list[str]:
    reasons = []
    rsd = evidence.empirical_rsd(gates)
    if rsd > gates.max_empirical_rsd:
        needed = (3.43 / (gates.max_empirical_rsd - 0.04)) ** 2
        n_effective = evidence.n_effective(gates)
        longer = f"run {needed / n_effective:.1f} times as long" if n_effective > 0 else "run longer"
        reasons.append(
            f"{n_effective:.0f} effective jumps give an empirical error of {rsd:.0%}, above "
            f"{gates.max_empirical_rsd:.0%}; {longer}"
        )
    relative = evidence.slope_std_ang2 / evidence.slope_ang2 if evidence.slope_ang2 > 0 else float("inf")
    if relative > gates.max_relative_error:
        reasons.append(
            f"the fitted slope has an error of {relative:.0%}, above {gates.max_relative_error:.0%}; run longer"
        )
    share = float(np.mean(evidence.n_jumps > 0))
    if share < gates.min_share_jumped:
        reasons.append(
            f"{share:.0%} of the mobile ions changed site, less than {gates.min_share_jumped:.0%}; run longer"
        )
    if not evidence.is_diffusive:
        reasons.append(
            f"no diffusive regime within half of the run: the slope of ln MSD against ln t is "
            f"{evidence.local_slope:.2f}, or it changes; run longer"
        )
    if not evidence.errors_agree:
        reasons.append("the bootstrap's error is more than twice the analytic one: ions move together or unequally")
    if abs(evidence.second_slope_ang2 - evidence.slope_ang2) > 3.0 * evidence.slope_std_ang2:
        reasons.append(
            "the diffusivity from blocks of the run differs from that of the whole by more than three errors"
        )
    return reasons


def upper_slope_ang2(evidence: Evidence, gates: TrustGates) -> float:
    """95 % upper limit of the slope of the MSD per frame.

    The larger of the fit's one-sided limit and Poisson's limit for the number of jumps seen: a crystal in which nothing
    jumped during the run may still jump three times in the next.
    """
    by_fit = evidence.slope_ang2 + 1.645 * evidence.slope_std_ang2
    jumps = float(stats.chi2.ppf(0.95, 2 * (int(evidence.n_jumps.sum()) + 1)) / 2)
    by_jumps = jumps * gates.jump_length_ang**2 / (evidence.n_walkers * evidence.n_frames)
    return max(by_fit, by_jumps)


def framework_problem(
    lags: NDArray[np.intp], msd_ang2: dict[str, NDArray[np.float64]], gates: TrustGates
) -> str | None:
    """Say whether the framework melted or an element of it left its place; None if it is bounded.

    An element grows when its MSD is above the limit and still rises with more than half of the slope of diffusion over
    the last factor four in time. Growth of all elements is melting. One element may grow while its groups of atoms
    turn, up to the size of such a group.
    """
    if not msd_ang2:
        return None
    quarter = int(np.searchsorted(lags, lags[-1] / 4))
    span = float(np.log(lags[-1] / lags[quarter]))
    growing = {}
    for element, msd in msd_ang2.items():
        if msd[-1] > gates.framework_msd_ang2 and np.log(msd[-1] / max(msd[quarter], 1e-12)) > 0.5 * span:
            growing[element] = float(msd[-1])
    if len(growing) == len(msd_ang2):
        values = ", ".join(f"{element} {value:.1f}" for element, value in growing.items())
        return f"the framework melted: the MSD of all its elements grows ({values} Å²); use a lower temperature"
    for element, value in growing.items():
        if value > gates.rotation_msd_ang2:
            return f"the framework broke down: the MSD of {element} grows ({value:.1f} Å²); use a lower temperature"
    return None
