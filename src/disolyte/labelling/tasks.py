"""From the document of a DFT code to a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.labelling.frames import frame_structures
from disolyte.labelling.label_settings import LabelSettings, task_settings
from disolyte.labelling.labels import Failure, Label, iter_labelled_frames
from disolyte.labelling.schema import LabelDoc, RejectionKind
from disolyte.sampling.schema import FrameBatch
from disolyte.units import EV_PER_ANG3_PER_KBAR

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc


POSITION_TOLERANCE_ANG: Final = 1e-3
"""Largest distance between an atom of the frame and its partner in the calculation."""

_FAILURE_KEY: Final = "disolyte_failure"


def label_from_task(task: TaskDoc, frame: Structure, *, settings: LabelSettings | None = None) -> Label | Failure:
    """Label of a frame from a VASP task document.

    The energy is the free energy of the last ionic step, of which VASP's forces and stress are the derivatives (for an
    insulator all of VASP's energies agree). VASP's stress, kbar and positive under compression, changes sign and unit.
    Input sets sort atoms by element, so that each atom is first found again by its element and place.

    Parameters
    ----------
    task
        Document of a single point.
    frame
        The structure that was to be labelled.
    settings
        Settings that the calculation must have used; None accepts all.

    Returns
    -------
    Label or Failure
        The label, or why there is none.
    """
    where = f"see {task.dir_name}"
    refusal = _refuse_task(task, settings)
    if refusal is not None:
        return refusal
    energy, forces, stress, structure = _last_step(task)
    if energy is None or forces is None or stress is None or structure is None:
        return Failure(RejectionKind.CALCULATION_FAILED, f"energy, forces or stress are missing; {where}")
    order = match_atoms(frame, structure)
    if order is None:
        return Failure(
            RejectionKind.STRUCTURE_MISMATCH,
            f"the calculation holds {structure.formula}, whose cell or atoms differ from the frame's "
            f"{frame.formula} by more than {POSITION_TOLERANCE_ANG} Å; {where}",
        )
    label = Label(
        energy_ev=float(energy),
        forces_ev_per_ang=np.asarray(forces, dtype=float)[order],
        stress_ev_per_ang3=-np.asarray(stress, dtype=float) * EV_PER_ANG3_PER_KBAR,
    )
    if not label.is_finite:
        return Failure(RejectionKind.NOT_FINITE, f"energy, forces or stress are NaN or infinite; {where}")
    return label


def _refuse_task(task: TaskDoc, settings: LabelSettings | None) -> Failure | None:
    """Why the calculation as a whole is no label, if it is none."""
    reported = reported_failure(task)
    if reported is not None:
        return reported
    where = f"see {task.dir_name}"
    if _text(task.state) != "successful":
        return Failure(RejectionKind.UNCONVERGED, f"the calculation ended as {_text(task.state)!r}; {where}")
    differences = [] if settings is None else task_settings(task).differences(settings)
    if differences:
        return Failure(RejectionKind.WRONG_SETTINGS, f"the calculation used {', '.join(differences)}; {where}")
    return None


def failed_task_fields(failure: Failure) -> dict[str, Any]:
    """Fields of the task document of a run that failed; :func:`reported_failure` reads them."""
    # emmet cannot read a document without calcs_reversed back
    said = {_FAILURE_KEY: {"kind": failure.kind.value, "reason": failure.reason}}
    return {"state": "error", "calcs_reversed": [], "additional_json": said}


def reported_failure(task: TaskDoc) -> Failure | None:
    """Failure that the task document of a run that failed tells of, if it does."""
    said = (getattr(task, "additional_json", None) or {}).get(_FAILURE_KEY)
    return None if said is None else Failure(RejectionKind(said["kind"]), said["reason"])


def label_from_doc(document: LabelDoc, frame: Structure) -> Label | Failure:
    """Label of a frame from the label document of a one-structure labeller."""
    if document.rejections:
        rejection = document.rejections[0]
        return Failure(rejection.kind, rejection.reason)
    labelled = list(iter_labelled_frames(document))
    order = match_atoms(frame, frame_structures(document.frames)[0]) if len(labelled) == 1 else None
    if order is None:
        return Failure(
            RejectionKind.STRUCTURE_MISMATCH, f"the labeller returned another structure than {frame.formula}"
        )
    label = labelled[0].label
    if not label.is_finite:
        return Failure(RejectionKind.NOT_FINITE, "energy, forces or stress are NaN or infinite")
    return Label(label.energy_ev, label.forces_ev_per_ang[order], label.stress_ev_per_ang3)


def label_frame(
    result: TaskDoc | LabelDoc | None,
    frames: FrameBatch,
    *,
    settings: LabelSettings | None = None,
    job: str = "unknown",
) -> Label | Failure:
    """Label of the one frame in ``frames`` from whatever its labeller left.

    Parameters
    ----------
    result
        The labeller's document; None if it failed before writing one.
    frames
        Batch of one frame.
    settings
        Settings that a VASP calculation must have used.
    job
        uuid of the labeller's job, for the reason of a failure.

    Returns
    -------
    Label or Failure
        The label, or why there is none.
    """
    if result is None:
        return Failure(RejectionKind.CALCULATION_FAILED, f"the labelling job {job} failed and left no document")
    frame = frame_structures(frames)[0]
    try:
        if isinstance(result, LabelDoc):
            return label_from_doc(result, frame)
        return label_from_task(result, frame, settings=settings)
    except Exception as error:
        # Labellers are anybody's: one odd frame must not cost those that share its chunk.
        what = f"a {type(result).__name__} that is no label: {type(error).__name__}: {error}"
        return Failure(RejectionKind.CALCULATION_FAILED, f"the labelling job {job} left {what}")


def match_atoms(frame: Structure, other: Structure) -> NDArray[np.int64] | None:
    """For each atom of ``frame``, the index of the same atom in ``other``.

    Returns
    -------
    numpy.ndarray or None
        Indices, shape (n_atoms,); None if the cells differ, or not every atom has its partner within
        :data:`POSITION_TOLERANCE_ANG`.
    """
    if len(frame) != len(other) or not np.allclose(
        frame.lattice.matrix, other.lattice.matrix, rtol=0, atol=POSITION_TOLERANCE_ANG
    ):
        return None
    distances = frame.lattice.get_all_distances(frame.frac_coords, other.frac_coords)
    other_numbers = np.array(other.atomic_numbers)
    distances[np.array(frame.atomic_numbers)[:, None] != other_numbers[None, :]] = np.inf
    order = distances.argmin(axis=1)
    nearest = distances[np.arange(len(frame)), order]
    if len(set(order)) != len(frame) or not (nearest <= POSITION_TOLERANCE_ANG).all():
        return None
    return order.astype(np.int64)


def _last_step(task: TaskDoc) -> tuple[float | None, Any, Any, Structure | None]:
    """Free energy, forces, stress (kbar) and structure of the last ionic step."""
    calculation = task.calcs_reversed[0] if task.calcs_reversed else None
    steps = getattr(getattr(calculation, "output", None), "ionic_steps", None)
    if steps and steps[-1].e_fr_energy is not None:
        step = steps[-1]
        return step.e_fr_energy, step.forces, step.stress, step.structure or task.structure
    output = task.output
    if output is None:
        return None, None, None, None
    return output.energy, output.forces, output.stress, output.structure or task.structure


def _text(value: Any) -> str:
    """Value of an enum, or the string itself."""
    return str(getattr(value, "value", value))
