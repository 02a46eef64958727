"""Which labels are fit for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from disolyte.labelling.labels import LabelledFrame
from disolyte.labelling.schema import Rejection, RejectionKind
from disolyte.records import Record


class QualityGate(Record):
    """Limits that a labelled frame has to keep.

    The defaults are wide: they stop broken calculations and exploded frames, not hot ones.
    """

    model_config = ConfigDict(frozen=True)

    force_ev_per_ang: float = Field(default=30.0, gt=0, description="Largest force on any atom.")
    net_force_ev_per_ang: float = Field(default=0.5, gt=0, description="Largest sum of all forces of a cell.")
    stress_ev_per_ang3: float = Field(default=0.3, gt=0, description="Largest component of the stress (48 GPa).")
    distance_ang: float = Field(default=1.0, gt=0, description="Shortest distance between two atoms.")
    energy_ev_per_atom: float = Field(
        default=0.2, gt=0, description="Deviation from the per-element fit that is never called an outlier."
    )
    energy_deviations: float = Field(
        default=10.0, gt=0, description="Deviation from the per-element fit that is an outlier, in robust deviations."
    )
    family_energy_ev_per_atom: float = Field(
        default=0.2,
        gt=0,
        description="Largest deviation from the median of the frame's family, whose atoms are the same.",
    )
    checks_consistency: bool = Field(
        default=True, description="Whether forces and stresses must fit the energies, as far as close frames tell."
    )


@dataclass(frozen=True)
class GateResult:
    """Frames on either side of the gate.

    Parameters
    ----------
    accepted
        Frames fit for training, in the order of ``LabelledFrame.sort_key``.
    rejections
        The others, with reasons, in the same order.
    """

    accepted: list[LabelledFrame]
    rejections: list[Rejection]


def apply_gate(frames: Sequence[LabelledFrame], gate: QualityGate) -> GateResult:
    """Sort labelled frames into accepted and rejected ones.

    Each frame is held against the limits by itself, and exact copies are dropped; the energies of those that pass are
    then compared with each other. The result does not depend on the order of ``frames``.

    Parameters
    ----------
    frames
        Labelled frames of one label method.
    gate
        Limits.

    Returns
    -------
    GateResult
        Accepted frames and rejections.
    """
    ordered = sorted(frames, key=lambda frame: frame.sort_key)
    rejections: list[Rejection] = []
    passed: list[LabelledFrame] = []
    seen: set[str] = set()
    for frame in ordered:
        rejection = check_frame(frame, gate) or _check_duplicate(frame, seen)
        if rejection is None:
            passed.append(frame)
        else:
            rejections.append(rejection)
    accepted: list[LabelledFrame] = []
    for frame, reason in zip(passed, _energy_outliers(passed, gate), strict=True):
        if reason is None:
            accepted.append(frame)
        else:
            rejections.append(frame.reject(RejectionKind.ENERGY_OUTLIER, reason))
    return GateResult(accepted, rejections)


def check_frame(frame: LabelledFrame, gate: QualityGate) -> Rejection | None:
    """Hold one frame against the limits; return the first one it breaks."""
    label = frame.label
    if not (label.is_finite and np.isfinite(frame.positions_ang).all() and np.isfinite(frame.cell_ang).all()):
        return frame.reject(RejectionKind.NOT_FINITE, "energy, forces, stress or positions are NaN or infinite")
    force = float(np.linalg.norm(label.forces_ev_per_ang, axis=1).max())
    net_force = float(np.linalg.norm(label.forces_ev_per_ang.sum(axis=0)))
    stress = float(np.abs(label.stress_ev_per_ang3).max())
    for kind, value, limit, unit in (
        (RejectionKind.FORCE_LIMIT, force, gate.force_ev_per_ang, "eV/Å"),
        (RejectionKind.NET_FORCE, net_force, gate.net_force_ev_per_ang, "eV/Å"),
        (RejectionKind.STRESS_LIMIT, stress, gate.stress_ev_per_ang3, "eV/Å³"),
    ):
        if value > limit:
            return frame.reject(kind, f"{value:.3g} {unit} exceeds the limit {limit:g} {unit}")
    distance = shortest_distance_ang(frame, below_ang=gate.distance_ang)
    if distance is not None:
        return frame.reject(
            RejectionKind.SHORT_DISTANCE, f"two atoms are {distance:.3f} Å apart; the limit is {gate.distance_ang:g} Å"
        )
    return None


def shortest_distance_ang(frame: LabelledFrame, *, below_ang: float) -> float | None:
    """Shortest distance between two atoms, periodic images included, if it is below ``below_ang``."""
    atoms = Atoms(numbers=frame.numbers, positions=frame.positions_ang, cell=frame.cell_ang, pbc=True)
    distances = neighbor_list("d", atoms, below_ang)
    return float(distances.min()) if len(distances) else None


def fit_reference_energies(frames: Sequence[LabelledFrame], *, n_iterations: int = 50) -> dict[str, float]:
    """Energy per atom of each element that best explains the energies of the cells.

    The fit minimises the sum of absolute deviations per atom (by reweighted least squares), so that a few wrong
    energies do not drag it along. Where compositions do not determine all elements, the solution of least norm is
    taken.

    Parameters
    ----------
    frames
        Labelled frames.
    n_iterations
        Rounds of reweighting.

    Returns
    -------
    dict
        eV per atom by symbol, in the order of atomic number.
    """
    if not frames:
        return {}
    fractions, energies, numbers = _per_atom(frames)
    coefficients = _fit(fractions, energies, n_iterations)
    return {chemical_symbols[number]: float(value) for number, value in zip(numbers, coefficients, strict=True)}


def _per_atom(frames: Sequence[LabelledFrame]) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int]]:
    """Atomic fractions (n, n_elements), energies per atom (n,), and the elements."""
    numbers = sorted({int(number) for frame in frames for number in np.unique(frame.numbers)})
    counts = [Counter(frame.numbers.tolist()) for frame in frames]
    fractions = np.array([[count[number] for number in numbers] for count in counts], dtype=float)
    sizes = fractions.sum(axis=1)
    energies = np.array([frame.label.energy_ev for frame in frames]) / sizes
    return fractions / sizes[:, None], energies, numbers


def _fit(fractions: NDArray[np.float64], energies: NDArray[np.float64], n_iterations: int) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.ones(len(energies))
    coefficients: NDArray[np.float64] = np.zeros(fractions.shape[1])
    for _ in range(n_iterations):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(fractions * root[:, None], energies * root, rcond=1e-8)[0]
        coefficients = np.asarray(solution, dtype=np.float64)
        weights = 1e-4 / np.maximum(np.abs(energies - fractions @ coefficients), 1e-4)
    return coefficients


def _energy_outliers(frames: Sequence[LabelledFrame], gate: QualityGate) -> list[str | None]:
    """For each frame the reason why its energy is an outlier, or None."""
    if not frames:
        return []
    fractions, energies, _ = _per_atom(frames)
    deviations = energies - fractions @ _fit(fractions, energies, n_iterations=50)
    deviations -= np.median(deviations)
    robust = 1.4826 * float(np.median(np.abs(deviations)))
    limit = max(gate.energy_ev_per_atom, gate.energy_deviations * robust)
    in_family = _deviations_in_family([frame.family for frame in frames], energies)
    checks = (
        (in_family, gate.family_energy_ev_per_atom, "the median of its family"),
        (deviations, limit, "the per-element fit"),
    )
    reasons: list[str | None] = [None] * len(frames)
    for values, largest, origin in checks:
        for index in np.flatnonzero(np.abs(values) > largest):
            reasons[index] = f"{values[index]:+.3f} eV/atom from {origin} exceeds the limit {largest:.3f} eV/atom"
    return reasons


def _deviations_in_family(families: Sequence[str], energies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviation of each energy from the median of its family; 0 in families of one or two."""
    names = np.array(families)
    deviations = np.zeros(len(energies))
    for name in set(families):
        members = names == name
        if members.sum() > 2:
            deviations[members] = energies[members] - np.median(energies[members])
    return deviations


def _check_duplicate(frame: LabelledFrame, seen: set[str]) -> Rejection | None:
    if frame.structure_sha256 in seen:
        return frame.reject(RejectionKind.DUPLICATE, "an exact copy of this frame is already in the dataset")
    seen.add(frame.structure_sha256)
    return None
