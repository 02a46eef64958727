"""Document of a Monte Carlo run."""

from __future__ import annotations

from pydantic import Field
from pymatgen.core import Structure

from disolyte.blobs import Blob
from disolyte.models.schema import ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.systems.schema import GridPoint


class ChainSummary(Record):
    """One chain: how it equilibrated, and what it found."""

    equilibration_sweeps: int = Field(description="Sweeps thrown away: up to where the energy stopped drifting.")
    autocorrelation_sweeps: float = Field(description="Integrated autocorrelation time of the energy, in sweeps.")
    n_effective: float = Field(description="Independent energies after equilibration.")
    energy_ev_per_fu: float = Field(description="Mean energy after equilibration.")
    energy_error_ev_per_fu: float = Field(description="Standard error of the mean.")
    acceptance: float = Field(description="Share of the swaps tried that were accepted.")


class Configuration(Record):
    """A configuration of a chain."""

    structure: Structure = Field(description="The supercell, ions on the sites of the disordered structure.")
    energy_ev_per_fu: float = Field(description="Its energy.")
    chain: int = Field(description="Chain it is from, counted from 0.")
    sweep: int = Field(description="Sweep after which it was taken, counted from 0.")


class SiteOccupancy(Record):
    """Mean species on a site of the disordered structure, over cells, chains and sweeps after equilibration."""

    sublattice: str = Field(description="Sublattice of the site.")
    frac_coords: tuple[float, float, float] = Field(description="Coordinates in the disordered structure's cell.")
    occupancies: dict[str, float] = Field(description="Mean occupancy of each element; '' is a vacancy.")


class ClusterFit(Record):
    """A cluster expansion fitted to orderings."""

    n_structures: int = Field(description="Orderings it was fitted to.")
    n_parameters: int = Field(description="Parameters of the cluster space.")
    n_nonzero: int = Field(description="Parameters that the fit did not put to zero.")
    cv_rmse_ev_per_fu: float = Field(description="Root mean square error of orderings left out, by cross-validation.")
    train_rmse_ev_per_fu: float = Field(description="Root mean square error of the orderings it was fitted to.")
    spread_ev_per_fu: float = Field(description="Standard deviation of the energies: the error of a constant.")
    coulomb_weight: float | None = Field(
        default=None, description="Weight of the point charges' energy beside the clusters, 1/ε; None if left out."
    )
    energies: str = Field(description="Energies it was fitted to: 'ewald' or the name of a model.")


class MonteCarloDoc(StageDoc):
    """Canonical Monte Carlo of a composition in a large supercell."""

    point: GridPoint = Field(description="The composition.")
    temperature_k: float = Field(description="Temperature.")
    supercell: tuple[int, int, int] = Field(description="Repeats of the disordered structure.")
    n_formula_units: float = Field(description="Formula units in the supercell.")
    n_sites: int = Field(description="Sites of the supercell, vacancies among them.")
    n_swapped: int = Field(description="Sites that species were swapped on.")
    swapped_sublattices: list[str] = Field(description="Sublattices that species were swapped on.")
    energy: str = Field(description="Source of the energies: 'electrostatic', 'model' or 'cluster expansion'.")
    model: ModelIdentity | None = Field(default=None, description="Model behind the energies, if there is one.")
    cluster_fit: ClusterFit | None = Field(default=None, description="Cluster expansion, if there is one.")
    trials_per_sweep: int = Field(description="Swaps tried in a sweep.")
    energies_ev_per_fu: Blob = Field(description="Energy after each sweep, float64 (n_chains, n_sweeps).")
    chains: list[ChainSummary] = Field(description="One for each chain.")
    energy_ev_per_fu: float = Field(description="Mean energy of all chains.")
    energy_error_ev_per_fu: float = Field(description="Its standard error, from within the chains and between them.")
    heat_capacity_kb_per_fu: float = Field(description="Configurational heat capacity, var(E)/(k_B T)².")
    r_hat: float = Field(description="Split R-hat of the chains' energies; 1 where they agree.")
    is_converged: bool = Field(description="Whether the chains equilibrated, ran long enough and agree.")
    reasons: list[str] = Field(default_factory=list, description="What speaks against convergence, with remedies.")
    site_occupancies: list[SiteOccupancy] = Field(description="Mean species on each site that changes.")
    configurations: list[Configuration] = Field(description="Decorrelated configurations, in the order of the chains.")
    lowest: Configuration = Field(description="The configuration of lowest energy that was recorded.")
