"""The sources of energies that a Monte Carlo run can have: settings, and how each is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from pymatgen.core import Structure

from disolyte.enumeration.schema import EnumerationDoc
from disolyte.errors import InputError
from disolyte.models import ModelSource
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.thermodynamics.energy_source import EnergySource, load_energy_model
from disolyte.thermodynamics.montecarlo.cluster import build_training_set, cluster_energies, fit_clusters
from disolyte.thermodynamics.montecarlo.energies import CoulombSwaps, ModelSwaps, SwapEnergies
from disolyte.thermodynamics.montecarlo.schema import ClusterFit
from disolyte.thermodynamics.montecarlo.sites import SwapSites, read_charges
from disolyte.thermodynamics.schema import RankedEnergiesDoc


@dataclass(frozen=True)
class ElectrostaticEnergy:
    """Energies of point charges: fast, exact at any size, and blind to everything but charge.

    Parameters
    ----------
    permittivity
        Relative permittivity that divides them; 1 for bare charges.
    """

    permittivity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a permittivity that is not positive."""
        if not self.permittivity > 0:
            raise InputError(f"the permittivity is {self.permittivity}; it must be positive")


@dataclass(frozen=True)
class ModelEnergy:
    """Energies of a model, with the ions on the sites of the disordered structure.

    Parameters
    ----------
    foundation
        Model used where none is handed to ``make``.
    device, dtype
        Device and precision of a MACE model.
    max_atoms
        Atoms in one pass of the model; the supercells of all chains share passes.
    """

    foundation: EnergySource = field(default_factory=ModelSource)
    device: str = "cpu"
    dtype: str = "float32"
    max_atoms: int = 4096


@dataclass(frozen=True)
class ClusterEnergy:
    """Energies of a cluster expansion, fitted to enumerated orderings with icet.

    Parameters
    ----------
    cutoffs_ang
        Longest distance in a cluster of two, three, … sites.
    with_coulomb
        Whether the energy of point charges is a term of the fit, for the long range.
    fit_method
        Regression, by its name in trainstation.
    """

    cutoffs_ang: tuple[float, ...] = (7.0, 4.5)
    with_coulomb: bool = True
    fit_method: str = "ardr"

    def __post_init__(self) -> None:
        """Take lists for tuples, which is what JSON makes of them."""
        object.__setattr__(self, "cutoffs_ang", tuple(self.cutoffs_ang))


EnergySetting: TypeAlias = ElectrostaticEnergy | ModelEnergy | ClusterEnergy
"""Which energies to use."""


@dataclass(frozen=True)
class Material:
    """What a run is handed besides its settings."""

    disordered: Structure
    model: ModelDoc | None = None
    enumeration: EnumerationDoc | None = None
    ranking: RankedEnergiesDoc | None = None
    oxidation_states: dict[str, float] | None = None


@dataclass(frozen=True)
class Source:
    """An opened source of energies, and what the document says of it."""

    kind: str
    energies: SwapEnergies
    identity: str
    """What decides the energies, for checkpoints."""
    model: ModelIdentity | None = None
    caveats: list[str] = field(default_factory=list)
    fit: ClusterFit | None = None


def open_source(setting: EnergySetting, sites: SwapSites, material: Material, *, n_chains: int) -> Source:
    """Open the energies that ``setting`` asks for.

    Raises
    ------
    OxidationStateError
        If point charges are asked for and an element has none.
    InputError
        If a cluster expansion is asked for without orderings, or with too few.
    MissingExtraError
        If a cluster expansion is asked for and icet is not installed.
    """
    if isinstance(setting, ModelEnergy):
        return _open_model(setting, sites, material.model)
    if isinstance(setting, ElectrostaticEnergy):
        charges = read_charges(material.disordered, material.oxidation_states)
        screened = {name: charge / setting.permittivity**0.5 for name, charge in charges.items()}
        return Source("electrostatic", CoulombSwaps(sites, screened), str(sorted(screened.items())))
    return _open_clusters(setting, sites, material, n_chains)


def _open_model(setting: ModelEnergy, sites: SwapSites, model: ModelDoc | None) -> Source:
    loaded = load_energy_model(model or setting.foundation, device=setting.device, dtype=setting.dtype)
    return Source(
        "model",
        ModelSwaps(sites, loaded, setting.max_atoms),
        f"{loaded.sha256} {setting.dtype}",
        ModelIdentity(name=loaded.name, sha256=loaded.sha256),
        loaded.caveats,
    )


def _open_clusters(setting: ClusterEnergy, sites: SwapSites, material: Material, n_chains: int) -> Source:
    if material.enumeration is None:
        raise InputError(
            "a cluster expansion is fitted to enumerated orderings; hand make() an EnumerationDoc of the composition"
        )
    charges = read_charges(material.disordered, material.oxidation_states) if setting.with_coulomb else {}
    fitted = fit_clusters(
        sites,
        build_training_set(material.enumeration, material.ranking),
        cutoffs_ang=setting.cutoffs_ang,
        fit_method=setting.fit_method,
        charges=charges or None,
    )
    ranking = material.ranking
    return Source(
        "cluster expansion",
        cluster_energies(sites, fitted, charges, n_chains),
        f"{fitted.coulomb_weight} {fitted.expansion.parameters.tolist()}",
        None if ranking is None else ModelIdentity(name=ranking.model_name, sha256=ranking.model_sha256),
        fit=fitted.fit,
    )
