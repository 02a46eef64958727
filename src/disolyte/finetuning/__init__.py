"""Fine-tuning of a foundation model on a labelled dataset, in a process of its own.

Consumes a :class:`~disolyte.labelling.schema.DatasetDoc` and a foundation model; produces a
:class:`~disolyte.models.schema.ModelDoc` with its weights, its training record and its errors.
"""
