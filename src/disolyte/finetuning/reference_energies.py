"""Energies of the isolated atoms (E0s) of the new head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from disolyte.errors import FinetuningError
from disolyte.models.loaded import LoadedModel

LARGEST_OFFSET_EV_PER_ATOM: Final = 15.0
"""Largest median energy per atom that given E0s may leave to be learnt; solids are bound by 9 eV per atom at most."""


@dataclass(frozen=True)
class ReferenceEnergies:
    """E0s of a head, and how they were come by."""

    e0s_ev: dict[str, float]
    """Energy of each element, eV."""
    shifts_ev: dict[str, float]
    """Difference to the foundation's E0s, eV."""
    rank: int
    """Rank of the composition matrix; below the number of elements, shifts are those of least norm."""
    source: str = "least squares"
    """"least squares" or "given"."""

    @property
    def caveats(self) -> list[str]:
        """What a reader must know before comparing energies of other compositions."""
        if self.source == "given" or self.rank >= len(self.e0s_ev):
            return []
        return [
            f"E0s of {len(self.e0s_ev)} elements from compositions of rank {self.rank}: energies of compositions "
            "outside the span of the training frames' have an arbitrary offset"
        ]

    def as_settings(self) -> dict[str, Any]:
        """For the record of a training."""
        return {
            "e0s_ev": self.e0s_ev,
            "e0_source": self.source,
            "composition_rank": self.rank,
            "n_elements": len(self.e0s_ev),
        }


def model_e0s_ev(model: LoadedModel) -> dict[str, float]:
    """E0s of a single-head model by element, eV."""
    values = model.module.get_buffer("atomic_energies_fn.atomic_energies").cpu().numpy().reshape(-1)
    numbers = model.module.get_buffer("atomic_numbers").tolist()
    return {chemical_symbols[z]: float(value) for z, value in zip(numbers, values, strict=True)}


def least_squares_per_atom(frames: Sequence[Atoms], energies_ev: NDArray[np.float64]) -> tuple[dict[str, float], int]:
    """Energy of each element that best explains ``energies_ev``, and the rank of the composition matrix.

    Frames are weighted by 1/n_atoms, so that the error per atom is what is minimised. Where compositions do not tell
    elements apart (a fixed ratio, one composition), the solution of least norm is taken: it shares the energy out and
    predicts these compositions as well as any other.
    """
    symbols = sorted({s for atoms in frames for s in atoms.get_chemical_symbols()}, key=atomic_numbers.__getitem__)
    counts = np.array([[atoms.get_chemical_symbols().count(s) for s in symbols] for atoms in frames], dtype=float)
    weights = 1.0 / counts.sum(axis=1)
    solution, _, rank, _ = np.linalg.lstsq(counts * weights[:, None], energies_ev * weights, rcond=1e-8)
    return dict(zip(symbols, solution.tolist(), strict=True)), int(rank)


def estimate_e0s(model: LoadedModel, frames: Sequence[Atoms], *, batch_size: int = 16) -> ReferenceEnergies:
    """E0s that bring the foundation's energies closest to the labels.

    Least squares on reference minus foundation energy: the safe choice for foundations whose E0s are not those of
    isolated atoms, as MACE-MP-0a's. Same idea as mace's ``E0s='estimated'``, which only warns where the compositions do
    not determine the shifts.

    Parameters
    ----------
    model
        The foundation.
    frames
        Training frames with ``REF_energy``.
    batch_size
        Frames in one pass.
    """
    labels = np.array([float(atoms.info["REF_energy"]) for atoms in frames])
    shifts, rank = least_squares_per_atom(frames, labels - model.predict(frames, batch_size=batch_size).energies_ev)
    base = model_e0s_ev(model)
    return ReferenceEnergies({symbol: base[symbol] + shift for symbol, shift in shifts.items()}, shifts, rank)


def given_e0s(model: LoadedModel, frames: Sequence[Atoms], e0s_ev: dict[str, float]) -> ReferenceEnergies:
    """E0s as given, from calculations of isolated atoms.

    Raises
    ------
    FinetuningError
        If an element of the frames has none, one is no number, or they cannot be those of the labels.
    """
    base = model_e0s_ev(model)
    chosen = chosen_e0s(frames, e0s_ev)
    shifts = {symbol: value - base[symbol] for symbol, value in chosen.items()}
    return ReferenceEnergies(chosen, shifts, composition_rank(frames), source="given")


def chosen_e0s(frames: Sequence[Atoms], e0s_ev: dict[str, float]) -> dict[str, float]:
    """Of given E0s, those of the elements in the frames, by atomic number.

    Raises
    ------
    FinetuningError
        If an element of the frames has none, one is no number, or they cannot be those of the labels.
    """
    present = {symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}
    if missing := sorted(present - set(e0s_ev)):
        raise FinetuningError(
            f"isolated_atom_energies_ev has no {', '.join(missing)}; give the energy of every element of the dataset "
            f"({', '.join(sorted(present))}), or leave it out to have the E0s estimated"
        )
    chosen = {symbol: float(e0s_ev[symbol]) for symbol in sorted(present, key=atomic_numbers.__getitem__)}
    if wrong := {symbol: value for symbol, value in chosen.items() if not np.isfinite(value)}:
        raise FinetuningError(f"isolated_atom_energies_ev holds {wrong}, no numbers; give energies in eV")
    left = np.array([
        (float(atoms.info["REF_energy"]) - sum(chosen[symbol] for symbol in atoms.get_chemical_symbols())) / len(atoms)
        for atoms in frames
    ])  # fmt: skip
    if abs(offset := float(np.median(left))) > LARGEST_OFFSET_EV_PER_ATOM:
        raise FinetuningError(
            f"with these isolated_atom_energies_ev the labels are {offset:.3g} eV/atom from free atoms, where solids "
            f"are bound by a few eV (at most {LARGEST_OFFSET_EV_PER_ATOM:g} are let pass): they are in another unit or "
            "of another method or pseudopotential than the labels; give those of the labels' method in eV, or leave "
            "them out to have the E0s estimated"
        )
    return chosen


def composition_rank(frames: Sequence[Atoms]) -> int:
    """How many elements the compositions tell apart."""
    return least_squares_per_atom(frames, np.zeros(len(frames)))[1]


def as_mace_argument(e0s_ev: dict[str, float]) -> str:
    """E0s as mace reads them: a dictionary by atomic number, written as a string."""
    return str({int(atomic_numbers[symbol]): float(value) for symbol, value in e0s_ev.items()})
