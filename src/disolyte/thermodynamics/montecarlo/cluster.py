"""Energies of swaps from a cluster expansion fitted to enumerated orderings, with icet.

Ions interact over long distances, which clusters describe slowly. The energy of point charges can therefore be one more
term of the fit, its weight the inverse of a dielectric constant; clusters then only hold what is left [1]_.

References
----------
.. [1] L. Barroso-Luque et al., Phys. Rev. B 106, 144202 (2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.electrostatics import pair_matrix_ev
from disolyte.enumeration.schema import EnumerationDoc, OrderingSet
from disolyte.errors import InputError, MissingExtraError
from disolyte.thermodynamics.montecarlo.energies import CoulombSwaps, SwapEnergies, WeightedSwaps
from disolyte.thermodynamics.montecarlo.schema import ClusterFit
from disolyte.thermodynamics.montecarlo.sites import SwapSites
from disolyte.thermodynamics.schema import RankedEnergiesDoc, Relaxation


@dataclass(frozen=True)
class TrainingSet:
    """Orderings with all their sites, and their energies."""

    cells: list[Atoms]
    """Orderings, vacancies as element X."""
    energies_ev_per_fu: NDArray[np.float64]
    """Energies, shape (n,)."""
    n_formula_units: NDArray[np.float64]
    """Formula units of each, shape (n,)."""
    source: str
    """What gave the energies."""


@dataclass(frozen=True)
class FittedClusters:
    """A fitted cluster expansion."""

    expansion: Any
    """``icet.ClusterExpansion`` of the energy per site."""
    coulomb_weight: float | None
    """Weight of the point charges' energy."""
    fit: ClusterFit
    """How well it fits."""


def _to_cells(cell: OrderingSet) -> list[Atoms]:
    """Orderings of one cell with their vacancies."""
    names = [[_element(species) for species in entry] for entry in cell.site_species]
    return [
        Atoms(
            symbols=[entry[k] for entry, k in zip(names, row, strict=True)],
            scaled_positions=cell.frac_coords,
            cell=cell.lattice_ang,
            pbc=True,
        )
        for row in cell.occupations.to_array()
    ]


def build_training_set(enumeration: EnumerationDoc, ranking: RankedEnergiesDoc | None) -> TrainingSet:
    """Orderings of an enumeration with their best energies.

    Those of a ranking as they are; of a ranking after relaxation the relaxed energies, for the orderings handed on;
    without a ranking the Ewald energies.

    Parameters
    ----------
    enumeration
        Orderings of the composition.
    ranking
        Ranking made from it.

    Raises
    ------
    InputError
        If the ranking was not made from the enumeration.
    """
    everything = [(c, row) for c, cell in enumerate(enumeration.cells) for row in range(cell.n_orderings)]
    if ranking is None:
        energies = np.array([e / cell.n_formula_units for cell in enumeration.cells for e in cell.energies_ev])
        return _training_set(enumeration, everything, energies, enumeration.energy)
    if enumeration.uuid not in {record.uuid for record in ranking.provenance.inputs}:
        raise InputError(
            f"the ranking of {ranking.point.formula} was not made from the enumeration of {enumeration.point.formula} "
            "that is given; hand over the two that belong together"
        )
    if ranking.relaxation is not Relaxation.STATIC or ranking.ordering_energies_ev_per_fu is None:
        energies = np.array(ranking.energies_ev_per_fu)
        return _training_set(enumeration, list(ranking.origins), energies, ranking.model_name)
    energies = ranking.ordering_energies_ev_per_fu.to_array()
    return _training_set(enumeration, everything, energies, ranking.model_name)


def _training_set(
    enumeration: EnumerationDoc, origins: list[tuple[int, int]], energies: NDArray[np.float64], source: str
) -> TrainingSet:
    finite = [position for position, energy in enumerate(energies) if np.isfinite(energy)]
    cells = [_to_cells(cell) for cell in enumeration.cells]
    return TrainingSet(
        cells=[cells[origins[k][0]][origins[k][1]] for k in finite],
        energies_ev_per_fu=energies[finite],
        n_formula_units=np.array([enumeration.cells[origins[k][0]].n_formula_units for k in finite]),
        source=source,
    )


def fit_clusters(
    sites: SwapSites,
    training: TrainingSet,
    *,
    cutoffs_ang: Sequence[float],
    fit_method: str,
    charges: Mapping[str, float] | None,
) -> FittedClusters:
    """Fit a cluster expansion to orderings of a disordered structure.

    Parameters
    ----------
    sites
        Sites of a supercell of the disordered structure.
    training
        Orderings and energies.
    cutoffs_ang
        Longest distance in a cluster of two, three, … sites.
    fit_method
        Regression, by its name in trainstation, e.g. "ardr" or "ridge".
    charges
        Charges of the species, to fit the weight of the point charges' energy, too; None to leave it out.

    Raises
    ------
    MissingExtraError
        If icet is not installed.
    InputError
        If there are too few orderings.
    """
    if find_spec("icet") is None:
        raise MissingExtraError("icet", "cluster")
    from icet import ClusterExpansion, ClusterSpace

    if len(training.cells) < 10:
        raise InputError(
            f"a cluster expansion is to be fitted to {len(training.cells)} orderings; enumerate and rank at least 10"
        )
    allowed = [[name or "X" for name in entry] for entry in sites.allowed]
    space = ClusterSpace(_reference(sites, n_cells=1), list(cutoffs_ang), allowed)
    n_sites = np.array([len(cell) for cell in training.cells])
    targets = training.energies_ev_per_fu * training.n_formula_units / n_sites
    columns = [space.get_cluster_vector(cell)[1:] for cell in training.cells]
    matrix = np.array(columns)
    if charges is not None:
        coulomb = [_coulomb_ev(cell, charges) / len(cell) for cell in training.cells]
        matrix = np.column_stack([coulomb, matrix])
    means, offset = matrix.mean(axis=0), float(targets.mean())
    parameters, cv_rmse, train_rmse = _regress(matrix - means, targets - offset, fit_method)
    weight = float(parameters[0]) if charges is not None else None
    clusters = parameters[1:] if charges is not None else parameters
    constant = offset - float(means @ parameters)
    per_fu = float((n_sites / training.n_formula_units).mean())
    return FittedClusters(
        expansion=ClusterExpansion(space, np.concatenate([[constant], clusters])),
        coulomb_weight=weight,
        fit=ClusterFit(
            n_structures=len(training.cells),
            n_parameters=len(parameters) + 1,
            n_nonzero=int(np.count_nonzero(parameters)) + 1,
            cv_rmse_ev_per_fu=cv_rmse * per_fu,
            train_rmse_ev_per_fu=train_rmse * per_fu,
            spread_ev_per_fu=float(targets.std()) * per_fu,
            coulomb_weight=weight,
            energies=training.source,
        ),
    )


class ClusterSwaps:
    """Energies of a cluster expansion; a proposal costs the clusters of two sites.

    Parameters
    ----------
    sites
        Sites of the supercell.
    fitted
        The cluster expansion.
    n_chains
        Number of chains.
    """

    def __init__(self, sites: SwapSites, fitted: FittedClusters, n_chains: int) -> None:
        from mchammer.calculators import ClusterExpansionCalculator

        self._sites = sites
        self._reference = _reference(sites, sites.n_cells)
        self._numbers = np.array([Atoms(name or "X").numbers[0] for name in sites.species])
        self._calculators = [ClusterExpansionCalculator(self._reference, fitted.expansion) for _ in range(n_chains)]

    def start(self, occupations: NDArray[np.int8]) -> NDArray[np.float64]:
        """See :class:`~disolyte.thermodynamics.montecarlo.energies.SwapEnergies`."""
        self._species = self._numbers[occupations]
        energies = []
        for calculator, row in zip(self._calculators, self._species, strict=True):
            numbers = self._reference.numbers.copy()
            numbers[self._sites.varying] = row
            calculator.set_occupations(numbers.tolist())
            energies.append(calculator.calculate_total(occupations=numbers.tolist()))
        return np.array(energies)

    def propose(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """See :class:`~disolyte.thermodynamics.montecarlo.energies.SwapEnergies`."""
        chains = np.arange(len(first))
        sites = np.stack([self._sites.varying[first], self._sites.varying[second]], axis=1).tolist()
        species = np.stack([self._species[chains, second], self._species[chains, first]], axis=1).tolist()
        self._swap = (first, second, sites, species)
        return np.array(
            [
                calculator.calculate_change(sites=where, current_occupations=[], new_site_occupations=what)
                for calculator, where, what in zip(self._calculators, sites, species, strict=True)
            ]
        )

    def accept(self, accepted: NDArray[np.bool_]) -> None:
        """See :class:`~disolyte.thermodynamics.montecarlo.energies.SwapEnergies`."""
        first, second, sites, species = self._swap
        for chain in np.flatnonzero(accepted):
            self._calculators[chain].accept_change(sites=sites[chain], species=species[chain])
            self._species[chain, [first[chain], second[chain]]] = species[chain]


def cluster_energies(
    sites: SwapSites, fitted: FittedClusters, charges: Mapping[str, float], n_chains: int
) -> SwapEnergies:
    """Energies of the clusters, and of the point charges if they were fitted with them."""
    clusters = ClusterSwaps(sites, fitted, n_chains)
    if fitted.coulomb_weight is None:
        return clusters
    return WeightedSwaps([clusters, CoulombSwaps(sites, charges)], [1.0, fitted.coulomb_weight])


def _reference(sites: SwapSites, n_cells: int) -> Atoms:
    """The supercell, or its first cell, every site with the first of its species."""
    repeats = np.array(sites.repeats)[:, None] if n_cells == 1 else np.ones((3, 1))
    n_sites = n_cells * len(sites.allowed)
    return Atoms(
        symbols=[entry[0] or "X" for entry in sites.allowed] * n_cells,
        positions=sites.frac_coords[:n_sites] @ sites.lattice_ang,
        cell=sites.lattice_ang / repeats,
        pbc=True,
    )


def _regress(
    matrix: NDArray[np.float64], targets: NDArray[np.float64], fit_method: str
) -> tuple[NDArray[np.float64], float, float]:
    """Parameters, and root mean square errors of structures left out and of all."""
    from trainstation import CrossValidationEstimator

    varies = matrix.std(axis=0) > 1e-10  # at one composition the point terms of a sublattice may not
    estimator = CrossValidationEstimator(
        (matrix[:, varies], targets), fit_method=fit_method, n_splits=10, seed=42, check_condition=False
    )
    estimator.validate()
    estimator.train()
    parameters = np.zeros(matrix.shape[1])
    parameters[varies] = estimator.parameters
    return parameters, float(estimator.rmse_validation), float(estimator.rmse_train)


def _coulomb_ev(cell: Atoms, charges: Mapping[str, float]) -> float:
    q = np.array([charges["" if symbol == "X" else symbol] for symbol in cell.get_chemical_symbols()])
    return 0.5 * float(q @ pair_matrix_ev(np.array(cell.cell), cell.get_scaled_positions()) @ q)


def _element(species: str) -> str:
    """Element of a species such as 'Li+'; X for a vacancy."""
    return species.rstrip("+-0123456789.") or "X"
