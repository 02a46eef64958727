"""disolyte: from a disordered, multi-component solid electrolyte to its ionic conductivity.

Makers are jobflow Makers; documents are what their jobs return. Everything here is loaded when first used, so that
``import disolyte`` is fast and touches nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

__version__ = "0.1.0"

_HOMES: Final = {
    "disolyte.systems": ("DisorderedSystem", "GridPoint", "get_system"),
    "disolyte.enumeration": ("OrderingSpace",),
    "disolyte.enumeration.makers": ("EnumerationMaker",),
    "disolyte.enumeration.schema": ("EnumerationDoc",),
    "disolyte.models": ("ModelSource",),
    "disolyte.models.schema": ("ModelDoc",),
    "disolyte.thermodynamics.makers": ("HullSelectionMaker", "PhaseDiagramMaker", "RankingMaker"),
    "disolyte.thermodynamics.schema": ("PhaseDiagramDoc", "RankedEnergiesDoc", "SelectionDoc"),
    "disolyte.thermodynamics.montecarlo.makers": ("MonteCarloMaker",),
    "disolyte.thermodynamics.montecarlo.schema": ("MonteCarloDoc",),
    "disolyte.sampling.makers": ("MaceMDSamplerMaker",),
    "disolyte.sampling.schema": ("SampleDoc",),
    "disolyte.labelling.makers": ("DatasetMaker", "LabelMaker", "SurrogateStaticMaker"),
    "disolyte.labelling.calculator_makers": ("AimdMaker", "GpawScanStaticMaker", "VaspAimdMaker"),
    "disolyte.labelling.vasp": ("ScanDoubleStaticMaker", "ScanStaticMaker"),
    "disolyte.labelling.schema": ("AimdDoc", "DatasetDoc", "LabelDoc"),
    "disolyte.finetuning.makers": ("FinetuneMaker", "ScratchTrainMaker"),
    "disolyte.finetuning.learning_curve.schema": ("LearningCurveDoc",),
    "disolyte.finetuning.committee": ("Committee",),
    "disolyte.finetuning.committee.makers": (
        "CommitteeFlowMaker",
        "CommitteeMaker",
        "LastLayerCommitteeMaker",
        "UncertainFramesMaker",
    ),
    "disolyte.finetuning.committee.schema": ("CommitteeDoc", "UncertainFramesDoc"),
    "disolyte.finetuning.distillation.makers": ("DistillationMaker",),
    "disolyte.finetuning.distillation.schema": ("StudentDoc",),
    "disolyte.finetuning.stability.makers": ("StabilityMaker",),
    "disolyte.finetuning.stability.schema": ("StabilityDoc",),
    "disolyte.diffusion": ("analyse_displacements", "fit_arrhenius"),
    "disolyte.diffusion.makers": ("DiffusionMaker", "MechanismMaker"),
    "disolyte.diffusion.schema": ("DiffusionDoc", "MechanismDoc", "TransportDoc"),
    "disolyte.flows.learning_curve": ("LearningCurveMaker",),
    "disolyte.flows": ("DisorderedElectrolyteFlowMaker", "TrainingSetFlowMaker"),
    "disolyte.results": ("Results",),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'disolyte' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    """All public names."""
    return [*__all__, "__version__"]
