"""Distillation: a small, fast model taught by a large one.

Consumes a teacher and frames, of a :class:`~disolyte.labelling.schema.DatasetDoc` or a sample; produces a
:class:`StudentDoc`, a :class:`~disolyte.models.schema.ModelDoc` that also says how far the student is from its teacher,
how far both are from the labels, and how much faster its dynamics run.
"""

from disolyte.finetuning.distillation.frames import StudentFrames
from disolyte.finetuning.distillation.schema import SpeedComparison, StudentDoc
from disolyte.finetuning.distillation.speed import SpeedTest

__all__ = ["SpeedComparison", "SpeedTest", "StudentDoc", "StudentFrames"]
