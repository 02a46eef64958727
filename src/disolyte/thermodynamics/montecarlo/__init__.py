"""Canonical Monte Carlo: which ions sit where in a large supercell at a temperature.

Consumes a disordered structure and a source of energies: point charges, a model, or a cluster expansion fitted to
enumerated orderings. Produces a :class:`MonteCarloDoc` with the energies' statistics and configurations for
:class:`~disolyte.diffusion.makers.DiffusionMaker`.
"""

from disolyte.thermodynamics.montecarlo.metropolis import Schedule, Walk, run_chains
from disolyte.thermodynamics.montecarlo.schema import ChainSummary, Configuration, MonteCarloDoc, SiteOccupancy
from disolyte.thermodynamics.montecarlo.sites import SwapSites, build_sites
from disolyte.thermodynamics.montecarlo.sources import ClusterEnergy, ElectrostaticEnergy, ModelEnergy
from disolyte.thermodynamics.montecarlo.statistics import (
    equilibration_start,
    split_r_hat,
    statistical_inefficiency,
)

__all__ = [
    "ChainSummary",
    "ClusterEnergy",
    "Configuration",
    "ElectrostaticEnergy",
    "ModelEnergy",
    "MonteCarloDoc",
    "Schedule",
    "SiteOccupancy",
    "SwapSites",
    "Walk",
    "build_sites",
    "equilibration_start",
    "run_chains",
    "split_r_hat",
    "statistical_inefficiency",
]
