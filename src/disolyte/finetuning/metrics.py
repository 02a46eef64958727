"""Errors of a model on labelled frames, by our own code: mace prints its tables as text only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from disolyte.blobs import Blob
from disolyte.finetuning.frames import composition_of
from disolyte.models.loaded import LoadedModel, Predictions
from disolyte.models.schema import HeadErrors, ParityData, QuantityErrors


@dataclass(frozen=True)
class Parity:
    """Reference and predicted values on a list of frames; index 0 is the reference, 1 the prediction."""

    energies_ev_per_atom: NDArray[np.float64]
    """Shape (2, n_frames)."""
    forces_ev_per_ang: NDArray[np.float64]
    """Shape (2, total atoms, 3)."""
    stresses_ev_per_ang3: NDArray[np.float64]
    """Shape (2, n_frames, 3, 3); NaN where a frame has no stress label."""
    numbers: NDArray[np.int64]
    """Atomic number of each row of the forces."""
    frame_of_atom: NDArray[np.int64]
    """Index of the frame of each row of the forces."""

    def to_document(self) -> ParityData:
        """Pack for a document."""
        stresses = self.stresses_ev_per_ang3
        return ParityData(
            energies_ev_per_atom=Blob.from_array(self.energies_ev_per_atom),
            forces_ev_per_ang=Blob.from_array(self.forces_ev_per_ang.astype(np.float32)),
            stresses_ev_per_ang3=None if np.isnan(stresses).any() else Blob.from_array(stresses),
            numbers=Blob.from_array(self.numbers),
        )


def compare(
    model: LoadedModel, frames: Sequence[Atoms], *, e0_shifts_ev: dict[str, float] | None = None, batch_size: int = 16
) -> Parity:
    """Predict labelled frames.

    Parameters
    ----------
    model
        Model to judge.
    frames
        Frames with ``REF_energy``, ``REF_forces`` and, maybe, ``REF_stress``.
    e0_shifts_ev
        Energy to add for each atom of an element, where reference and model count from different zeros.
    batch_size
        Frames in one pass.
    """
    return pair_with_labels(model.predict(frames, batch_size=batch_size), frames, e0_shifts_ev=e0_shifts_ev)


def pair_with_labels(
    predictions: Predictions, frames: Sequence[Atoms], *, e0_shifts_ev: dict[str, float] | None = None
) -> Parity:
    """Put predictions beside the labels of ``frames``; see :func:`compare`."""
    sizes = np.array([len(atoms) for atoms in frames])
    shifts = e0_shifts_ev or {}
    shift = np.array([sum(shifts.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols()) for atoms in frames])
    energies = np.array([float(atoms.info["REF_energy"]) for atoms in frames])
    unlabelled = np.full((3, 3), np.nan)
    stresses = np.array([np.reshape(atoms.info.get("REF_stress", unlabelled), (3, 3)) for atoms in frames])
    return Parity(
        energies_ev_per_atom=np.stack([energies, predictions.energies_ev + shift]) / sizes,
        forces_ev_per_ang=np.stack(
            [np.concatenate([a.arrays["REF_forces"] for a in frames]), np.concatenate(predictions.forces_ev_per_ang)]
        ),
        stresses_ev_per_ang3=np.stack([stresses, predictions.stresses_ev_per_ang3]),
        numbers=np.concatenate([atoms.numbers for atoms in frames]),
        frame_of_atom=np.repeat(np.arange(len(frames)), sizes),
    )


def quantity_errors(parity: Parity, selected: NDArray[np.bool_] | None = None) -> QuantityErrors:
    """Errors over the ``selected`` frames, shape (n_frames,); default all."""
    if selected is None:
        selected = np.ones(parity.energies_ev_per_atom.shape[1], dtype=bool)
    atoms = selected[parity.frame_of_atom]
    energy = np.subtract(*parity.energies_ev_per_atom[:, selected])
    force = np.subtract(*parity.forces_ev_per_ang[:, atoms])
    stress = np.subtract(*parity.stresses_ev_per_ang3[:, selected])
    stress = stress[~np.isnan(stress)]
    numbers = parity.numbers[atoms]
    return QuantityErrors(
        n_frames=int(selected.sum()),
        energy_rmse_ev_per_atom=_rms(energy),
        energy_mae_ev_per_atom=float(np.abs(energy).mean()),
        force_rmse_ev_per_ang=_rms(force),
        force_mae_ev_per_ang=float(np.abs(force).mean()),
        stress_rmse_ev_per_ang3=_rms(stress) if stress.size else None,
        stress_mae_ev_per_ang3=float(np.abs(stress).mean()) if stress.size else None,
        force_rmse_by_element_ev_per_ang={
            chemical_symbols[z]: _rms(force[numbers == z]) for z in sorted(set(numbers.tolist()))
        },
    )


def head_errors(parity: Parity, frames: Sequence[Atoms], *, head: str, split: str) -> HeadErrors:
    """Errors over all frames and per composition (``info['composition']``, else the reduced formula)."""
    compositions = np.array([composition_of(atoms) for atoms in frames])
    return HeadErrors(
        head=head,
        split=split,
        overall=quantity_errors(parity),
        by_composition={name: quantity_errors(parity, compositions == name) for name in sorted(set(compositions))},
    )


def _rms(errors: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))
