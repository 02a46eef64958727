"""Single frames whose labels do not fit, among others whose labels do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from disolyte.errors import DatasetError
from disolyte.models.loaded import LoadedModel

ODD_CORRELATION: Final = 0.5
USUAL_CORRELATION: Final = 0.8
"""A frame whose forces correlate less than the first is odd where a quarter of the frames do better than the second."""
ODD_RESIDUAL: Final = 2.0
"""And its forces are this many times as far from the foundation's as those of a quarter of the frames are at most."""
LEAST_RESIDUAL_EV_PER_ANG: Final = 0.1
ENERGY_LIMIT_EV_PER_ATOM: Final = 0.3
STRESS_LIMIT_EV_PER_ANG3: Final = 0.1
MEDIANS: Final = 20.0
"""Energies and stresses that are this many medians, and the limit, from the foundation's are odd."""
_NAMED: Final = 5
_REWEIGHTINGS: Final = 30


@dataclass(frozen=True)
class LabelledPair:
    """Labels of frames and a model's predictions; energies per atom, stresses as one triangle of each tensor."""

    energies: NDArray[np.float64]
    predicted_energies: NDArray[np.float64]
    forces: list[NDArray[np.float64]]
    predicted_forces: list[NDArray[np.float64]]
    stresses: NDArray[np.float64]
    predicted_stresses: NDArray[np.float64]
    shares: NDArray[np.float64]
    """Share of each element, shape (n, 118)."""

    @classmethod
    def predict(cls, model: LoadedModel, frames: Sequence[Atoms], *, batch_size: int) -> Self:
        """Predict ``frames`` with ``model``."""
        predicted = model.predict(frames, batch_size=batch_size)
        sizes = np.array([len(atoms) for atoms in frames])
        counts = np.array([np.bincount(atoms.numbers, minlength=len(chemical_symbols)) for atoms in frames])
        labels = np.array([np.reshape(np.asarray(atoms.info["REF_stress"], float), (3, 3)) for atoms in frames])
        rows, columns = np.triu_indices(3)
        return cls(
            energies=np.array([float(atoms.info["REF_energy"]) for atoms in frames]) / sizes,
            predicted_energies=predicted.energies_ev / sizes,
            forces=[np.asarray(atoms.arrays["REF_forces"], float) for atoms in frames],
            predicted_forces=predicted.forces_ev_per_ang,
            stresses=labels[:, rows, columns],
            predicted_stresses=predicted.stresses_ev_per_ang3[:, rows, columns],
            shares=counts / sizes[:, None],
        )


def check_single_frames(splits: Mapping[str, LabelledPair]) -> None:
    """Refuse frames whose labels do not fit where most do.

    Parameters
    ----------
    splits
        Labels and predictions of each split.

    Raises
    ------
    DatasetError
        Naming the worst frames by split and place.
    """
    names = [(split, index) for split, pair in splits.items() for index in range(len(pair.energies))]
    pairs = list(splits.values())
    _report(names, *_odd_energies(pairs), "energies", "eV/atom from what the foundation and the composition give")
    _report(names, *_odd_stresses(pairs), "stresses", "eV/Å³ (root mean square) from the foundation's")
    _report(names, *_odd_forces(pairs), "forces", "is the correlation with the foundation's")


def _odd_energies(pairs: Sequence[LabelledPair]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Energies far from the foundation's, beyond what the composition explains in the sense of least moduli."""
    shares = np.concatenate([pair.shares for pair in pairs])
    differences = np.concatenate([pair.energies - pair.predicted_energies for pair in pairs])
    differences = differences - np.median(differences)
    weights = np.ones(len(differences))
    rests = differences
    for _ in range(_REWEIGHTINGS):
        solution = np.linalg.lstsq(shares * weights[:, None], differences * weights, rcond=1e-8)[0]
        rests = np.abs(differences - shares @ solution)
        weights = 1 / np.sqrt(np.maximum(rests, 1e-4))
    return rests > max(ENERGY_LIMIT_EV_PER_ATOM, MEDIANS * float(np.median(rests))), rests


def _odd_stresses(pairs: Sequence[LabelledPair]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    differences = np.concatenate([pair.stresses - pair.predicted_stresses for pair in pairs])
    rests = np.sqrt(np.mean((differences - np.median(differences, axis=0)) ** 2, axis=1))
    return rests > max(STRESS_LIMIT_EV_PER_ANG3, MEDIANS * float(np.median(rests))), rests


def _odd_forces(pairs: Sequence[LabelledPair]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Forces without correlation to the foundation's. Small forces, which no model gets right, are left in peace."""
    correlations, rests = [], []
    for pair in pairs:
        for labels, predicted in zip(pair.forces, pair.predicted_forces, strict=True):
            sizes = float(np.linalg.norm(labels) * np.linalg.norm(predicted))
            correlations.append(float(np.sum(labels * predicted)) / sizes if sizes > 0 else 0.0)
            rests.append(float(np.sqrt(np.mean((labels - predicted) ** 2))))
    found, residuals = np.array(correlations), np.array(rests)
    if np.quantile(found, 0.75) < USUAL_CORRELATION:
        return np.zeros(len(found), dtype=bool), found
    limit = max(LEAST_RESIDUAL_EV_PER_ANG, ODD_RESIDUAL * float(np.quantile(residuals, 0.25)))
    return (found < ODD_CORRELATION) & (residuals > limit), found


def _report(
    names: Sequence[tuple[str, int]], odd: NDArray[np.bool_], values: NDArray[np.float64], quantity: str, meaning: str
) -> None:
    indices = np.flatnonzero(odd)
    # Where most frames are odd, it is no matter of single frames: correlation and scale of them all say more.
    if not 0 < len(indices) <= len(names) / 2:
        return
    worst = indices[np.argsort(values[indices])]
    worst = worst if quantity == "forces" else worst[::-1]
    shown = ", ".join(f"{names[index][0]} frame {names[index][1]}: {values[index]:.3g}" for index in worst[:_NAMED])
    more = ", …" if len(worst) > _NAMED else ""
    raise DatasetError(
        f"{len(indices)} of {len(names)} frames have {quantity} that do not fit, where the others' do; {shown}{more} "
        f"({meaning}; frames of each split are counted from 0). Label these frames again or leave them out, or, if "
        "they are right, set FinetuneOptions(checks_labels=False)"
    )
