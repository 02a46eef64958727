"""Flows over several stages: the training set, and the whole way from a disordered system to its conductivity.

Consumes a :class:`~disolyte.systems.DisorderedSystem`; produces the documents of all stages. Wiring only.
"""

from disolyte.flows.learning_curve import LearningCurveMaker
from disolyte.flows.pipeline import DisorderedElectrolyteFlowMaker
from disolyte.flows.training_set import TrainingSetFlowMaker

__all__ = ["DisorderedElectrolyteFlowMaker", "LearningCurveMaker", "TrainingSetFlowMaker"]
