"""Stability of trained models in molecular dynamics: does the energy diverge, do atoms come too close.

Consumes :class:`~disolyte.models.schema.ModelDoc` documents and structures; produces a
:class:`~disolyte.finetuning.stability.schema.StabilityDoc`. A low error on test frames does not tell: models trained
from scratch were seen to blow up in runs that fine-tuned ones stand.
"""
