"""Document of a student: a model, and how it compares with its teacher."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from disolyte.models.schema import HeadErrors, ModelDoc, ModelIdentity, QuantityErrors
from disolyte.records import Record


class SpeedComparison(Record):
    """MD steps per second of teacher and student on one cell, on one machine, in one job."""

    model_config = ConfigDict(frozen=True)

    teacher_steps_per_s: float = Field(description="Steps per second with the teacher.")
    student_steps_per_s: float = Field(description="Steps per second with the student.")
    formula: str = Field(description="The cell.")
    n_atoms: int = Field(description="Its atoms.")
    device: str = Field(description="torch device.")
    dtype: str = Field(description="Precision.")
    n_threads: int = Field(description="Threads of torch on the CPU.")
    machine: str = Field(description="Processor or GPU.")

    @property
    def ratio(self) -> float:
        """How many times as fast the student is."""
        return self.student_steps_per_s / self.teacher_steps_per_s


class StudentDoc(ModelDoc):
    """A small model that learnt from a larger one; it can be used wherever a ModelDoc can.

    ``errors`` are those against the dataset's own labels, where a dataset was given; ``teacher_agreement`` are those
    against the teacher, on frames of which neither it nor a relative was learnt from.
    """

    teacher: ModelIdentity = Field(description="The teacher.")
    teacher_agreement: HeadErrors = Field(description="Student against teacher on frames held out.")
    teacher_scatter: QuantityErrors = Field(
        description="The same if the student predicted the means: how much there was to learn on these frames."
    )
    teacher_errors: list[HeadErrors] = Field(
        default_factory=list, description="Teacher against the dataset's labels on its test frames."
    )
    speed: SpeedComparison = Field(description="How much faster MD is with the student.")
    n_parameters: int = Field(description="Weights of the student.")
    n_teacher_parameters: int = Field(description="Weights of the teacher.")
    n_train: int = Field(description="Frames it learnt from.")
    n_valid: int = Field(description="Frames that decided when to stop.")
    n_held_out: int = Field(description="Frames of the comparison with its teacher.")
    n_left_out: int = Field(description="Frames left out because the teacher's forces were too large.")
