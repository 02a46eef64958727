"""The job that runs canonical Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jobflow import Maker, job
from pymatgen.core import Composition, Structure

from disolyte.blobs import PAYLOAD_KEY, Blob
from disolyte.enumeration.schema import EnumerationDoc
from disolyte.models.schema import ModelDoc
from disolyte.systems.schema import GridPoint
from disolyte.thermodynamics.montecarlo.metropolis import Schedule, run_chains
from disolyte.thermodynamics.montecarlo.schema import MonteCarloDoc
from disolyte.thermodynamics.montecarlo.sites import SwapSites, build_sites
from disolyte.thermodynamics.montecarlo.sources import ElectrostaticEnergy, EnergySetting, Material, open_source
from disolyte.thermodynamics.montecarlo.summary import analyse_walk, average_occupancies, pick_configurations
from disolyte.thermodynamics.schema import RankedEnergiesDoc
from disolyte.thermodynamics.selection import check_temperature
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

CHECKPOINTS = "monte_carlo"
"""Folder of the checkpoints inside the job's folder."""


@dataclass
class MonteCarloMaker(Maker):
    """Job that swaps ions on the disordered sublattices of a large supercell at a temperature.

    Several independent chains start from random distributions; the document says whether they equilibrated, how long
    they remember, and whether they agree. Run again in the same folder, or given ``prev_dir``, it goes on where it was
    killed.

    Parameters
    ----------
    name
        Name of the job.
    energy
        Source of the energies: point charges, a model, or a cluster expansion.
    temperature_k
        Temperature.
    supercell
        Repeats of the disordered structure.
    sublattices
        Sublattices to swap on; all disordered ones if None. The others keep one random distribution.
    schedule
        Sweeps, chains, configurations handed on, and the seed.
    """

    name: str = "Monte Carlo"
    energy: EnergySetting = field(default_factory=ElectrostaticEnergy)
    temperature_k: float = 800.0
    supercell: tuple[int, int, int] = (4, 4, 4)
    sublattices: list[str] | None = None
    schedule: Schedule = field(default_factory=Schedule)
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse what makes no run before there is a job; take lists for tuples, which is what JSON makes of them."""
        self.supercell = tuple(self.supercell)  # type: ignore[assignment]
        check_temperature(self.temperature_k, "the Monte Carlo")
        self.schedule.check()

    # Large supercells lie in the additional store; references such as doc.configurations[0].structure find them there.
    @job(data=[PAYLOAD_KEY, "structure"], output_schema=MonteCarloDoc)
    def make(
        self,
        disordered: Structure,
        point: GridPoint | None = None,
        model: ModelDoc | None = None,
        enumeration: EnumerationDoc | None = None,
        ranking: RankedEnergiesDoc | None = None,
        oxidation_states: dict[str, float] | None = None,
        prev_dir: str | Path | None = None,
    ) -> MonteCarloDoc:
        """Run the chains.

        Parameters
        ----------
        disordered
            Structure with partial occupancies.
        point
            The composition; from the structure if not given.
        model
            Model to use instead of the foundation of a :class:`ModelEnergy`.
        enumeration
            Orderings of ``disordered`` that a cluster expansion is fitted to.
        ranking
            Their energies from a model; the Ewald energies of the enumeration if not given.
        oxidation_states
            Charges by element; those of the structure's species if not given.
        prev_dir
            Folder of a killed job with the same input, whose chains are gone on with.

        Raises
        ------
        StructureError, CompositionError
            If nothing is disordered, or the supercell cannot hold the composition.
        OxidationStateError
            If point charges are asked for and an element has none.
        MissingExtraError
            If a cluster expansion is asked for and icet is not installed.
        InputError
            If a cluster expansion lacks orderings, or an energy is not finite.
        """
        sites = build_sites(disordered, self.supercell, self.sublattices)
        point = point or GridPoint(coordinates={}, formula=disordered.composition.element_composition.reduced_formula)
        n_formula_units = _formula_units(sites, point)
        material = Material(disordered, model, enumeration, ranking, oxidation_states)
        source = open_source(self.energy, sites, material, n_chains=self.schedule.n_chains)
        folder = take_over(prev_dir, CHECKPOINTS)
        walk = run_chains(
            sites,
            source.energies,
            self.schedule,
            temperature_k=self.temperature_k,
            folder=folder,
            identity=source.identity,
        )
        trials = self.schedule.trials_per_sweep or sites.n_swapped
        found = analyse_walk(
            walk,
            n_formula_units=n_formula_units,
            temperature_k=self.temperature_k,
            n_trials=trials * self.schedule.n_sweeps,
        )
        configurations, lowest = pick_configurations(
            walk, sites, found, n_formula_units=n_formula_units, per_chain=self.schedule.n_configurations
        )
        inputs = [document for document in (model, enumeration, ranking) if document is not None]
        return MonteCarloDoc(
            **describe_job(inputs, seed=self.schedule.seed, caveats=source.caveats),
            point=point,
            temperature_k=self.temperature_k,
            supercell=self.supercell,
            n_formula_units=n_formula_units,
            n_sites=sites.n_sites,
            n_swapped=sites.n_swapped,
            swapped_sublattices=list(sites.swapped),
            energy=source.kind,
            model=source.model,
            cluster_fit=source.fit,
            trials_per_sweep=trials,
            energies_ev_per_fu=Blob.from_array(walk.energies_ev / n_formula_units),
            chains=found.chains,
            energy_ev_per_fu=found.energy_ev_per_fu,
            energy_error_ev_per_fu=found.energy_error_ev_per_fu,
            heat_capacity_kb_per_fu=found.heat_capacity_kb_per_fu,
            r_hat=found.r_hat,
            is_converged=not found.reasons,
            reasons=found.reasons,
            site_occupancies=average_occupancies(walk, sites, found),
            configurations=configurations,
            lowest=lowest,
        )


def _formula_units(sites: SwapSites, point: GridPoint) -> float:
    """Formula units in the supercell, by the number of atoms."""
    n_atoms = sum(block.size for block in sites.blocks if block.species)
    n_atoms += sum(len(entry) == 1 for entry in sites.allowed) * sites.n_cells
    return n_atoms / Composition(point.formula).num_atoms
