"""Labels of single frames, and the documents that hold many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disolyte.blobs import Blob
from disolyte.errors import DatasetError
from disolyte.labelling.frames import frame_slices, select_frames
from disolyte.labelling.schema import LabelDoc, Rejection, RejectionKind
from disolyte.sampling.schema import FrameBatch


@dataclass(frozen=True)
class Failure:
    """Why a frame got no label."""

    kind: RejectionKind
    reason: str


@dataclass(frozen=True)
class Label:
    """Label of one frame.

    Parameters
    ----------
    energy_ev
        Energy of the cell.
    forces_ev_per_ang
        Forces, shape (n_atoms, 3), in the order of the frame's atoms.
    stress_ev_per_ang3
        Stress, shape (3, 3), positive under tension.
    """

    energy_ev: float
    forces_ev_per_ang: NDArray[np.float64]
    stress_ev_per_ang3: NDArray[np.float64]

    @property
    def is_finite(self) -> bool:
        """Whether no number of the label is NaN or infinite."""
        parts = (self.energy_ev, self.forces_ev_per_ang, self.stress_ev_per_ang3)
        return all(bool(np.isfinite(part).all()) for part in parts)


@dataclass(frozen=True)
class LabelledFrame:
    """A frame with its label and where it comes from.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (n_atoms,).
    positions_ang
        Cartesian positions, shape (n_atoms, 3).
    cell_ang
        Cell vectors as rows, shape (3, 3).
    label
        Energy, forces and stress.
    family
        Structure family.
    composition
        Reduced formula.
    md_step
        Step of the MD run.
    """

    numbers: NDArray[np.int64]
    positions_ang: NDArray[np.float64]
    cell_ang: NDArray[np.float64]
    label: Label
    family: str
    composition: str
    md_step: int

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.numbers)

    @cached_property
    def structure_sha256(self) -> str:
        """Hash of cell, elements and positions, rounded to 1e-6 Å; the order of the atoms does not matter."""
        atoms = np.column_stack([self.numbers.astype("<i8"), _rounded(self.positions_ang)])
        parts = (_rounded(self.cell_ang), atoms[np.lexsort(atoms.T)])
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    @property
    def sort_key(self) -> tuple[str, int, str, float]:
        """Key of an order that does not depend on the order of arrival."""
        return self.family, self.md_step, self.structure_sha256, self.label.energy_ev

    def reject(self, kind: RejectionKind, reason: str) -> Rejection:
        """Record that sets this frame aside."""
        return Rejection(
            kind=kind, reason=reason, family=self.family, composition=self.composition, md_step=self.md_step
        )


def _rounded(array: NDArray[np.float64]) -> NDArray[np.int64]:
    """Micro-ångström as integers, so that -0.0 and 0.0 are one."""
    return np.rint(np.asarray(array, dtype=float) * 1e6).astype("<i8")


def reject_frame(frames: FrameBatch, index: int, failure: Failure) -> Rejection:
    """Record that sets frame ``index`` of a batch aside."""
    return Rejection(
        kind=failure.kind,
        reason=failure.reason,
        family=frames.family[index],
        composition=frames.composition[index],
        md_step=frames.md_step[index],
    )


def build_label_doc(
    frames: FrameBatch,
    results: Sequence[Label | Failure],
    *,
    label_method: str,
    is_surrogate: bool,
    record: dict[str, Any],
) -> LabelDoc:
    """Gather the results of a batch.

    Parameters
    ----------
    frames
        All frames that were to be labelled.
    results
        A label or a failure for each frame.
    label_method
        What made the labels.
    is_surrogate
        Whether that is a surrogate.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the document.

    Returns
    -------
    LabelDoc
        The labelled frames, and rejections for the others.
    """
    labels = {index: result for index, result in enumerate(results) if isinstance(result, Label)}
    forces = [label.forces_ev_per_ang for label in labels.values()]
    stresses = [label.stress_ev_per_ang3 for label in labels.values()]
    return LabelDoc(
        frames=select_frames(frames, list(labels)),
        energies_ev=[label.energy_ev for label in labels.values()],
        forces_ev_per_ang=Blob.from_array(np.concatenate([np.empty((0, 3)), *forces])),
        stresses_ev_per_ang3=Blob.from_array(np.array(stresses, dtype=float).reshape(-1, 3, 3)),
        label_method=label_method,
        is_surrogate=is_surrogate,
        rejections=[
            reject_frame(frames, index, result) for index, result in enumerate(results) if isinstance(result, Failure)
        ],
        **record,
    )


def merge_label_docs(
    documents: Sequence[LabelDoc], *, record: dict[str, Any], more_rejections: Sequence[Rejection] = ()
) -> LabelDoc:
    """Join the labels of several batches into one document, in order.

    Parameters
    ----------
    documents
        Label documents of one method; those without any labelled frame count with their rejections only.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the document.
    more_rejections
        Rejections that no document holds.

    Returns
    -------
    LabelDoc
        All labels.

    Raises
    ------
    DatasetError
        If there is no document, or labels of more than one method.
    """
    if not documents:
        raise DatasetError("there are no labels to join; the labelling jobs left no document")
    labelled = [document for document in documents if document.n_labelled] or list(documents[:1])
    label_method = require_one_method(labelled)
    return LabelDoc(
        frames=FrameBatch.concatenate([document.frames for document in labelled]),
        energies_ev=[energy for document in labelled for energy in document.energies_ev],
        forces_ev_per_ang=_join([document.forces_ev_per_ang for document in labelled]),
        stresses_ev_per_ang3=_join([document.stresses_ev_per_ang3 for document in labelled]),
        label_method=label_method,
        is_surrogate=labelled[0].is_surrogate,
        rejections=[*(item for document in documents for item in document.rejections), *more_rejections],
        **record,
    )


def require_one_method(documents: Sequence[LabelDoc]) -> str:
    """Return the label method that all documents share.

    Raises
    ------
    DatasetError
        If labels of more than one functional or code are mixed.
    """
    counts: dict[str, int] = {}
    for document in documents:
        counts[document.label_method] = counts.get(document.label_method, 0) + document.n_labelled
    if len(counts) != 1 or len({document.is_surrogate for document in documents}) != 1:
        found = "; ".join(f"{count} frames by {method}" for method, count in sorted(counts.items()))
        raise DatasetError(
            f"labels of different methods cannot be mixed, their energies have different zeros: {found}; "
            "make one dataset per method"
        )
    return next(iter(counts))


def iter_labelled_frames(document: LabelDoc) -> Iterator[LabelledFrame]:
    """Yield the labelled frames of a document one by one."""
    frames = document.frames
    numbers, positions = frames.numbers.to_array(), frames.positions_ang.to_array()
    cells = frames.cells_ang.to_array()
    forces, stresses = document.forces_ev_per_ang.to_array(), document.stresses_ev_per_ang3.to_array()
    for index, atoms in enumerate(frame_slices(frames)):
        yield LabelledFrame(
            numbers=numbers[atoms].astype(np.int64),
            positions_ang=positions[atoms].astype(float),
            cell_ang=cells[index].astype(float),
            label=Label(document.energies_ev[index], forces[atoms].astype(float), stresses[index].astype(float)),
            family=frames.family[index],
            composition=frames.composition[index],
            md_step=frames.md_step[index],
        )


def _join(blobs: Sequence[Blob]) -> Blob:
    return Blob.from_array(np.concatenate([blob.to_array() for blob in blobs]))
