"""What a Monte Carlo run says, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.thermodynamics.montecarlo.metropolis import Walk
from disolyte.thermodynamics.montecarlo.schema import ChainSummary, Configuration, SiteOccupancy
from disolyte.thermodynamics.montecarlo.sites import SwapSites
from disolyte.thermodynamics.montecarlo.statistics import (
    equilibration_start,
    split_r_hat,
    statistical_inefficiency,
)
from disolyte.units import BOLTZMANN_EV_PER_K

MAX_R_HAT: Final = 1.1
"""Largest split R-hat of chains that agree."""

MIN_EFFECTIVE: Final = 50.0
"""Fewest independent energies, all chains together."""

MIN_ACCEPTANCE: Final = 1e-4
"""Acceptance below which a chain counts as frozen."""


@dataclass(frozen=True)
class Equilibrium:
    """Statistics of all chains after equilibration."""

    chains: list[ChainSummary]
    starts: list[int]
    """First sweep after equilibration of each chain."""
    energy_ev_per_fu: float
    energy_error_ev_per_fu: float
    heat_capacity_kb_per_fu: float
    r_hat: float
    reasons: list[str]
    """What speaks against convergence."""


def analyse_walk(walk: Walk, *, n_formula_units: float, temperature_k: float, n_trials: int) -> Equilibrium:
    """Equilibration, memory and agreement of the chains.

    Parameters
    ----------
    walk
        What the chains have done.
    n_formula_units
        Formula units in the supercell.
    temperature_k
        Temperature.
    n_trials
        Swaps tried in each chain.
    """
    energies = walk.energies_ev / n_formula_units
    starts = [equilibration_start(chain) for chain in energies]
    kept = [chain[start:] for chain, start in zip(energies, starts, strict=True)]
    chains = [
        _summarise(part, start, float(accepted) / n_trials)
        for part, start, accepted in zip(kept, starts, walk.n_accepted, strict=True)
    ]
    common = energies[:, min(max(starts), energies.shape[1] - 4) :]
    r_hat = split_r_hat(common)
    means = np.array([chain.energy_ev_per_fu for chain in chains])
    within = np.sqrt(np.sum([chain.energy_error_ev_per_fu**2 for chain in chains])) / len(chains)
    between = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0.0
    kt_ev = BOLTZMANN_EV_PER_K * temperature_k
    variance = float(np.mean([part.var() for part in kept])) * n_formula_units**2
    return Equilibrium(
        chains=chains,
        starts=starts,
        energy_ev_per_fu=float(means.mean()),
        energy_error_ev_per_fu=float(max(within, between)),
        heat_capacity_kb_per_fu=variance / kt_ev**2 / n_formula_units,
        r_hat=r_hat,
        reasons=_reasons(chains, r_hat, energies.shape[1]),
    )


def pick_configurations(
    walk: Walk, sites: SwapSites, equilibrium: Equilibrium, *, n_formula_units: float, per_chain: int
) -> tuple[list[Configuration], Configuration]:
    """Decorrelated configurations of each chain, latest first counted back, and the lowest of all.

    Parameters
    ----------
    walk, sites
        The chains and their sites.
    equilibrium
        Their statistics.
    n_formula_units
        Formula units in the supercell.
    per_chain
        Configurations asked for from each chain; fewer where it holds fewer that are independent.
    """
    n_sweeps = walk.energies_ev.shape[1]

    def at(chain: int, sweep: int) -> Configuration:
        return Configuration(
            structure=sites.structure(walk.occupations[chain, sweep]),
            energy_ev_per_fu=float(walk.energies_ev[chain, sweep]) / n_formula_units,
            chain=chain,
            sweep=sweep,
        )

    chosen = []
    for chain, (start, summary) in enumerate(zip(equilibrium.starts, equilibrium.chains, strict=True)):
        # Two autocorrelation times apart, spread over what the chain holds.
        least = max(1, int(np.ceil(2 * 2 * summary.autocorrelation_sweeps)))
        step = max(least, (n_sweeps - start) // max(per_chain, 1))
        sweeps = [n_sweeps - 1 - k * step for k in range(per_chain) if n_sweeps - 1 - k * step >= start]
        chosen += [at(chain, sweep) for sweep in sorted(sweeps)]
    lowest = divmod(int(walk.energies_ev.argmin()), n_sweeps)
    return chosen, at(*lowest)


def average_occupancies(walk: Walk, sites: SwapSites, equilibrium: Equilibrium) -> list[SiteOccupancy]:
    """Mean species on each site of a cell after equilibration."""
    n_home = len(sites.allowed)
    home = [site for site in range(n_home) if len(sites.allowed[site]) > 1]
    kept = np.concatenate([walk.occupations[c, start:] for c, start in enumerate(equilibrium.starts)])
    kept = kept.reshape(-1, len(home))  # sweeps and cells together
    occupancies: list[SiteOccupancy] = []
    for position, site in enumerate(home):
        shares = _shares(kept[:, position], sites)
        coords = sites.frac_coords[site] * np.array(sites.repeats)
        occupancies.append(
            SiteOccupancy(
                sublattice=sites.sublattices[site],
                frac_coords=(float(coords[0]), float(coords[1]), float(coords[2])),
                occupancies={name: shares[name] for name in sites.allowed[site]},
            )
        )
    return occupancies


def _shares(column: NDArray[np.int8], sites: SwapSites) -> dict[str, float]:
    counts = np.bincount(column, minlength=len(sites.species)) / column.size
    return {name: float(share) for name, share in zip(sites.species, counts, strict=True)}


def _summarise(energies: NDArray[np.float64], start: int, acceptance: float) -> ChainSummary:
    inefficiency = statistical_inefficiency(energies)
    n_effective = energies.size / inefficiency
    return ChainSummary(
        equilibration_sweeps=start,
        autocorrelation_sweeps=inefficiency / 2,
        n_effective=n_effective,
        energy_ev_per_fu=float(energies.mean()),
        energy_error_ev_per_fu=float(energies.std(ddof=1) / np.sqrt(n_effective)),
        acceptance=acceptance,
    )


def _reasons(chains: list[ChainSummary], r_hat: float, n_sweeps: int) -> list[str]:
    reasons = []
    late = [number for number, chain in enumerate(chains) if chain.equilibration_sweeps > n_sweeps / 2]
    if late:
        reasons.append(f"chains {late} drift for more than half of their {n_sweeps} sweeps; run longer")
    n_effective = sum(chain.n_effective for chain in chains)
    if n_effective < MIN_EFFECTIVE:
        reasons.append(
            f"{n_effective:.0f} independent energies in all chains, fewer than {MIN_EFFECTIVE:.0f}; run longer"
        )
    if len(chains) < 2:
        reasons.append("one chain alone cannot show that it forgot its start; run at least 2")
    elif r_hat > MAX_R_HAT:
        reasons.append(f"the chains disagree: R-hat is {r_hat:.2f}, above {MAX_R_HAT}; run longer or hotter")
    frozen = [number for number, chain in enumerate(chains) if chain.acceptance < MIN_ACCEPTANCE]
    if frozen:
        reasons.append(f"chains {frozen} are frozen: fewer than {MIN_ACCEPTANCE:.0e} of the swaps accepted; run hotter")
    return reasons
