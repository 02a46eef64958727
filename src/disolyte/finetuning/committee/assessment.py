"""Judge a committee by labelled frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase import Atoms

from disolyte.blobs import Blob
from disolyte.errors import InputError
from disolyte.finetuning.committee.calibration import Scatter, calibrate
from disolyte.finetuning.committee.predictor import Committee
from disolyte.finetuning.committee.schema import Calibration, CommitteeMember, FrameScatter
from disolyte.finetuning.committee.spread import CommitteePredictions, combine_predictions
from disolyte.finetuning.metrics import head_errors, pair_with_labels, quantity_errors
from disolyte.finetuning.options import TARGET_HEAD
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loaded import LoadedModel
from disolyte.models.schema import HeadErrors, ModelDoc, QuantityErrors

LEAST_RANK_CORRELATION: Final = 0.3
"""Rank correlation of spread and error below which frames chosen by the spread are hardly better than random ones."""


@dataclass(frozen=True)
class Assessment:
    """What labelled frames say of a committee; fields as of the CommitteeDoc, and the errors of each member."""

    errors: HeadErrors
    member_errors: list[QuantityErrors]
    energies: Calibration
    forces: Calibration
    frames: FrameScatter


def check_members(members: Sequence[ModelDoc], dataset_sha256: str) -> None:
    """Refuse members that do not belong together, before any of them is loaded.

    Raises
    ------
    InputError
        If one of them was trained on other data.
    """
    for index, member in enumerate(members):
        if member.dataset_sha256 != dataset_sha256:
            known = "no known dataset" if member.dataset_sha256 is None else f"dataset {member.dataset_sha256[:12]}…"
            raise InputError(
                f"member {index} ({member.name}) was trained on {known}, the committee is to be judged on "
                f"{dataset_sha256[:12]}…: its test frames may be among those it learnt; train all on one dataset"
            )


def assess_committee(
    models: Sequence[LoadedModel], valid: Sequence[Atoms], test: Sequence[Atoms], *, batch_size: int = 16
) -> Assessment:
    """Fit the scales of the spreads on ``valid``, and judge spreads and means on ``test``.

    Parameters
    ----------
    models
        The members.
    valid, test
        Frames with ``REF_energy``, ``REF_forces`` and, maybe, ``REF_stress``.
    batch_size
        Frames in one pass.

    Raises
    ------
    InputError
        If there are no frames, or the members do not differ on them.
    """
    for name, frames in (("validation", valid), ("test", test)):
        if not frames:
            raise InputError(
                f"the dataset has no {name} frames; a committee is calibrated on validation and test frames"
            )
    fitted = combine_predictions([model.predict(valid, batch_size=batch_size) for model in models])
    alone = [model.predict(test, batch_size=batch_size) for model in models]
    tested = combine_predictions(alone)
    energy_fit, force_fit = _energy_scatter(fitted, valid), _force_scatter(fitted, valid)
    energy_test, force_test = _energy_scatter(tested, test), _force_scatter(tested, test)
    force_frames = _frame_forces(tested, test)
    freedom = len(models) - 1
    return Assessment(
        member_errors=[quantity_errors(pair_with_labels(predictions, test)) for predictions in alone],
        errors=head_errors(pair_with_labels(tested, test), test, head=TARGET_HEAD, split="test"),
        energies=calibrate(
            energy_fit, energy_test, name="energies", unit="eV/atom", degrees_of_freedom=freedom, frames=energy_test
        ),
        # The variance of an atom's force is the mean over three components, each with N - 1 degrees of freedom.
        forces=calibrate(
            force_fit, force_test, name="forces", unit="eV/Å", degrees_of_freedom=3 * freedom, frames=force_frames
        ),
        frames=FrameScatter(
            energy_spreads_ev_per_atom=Blob.from_array(energy_test.spreads),
            energy_errors_ev_per_atom=Blob.from_array(energy_test.errors),
            force_spreads_ev_per_ang=Blob.from_array(force_frames.spreads),
            force_errors_ev_per_ang=Blob.from_array(force_frames.errors),
        ),
    )


def judge_committee(committee: Committee, documents: Sequence[ModelDoc], dataset: DatasetDoc) -> dict[str, Any]:
    """Fields of the document: the members, and what the labelled frames of their dataset say of them.

    Parameters
    ----------
    committee
        The committee, without scales.
    documents
        Document of each member, or of the model whose head it is.
    dataset
        The dataset that they were trained on.

    Raises
    ------
    InputError
        If there are no validation or test frames, or the members do not differ on them.
    """
    dataset.check_hash()
    result = vars(assess_committee(committee.models, dataset.to_atoms("valid"), dataset.to_atoms("test")))
    members = [
        CommitteeMember(
            name=model.name, sha256=model.sha256, uuid=document.uuid, seed=document.provenance.seed, errors=errors
        )
        for model, document, errors in zip(committee.models, documents, result.pop("member_errors"), strict=True)
    ]
    return result | {
        "members": members,
        "elements": list(committee.elements),
        "foundation": documents[0].foundation,
        "dataset_sha256": dataset.dataset_sha256,
        "label_method": dataset.label_method,
        "is_surrogate": dataset.is_surrogate,
    }


def ranking_caveats(calibrations: Sequence[Calibration]) -> list[str]:
    """What a reader must know of spreads that do not tell good frames from bad ones."""
    return [
        f"the committee's spread of {found.quantity} hardly ranks errors: rank correlation "
        f"{'unknown' if found.spearman is None else f'{found.spearman:.2f}'} on the test frames, at least "
        f"{LEAST_RANK_CORRELATION:g} is wanted"
        for found in calibrations
        if found.spearman is None or not found.spearman >= LEAST_RANK_CORRELATION
    ]


def _energy_scatter(predictions: CommitteePredictions, frames: Sequence[Atoms]) -> Scatter:
    """One value for each frame, eV/atom."""
    labels = np.array([float(atoms.info["REF_energy"]) for atoms in frames])
    sizes = np.array([len(atoms) for atoms in frames])
    return Scatter(predictions.energy_spreads_ev_per_atom, (predictions.energies_ev - labels) / sizes)


def _force_scatter(predictions: CommitteePredictions, frames: Sequence[Atoms]) -> Scatter:
    """One spread for each atom, and the errors of its three components, eV/Å."""
    labels = np.concatenate([atoms.arrays["REF_forces"] for atoms in frames])
    return Scatter(
        np.concatenate(predictions.force_spreads_ev_per_ang), np.concatenate(predictions.forces_ev_per_ang) - labels
    )


def _frame_forces(predictions: CommitteePredictions, frames: Sequence[Atoms]) -> Scatter:
    """One value for each frame: root mean squares over its force components, eV/Å."""
    errors = [
        float(np.sqrt(np.mean((forces - atoms.arrays["REF_forces"]) ** 2)))
        for forces, atoms in zip(predictions.forces_ev_per_ang, frames, strict=True)
    ]
    return Scatter(predictions.frame_force_spreads_ev_per_ang, np.array(errors))
