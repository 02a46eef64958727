"""From MD to transport numbers with honest errors, and the mechanism behind them.

Consumes unwrapped displacements (in a flow: an ordered structure and a model); produces diffusivities, conductivities
and Haven ratios with a verdict per temperature, and the Arrhenius line of each composition; and the density of the
mobile ions, their sites, jumps and percolating paths.
"""

from disolyte.diffusion.analysis import analyse_displacements
from disolyte.diffusion.arrhenius import ArrheniusFit, ExtrapolatedDiffusivity, fit_arrhenius
from disolyte.diffusion.density import ProbabilityDensity, probability_density
from disolyte.diffusion.gates import TrustGates, Verdict
from disolyte.diffusion.mechanism import Mechanism, analyse_mechanism
from disolyte.diffusion.rdf import RadialDistributions, radial_distributions
from disolyte.diffusion.references import ReferenceKind, ReferenceLine, published_lines
from disolyte.diffusion.schedule import ErrorTarget, LengthRule, MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionDoc, DiffusionMDDoc, MechanismDoc, TransportDoc
from disolyte.diffusion.sites import HostSites, host_sites, place_host
from disolyte.diffusion.summary import TableTemperatures
from disolyte.diffusion.tensor import PlanarDiffusivity, PrincipalAxes, TensorEstimate, planar_diffusivity
from disolyte.diffusion.transport import DiffusionResult, MsdCurves, TransportCoefficients

__all__ = [
    "ArrheniusFit",
    "DiffusionDoc",
    "DiffusionMDDoc",
    "DiffusionResult",
    "ErrorTarget",
    "ExtrapolatedDiffusivity",
    "HostSites",
    "LengthRule",
    "MDSchedule",
    "Mechanism",
    "MechanismDoc",
    "MobileIon",
    "MsdCurves",
    "PlanarDiffusivity",
    "PrincipalAxes",
    "ProbabilityDensity",
    "RadialDistributions",
    "ReferenceKind",
    "ReferenceLine",
    "TableTemperatures",
    "TensorEstimate",
    "TransportCoefficients",
    "TransportDoc",
    "TrustGates",
    "Verdict",
    "analyse_displacements",
    "analyse_mechanism",
    "fit_arrhenius",
    "host_sites",
    "place_host",
    "planar_diffusivity",
    "probability_density",
    "published_lines",
    "radial_distributions",
]
