"""Whether two models rank structures alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from disolyte.thermodynamics.schema import RankAgreement


def compare_rankings(
    formulas: Sequence[str],
    reference_e_hull_ev_per_atom: Sequence[float],
    e_hull_ev_per_atom: Sequence[float],
    *,
    reference_model: str,
) -> RankAgreement:
    """Agreement of two models on the energies above the hull of the same structures.

    Parameters
    ----------
    formulas
        Composition of each structure, shape (n,).
    reference_e_hull_ev_per_atom, e_hull_ev_per_atom
        Energies above the hull from either model, shape (n,).
    reference_model
        Name of the model compared with.
    """
    from scipy.stats import kendalltau

    before, after = np.asarray(reference_e_hull_ev_per_atom), np.asarray(e_hull_ev_per_atom)
    tau = float(kendalltau(before, after).statistic) if before.size > 1 else math.nan
    names = np.asarray(formulas)
    members = [np.flatnonzero(names == formula) for formula in dict.fromkeys(formulas)]
    kept = sum(int(before[indices].argmin() == after[indices].argmin()) for indices in members)
    return RankAgreement(
        reference_model=reference_model,
        kendall_tau=tau if math.isfinite(tau) else None,
        n_structures=int(before.size),
        ground_states_kept=kept,
        n_compositions=len(members),
        mean_abs_difference_ev_per_atom=float(np.abs(after - before).mean()),
    )
