"""From MD to transport numbers with honest errors.

Consumes unwrapped displacements (in a flow: an ordered structure and a model); produces diffusivities, conductivities
and Haven ratios with a verdict per temperature, and the Arrhenius line of each composition.
"""

from disolyte.diffusion.analysis import analyse_displacements
from disolyte.diffusion.arrhenius import ArrheniusFit, ExtrapolatedDiffusivity, fit_arrhenius
from disolyte.diffusion.density import ProbabilityDensity, probability_density
from disolyte.diffusion.gates import TrustGates, Verdict
from disolyte.diffusion.schedule import LengthRule, MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionDoc, DiffusionMDDoc, TransportDoc
from disolyte.diffusion.summary import TableTemperatures
from disolyte.diffusion.tensor import PlanarDiffusivity, PrincipalAxes, TensorEstimate, planar_diffusivity
from disolyte.diffusion.transport import DiffusionResult, MsdCurves, TransportCoefficients

__all__ = [
    "ArrheniusFit",
    "DiffusionDoc",
    "DiffusionMDDoc",
    "DiffusionResult",
    "ExtrapolatedDiffusivity",
    "LengthRule",
    "MDSchedule",
    "MobileIon",
    "MsdCurves",
    "PlanarDiffusivity",
    "PrincipalAxes",
    "ProbabilityDensity",
    "TableTemperatures",
    "TensorEstimate",
    "TransportCoefficients",
    "TransportDoc",
    "TrustGates",
    "Verdict",
    "analyse_displacements",
    "fit_arrhenius",
    "planar_diffusivity",
    "probability_density",
]
