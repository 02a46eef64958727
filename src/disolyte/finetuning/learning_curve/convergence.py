"""From trainings at several sizes to gains per doubling and a verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from disolyte.finetuning.learning_curve.schema import (
    Convergence,
    ConvergenceRule,
    DoublingGain,
    LearningLevel,
    LearningPoint,
    SeedSpread,
)


def spread_over_seeds(values: Sequence[float]) -> SeedSpread:
    """Mean and standard deviation of at least one value."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return SeedSpread(mean=float(np.mean(values)), std=std, n_seeds=len(values))


def gather_levels(points: Sequence[LearningPoint]) -> list[LearningLevel]:
    """One level for each size, ascending."""
    levels = []
    for n_train in sorted({point.n_train for point in points}):
        alike = [point for point in points if point.n_train == n_train]
        hulls = [point.hull for point in alike if point.hull is not None]
        levels.append(
            LearningLevel(
                n_train=n_train,
                energy_rmse_ev_per_atom=spread_over_seeds([point.errors.energy_rmse_ev_per_atom for point in alike]),
                force_rmse_ev_per_ang=spread_over_seeds([point.errors.force_rmse_ev_per_ang for point in alike]),
                stress_rmse_ev_per_ang3=_spread_of_known([point.errors.stress_rmse_ev_per_ang3 for point in alike]),
                kendall_tau=_spread_of_known([hull.kendall_tau for hull in hulls]),
                ground_states_kept=_spread_of_known([hull.ground_states_kept / hull.n_compositions for hull in hulls]),
                diffusivity_cm2_per_s=_spread_of_known([point.diffusivity_cm2_per_s for point in alike]),
            )
        )
    return levels


def _spread_of_known(values: Sequence[float | None]) -> SeedSpread | None:
    known = [value for value in values if value is not None]
    return spread_over_seeds(known) if known else None


def measure_gains(levels: Sequence[LearningLevel]) -> list[DoublingGain]:
    """Gain per doubling between neighbouring sizes; see :class:`DoublingGain`."""
    gains = []
    for level, following in pairwise(levels):
        doublings = math.log2(following.n_train / level.n_train)
        energy, energy_error = _gain(level.energy_rmse_ev_per_atom, following.energy_rmse_ev_per_atom, doublings)
        force, force_error = _gain(level.force_rmse_ev_per_ang, following.force_rmse_ev_per_ang, doublings)
        stress = stress_error = None
        if level.stress_rmse_ev_per_ang3 is not None and following.stress_rmse_ev_per_ang3 is not None:
            stress, stress_error = _gain(level.stress_rmse_ev_per_ang3, following.stress_rmse_ev_per_ang3, doublings)
        gains.append(
            DoublingGain(
                n_train=level.n_train,
                n_train_next=following.n_train,
                energy=energy,
                energy_standard_error=energy_error,
                force=force,
                force_standard_error=force_error,
                stress=stress,
                stress_standard_error=stress_error,
            )
        )
    return gains


def _gain(before: SeedSpread, after: SeedSpread, doublings: float) -> tuple[float, float | None]:
    """Gain and its standard error, by propagation of the relative errors of the two means."""
    kept = (after.mean / before.mean) ** (1 / doublings)
    if before.standard_error is None or after.standard_error is None:
        return 1 - kept, None
    relative = math.hypot(before.standard_error / before.mean, after.standard_error / after.mean)
    return 1 - kept, kept * relative / doublings


def judge_convergence(
    levels: Sequence[LearningLevel], gains: Sequence[DoublingGain], rule: ConvergenceRule
) -> Convergence:
    """Smallest size that is enough by the rule; see :class:`ConvergenceRule`.

    Parameters
    ----------
    levels
        Sizes, ascending.
    gains
        Gains between neighbouring sizes.
    rule
        The limits.
    """
    if len(levels) < 2:
        reason = f"one size ({levels[0].n_train} frames) says nothing about convergence; train on two or more"
        return Convergence(converged=False, n_train=None, reason=reason, rule=rule)
    objections = [
        [*_gain_objections(gain, rule), *_property_objections(level, levels[-1], rule)]
        for level, gain in zip(levels, gains, strict=False)
    ]
    enough = None
    for level, found in zip(reversed(levels[:-1]), reversed(objections), strict=True):
        if found:
            break
        enough = level.n_train
    if enough is None:
        reason = f"not converged at {levels[-2].n_train} frames: " + "; ".join(objections[-1])
        return Convergence(converged=False, n_train=None, reason=reason, rule=rule)
    reason = (
        f"from {enough} frames on no doubling takes more than {rule.largest_gain_per_doubling:.0%} off an RMSE "
        f"(largest gain {max(max(_by_quantity(gain).values()) for gain in gains if gain.n_train >= enough):.1%})"
    )
    if earlier := [found for level, found in zip(levels, objections, strict=False) if level.n_train < enough]:
        reason += f"; not before: {earlier[-1][0]}"
    return Convergence(converged=True, n_train=enough, reason=reason, rule=rule)


def _by_quantity(gain: DoublingGain) -> dict[str, float]:
    found = {"energy": gain.energy, "force": gain.force, "stress": gain.stress}
    return {name: value for name, value in found.items() if value is not None}


def _gain_objections(gain: DoublingGain, rule: ConvergenceRule) -> list[str]:
    errors = {
        "energy": gain.energy_standard_error, "force": gain.force_standard_error, "stress": gain.stress_standard_error,
    }  # fmt: skip
    objections = []
    for name, value in _by_quantity(gain).items():
        error = errors[name] or 0.0
        if value + error > rule.largest_gain_per_doubling:
            noise = f" ± {error:.1%}" if error else ""
            objections.append(
                f"from {gain.n_train} to {gain.n_train_next} frames the {name} RMSE falls by {value:.1%}{noise} per "
                f"doubling, more than {rule.largest_gain_per_doubling:.0%}"
            )
    return objections


def _property_objections(level: LearningLevel, last: LearningLevel, rule: ConvergenceRule) -> list[str]:
    objections = []
    if level.kendall_tau is not None and level.kendall_tau.mean < rule.smallest_kendall_tau:
        objections.append(
            f"energies above the hull at {level.n_train} frames have a rank correlation of "
            f"{level.kendall_tau.mean:.2f} with those at {last.n_train}, less than {rule.smallest_kendall_tau:g}"
        )
    if level.diffusivity_cm2_per_s is not None and last.diffusivity_cm2_per_s is not None:
        ratio = _ratio(level.diffusivity_cm2_per_s.mean, last.diffusivity_cm2_per_s.mean)
        if ratio > rule.largest_diffusivity_ratio:
            objections.append(
                f"the diffusivity at {level.n_train} frames differs from that at {last.n_train} by a factor of "
                f"{ratio:.2f}, more than {rule.largest_diffusivity_ratio:g}"
            )
    return objections


def _ratio(first: float, second: float) -> float:
    low, high = sorted((first, second))
    return high / low if low > 0 else math.inf
