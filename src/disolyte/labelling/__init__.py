"""Labels: from sampled frames to a dataset worth training on.

Consumes
    :class:`~disolyte.sampling.schema.SampleDoc` (frames of MD runs), or structures.
Produces
    :class:`LabelDoc` (energies, forces and stresses, and the frames set aside with reasons), then :class:`DatasetDoc`
    (training, validation and test sets that share no structure family).

The Makers are in :mod:`disolyte.labelling.makers`; labels and molecular dynamics with VASP, whose import takes seconds,
in :mod:`disolyte.labelling.vasp`, with GPAW and the surrogate in :mod:`disolyte.labelling.calculator_makers`. Datasets
go to files and come from files in :mod:`disolyte.labelling.exchange`, labels of one's own come from files in
:mod:`disolyte.labelling.label_files`.
"""

from disolyte.labelling.dataset import build_dataset
from disolyte.labelling.frames import frames_from_structures
from disolyte.labelling.labels import Label, build_label_doc
from disolyte.labelling.quality import QualityGate
from disolyte.labelling.schema import DatasetDoc, LabelDoc, Rejection, RejectionKind
from disolyte.labelling.splits import SplitFractions
from disolyte.labelling.surrogate import SURROGATE_CAVEAT

__all__ = [
    "SURROGATE_CAVEAT",
    "DatasetDoc",
    "Label",
    "LabelDoc",
    "QualityGate",
    "Rejection",
    "RejectionKind",
    "SplitFractions",
    "build_dataset",
    "build_label_doc",
    "frames_from_structures",
]
