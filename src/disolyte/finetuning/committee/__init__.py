"""Committees: several models that differ by their seeds, whose disagreement says where they may be wrong.

Consumes fine-tuned models of one dataset; produces a :class:`CommitteeDoc` with the spread's calibration against true
errors, the predictor :class:`Committee`, and an :class:`UncertainFramesDoc` with the frames to label next.
"""

from disolyte.finetuning.committee.calibration import Scatter, calibrate, coverage, fit_scale, rank_correlation
from disolyte.finetuning.committee.predictor import Committee
from disolyte.finetuning.committee.schema import Calibration, CommitteeDoc, UncertainFramesDoc
from disolyte.finetuning.committee.selection import UncertainFrameChoice, UncertainQuantity, select_uncertain
from disolyte.finetuning.committee.spread import CommitteePredictions, combine_predictions

__all__ = [
    "Calibration",
    "Committee",
    "CommitteeDoc",
    "CommitteePredictions",
    "Scatter",
    "UncertainFrameChoice",
    "UncertainFramesDoc",
    "UncertainQuantity",
    "calibrate",
    "combine_predictions",
    "coverage",
    "fit_scale",
    "rank_correlation",
    "select_uncertain",
]
