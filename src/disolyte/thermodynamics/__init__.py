"""Energies, convex hulls and the selection of structures.

Consumes orderings (:class:`~disolyte.enumeration.schema.EnumerationDoc`) and a model; produces
:class:`RankedEnergiesDoc` for each composition, :class:`SelectionDoc` for all of them, and with the fine-tuned model
:class:`PhaseDiagramDoc`.
"""

from disolyte.thermodynamics.agreement import compare_rankings
from disolyte.thermodynamics.hull import Phase, mixing_hull, mixing_shares
from disolyte.thermodynamics.schema import (
    MixingHull,
    PackedStructures,
    PhaseDiagramDoc,
    PhaseRow,
    RankAgreement,
    RankedEnergiesDoc,
    Relaxation,
    RelaxationProtocol,
    SelectedStructure,
    SelectionDoc,
)
from disolyte.thermodynamics.selection import boltzmann_probabilities, draw_structures

__all__ = [
    "MixingHull",
    "PackedStructures",
    "Phase",
    "PhaseDiagramDoc",
    "PhaseRow",
    "RankAgreement",
    "RankedEnergiesDoc",
    "Relaxation",
    "RelaxationProtocol",
    "SelectedStructure",
    "SelectionDoc",
    "boltzmann_probabilities",
    "compare_rankings",
    "draw_structures",
    "mixing_hull",
    "mixing_shares",
]
