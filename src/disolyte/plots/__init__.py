"""Figures from documents.

Consumes the documents of the stages; produces matplotlib figures, and writes no files. Every figure that rests on
caveats says so below its axes.
"""

from disolyte.plots.committee import plot_committee
from disolyte.plots.density import plot_density, plot_isosurface
from disolyte.plots.hopping import plot_jump_network, plot_rdf
from disolyte.plots.hull import plot_formation_energy, plot_hull, plot_ternary_map
from disolyte.plots.lattice import plot_lattice_constants
from disolyte.plots.learning import plot_learning_curve
from disolyte.plots.monte_carlo import plot_monte_carlo
from disolyte.plots.planes import plot_planar_table
from disolyte.plots.stability import plot_stability
from disolyte.plots.style import pretty_formula
from disolyte.plots.training import plot_parity, plot_training
from disolyte.plots.transport import TransportQuantity, plot_arrhenius, plot_msd

__all__ = [
    "TransportQuantity",
    "plot_arrhenius",
    "plot_committee",
    "plot_density",
    "plot_formation_energy",
    "plot_hull",
    "plot_isosurface",
    "plot_jump_network",
    "plot_lattice_constants",
    "plot_learning_curve",
    "plot_monte_carlo",
    "plot_msd",
    "plot_parity",
    "plot_planar_table",
    "plot_rdf",
    "plot_stability",
    "plot_ternary_map",
    "plot_training",
    "pretty_formula",
]
