"""Learning curves: errors against the number of training frames, and whether more frames would still help.

Consumes the errors of models trained on nested subsets of one dataset; produces a
:class:`~disolyte.finetuning.learning_curve.schema.LearningCurveDoc`. The jobs are wired in
:mod:`disolyte.flows.learning_curve`, since they also rank structures and simulate diffusion.
"""
