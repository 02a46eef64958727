"""Documents of the labelling stage."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.blobs import Blob
from disolyte.dynamics import MDProtocol
from disolyte.errors import DatasetError
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch

if TYPE_CHECKING:
    from ase import Atoms

Split = Literal["train", "valid", "test"]
"""Names of the parts of a dataset."""


FORCE_SLOPES: Final = (0.2, 3.0)
STRESS_SLOPES: Final = (0.1, 5.0)
STANDARD_ERRORS: Final = 3.0
"""Slopes of consistent labels, and the errors that a slope may lie outside; see the module ``consistency``."""


class RejectionKind(StrEnum):
    """Why a frame has no place in the training data."""

    CALCULATION_FAILED = "calculation failed"
    UNCONVERGED = "electronic steps not converged"
    TIMED_OUT = "timed out"
    INCOMPLETE_OUTPUT = "incomplete output"
    DISK_FULL = "disk full"
    WRONG_SETTINGS = "wrong functional or settings"
    STRUCTURE_MISMATCH = "structure mismatch"
    NOT_FINITE = "not finite"
    NET_FORCE = "net force"
    FORCE_LIMIT = "force limit"
    STRESS_LIMIT = "stress limit"
    SHORT_DISTANCE = "short distance"
    ENERGY_OUTLIER = "energy outlier"
    DUPLICATE = "duplicate"

    @property
    def may_pass(self) -> bool:
        """Whether the calculation itself failed, so that another attempt may succeed."""
        return self in {
            RejectionKind.CALCULATION_FAILED,
            RejectionKind.UNCONVERGED,
            RejectionKind.TIMED_OUT,
            RejectionKind.INCOMPLETE_OUTPUT,
            RejectionKind.DISK_FULL,
        }


class Rejection(Record):
    """One frame that was set aside, and why."""

    model_config = ConfigDict(frozen=True)

    kind: RejectionKind = Field(description="Kind of the fault, to count by.")
    reason: str = Field(description="The value, the limit it broke, and where to look.")
    family: str = Field(description="Structure family of the frame: the MD run it was taken from.")
    composition: str = Field(description="Reduced formula of the frame.")
    md_step: int = Field(description="Step of the MD run at which the frame was taken.")


class LabelDoc(StageDoc):
    """Energies, forces and stresses of a batch of frames: one frame for DFT, many for fast labellers.

    The arrays run over the accepted frames alone, in the order of ``frames``; frames without a label are in
    ``rejections``.
    """

    frames: FrameBatch = Field(description="The labelled frames.")
    energies_ev: list[float] = Field(description="Total energy of each cell, eV, shape (n,).")
    forces_ev_per_ang: Blob = Field(description="Forces, eV/Å, shape (sum of n_atoms, 3), frame after frame.")
    stresses_ev_per_ang3: Blob = Field(description="Stresses, eV/Å³, shape (n, 3, 3), positive under tension.")
    label_method: str = Field(description="What made the labels: code, functional and settings that shift energies.")
    is_surrogate: bool = Field(description="Whether the labels come from a surrogate model and not from DFT.")
    rejections: list[Rejection] = Field(default_factory=list, description="Frames that got no label, and why.")

    @model_validator(mode="after")
    def _arrays_fit(self) -> Self:
        """Refuse arrays that do not belong to the frames."""
        n = len(self.energies_ev)
        n_atoms_total = self.frames.numbers.shape[0]
        found = (self.frames.n_atoms.shape, self.forces_ev_per_ang.shape, self.stresses_ev_per_ang3.shape)
        expected = ((n,), (n_atoms_total, 3), (n, 3, 3))
        if found != expected:
            raise ValueError(f"shapes of n_atoms, forces and stresses are {found}; {n} energies ask for {expected}")
        return self

    @property
    def n_labelled(self) -> int:
        """Number of frames that have a label."""
        return len(self.energies_ev)

    @property
    def n_submitted(self) -> int:
        """Number of frames that were to be labelled."""
        return self.n_labelled + len(self.rejections)


class AimdDoc(StageDoc):
    """A short molecular-dynamics run with the code that makes the labels: a yardstick for MD with the trained model."""

    numbers: Blob = Field(description="Atomic numbers, (n_atoms,).")
    cell_ang: list[list[float]] = Field(description="Cell, rows are its vectors, (3, 3).")
    positions_ang: Blob = Field(description="Unwrapped positions, float64 (n_frames, n_atoms, 3).")
    energies_ev: Blob = Field(description="Potential energies, (n_frames,).")
    temperatures_k: Blob = Field(description="Instantaneous temperatures, (n_frames,).")
    frame_interval_fs: float = Field(description="Time between frames; the first one is at 0.")
    n_steps: int = Field(description="Time steps made.")
    protocol: MDProtocol = Field(description="The protocol asked for.")
    verdict: str = Field(description="'completed', or why the run ended.")
    wall_s: float = Field(description="Wall time of the run, s.")
    n_cores: int = Field(description="Cores that it ran on.")
    label_method: str = Field(description="What made energies and forces, as in the labels.")
    is_surrogate: bool = Field(description="Whether that is a surrogate model and not DFT.")

    @property
    def core_seconds_per_step(self) -> float:
        """Cost of one step, core-seconds."""
        return self.wall_s * self.n_cores / max(1, self.n_steps)


class LabelConsistency(Record):
    """Slopes of the energy differences over the work of forces and stresses, between close frames of a family."""

    model_config = ConfigDict(frozen=True)

    n_pairs: int = Field(description="Pairs of frames closer than 1.5 Å in every coordinate of every atom.")
    force_slope: float | None = Field(default=None, description="Slope of the forces' work; None for too few pairs.")
    force_slope_error: float | None = Field(default=None, description="Its standard error.")
    stress_slope: float | None = Field(
        default=None, description="Slope of the stresses' work; None where the cells hardly differ."
    )
    stress_slope_error: float | None = Field(default=None, description="Its standard error.")

    @property
    def problems(self) -> list[str]:
        """What is wrong with the labels, as far as the slopes tell; empty if nothing is."""
        checks = (
            (self.force_slope, self.force_slope_error, FORCE_SLOPES, "forces", "atoms in another order, "),
            (self.stress_slope, self.stress_slope_error, STRESS_SLOPES, "stresses", ""),
        )
        found = []
        for slope, error, (low, high), name, more in checks:
            if slope is None or error is None:
                continue
            if slope + STANDARD_ERRORS * error < low or slope - STANDARD_ERRORS * error > high:
                guess = (
                    "the sign is wrong" if slope < -STANDARD_ERRORS * error else f"{more}energies per atom, or a unit"
                )
                found.append(
                    f"the {name} are not derivatives of the energies: slope {slope:.2g} ± {error:.1g} over "
                    f"{self.n_pairs} pairs of frames, where {low:g} to {high:g} is right ({guess}?)"
                )
        return found


def hash_dataset(blobs: Mapping[Split, Blob], label_method: str) -> str:
    """SHA-256 of the files of all splits and the label method."""
    splits: tuple[Split, ...] = ("train", "valid", "test")
    text = "\n".join([label_method, *(f"{split} {blobs[split].sha256}" for split in splits)])
    return hashlib.sha256(text.encode()).hexdigest()


class DatasetDoc(StageDoc):
    """Labelled frames that passed the quality gate, split for training.

    Each blob is an extended-xyz file with ``REF_energy`` (eV), ``REF_forces`` (eV/Å), ``REF_stress`` (eV/Å³, 3 × 3,
    positive under tension), ``family``, ``composition`` and ``md_step``. All frames of one family lie in one split. The
    training frames are in a shuffled order that does not depend on the order of the input: the first *n* of them are
    the nested training subset of size *n*.
    """

    train: Blob = Field(description="Training frames, extended xyz.")
    valid: Blob = Field(description="Validation frames, extended xyz.")
    test: Blob = Field(description="Test frames, extended xyz.")
    n_train: int = Field(description="Number of training frames.")
    n_valid: int = Field(description="Number of validation frames.")
    n_test: int = Field(description="Number of test frames.")
    families: dict[Split, list[str]] = Field(description="Families of each split.")
    compositions: dict[Split, dict[str, int]] = Field(description="Number of frames per composition in each split.")
    elements: list[str] = Field(description="Elements in the dataset, by atomic number.")
    reference_energies_ev: dict[str, float] = Field(
        description="Least-squares energy per atom of each element over the training frames, eV (E0s to start from)."
    )
    label_method: str = Field(description="What made the labels; one method only.")
    is_surrogate: bool = Field(description="Whether the labels come from a surrogate model and not from DFT.")
    dataset_sha256: str = Field(description="Hash of the three files and the label method: equal for equal content.")
    quarantine: list[Rejection] = Field(description="Frames set aside by labelling and by the quality gate, and why.")
    consistency: LabelConsistency | None = Field(
        default=None, description="How well forces and stresses fit the energies; None if that was not checked."
    )

    @property
    def content_hash(self) -> str:
        """What ``dataset_sha256`` must be: the hash of the three files, in the order of the splits, and the method."""
        return hash_dataset({"train": self.train, "valid": self.valid, "test": self.test}, self.label_method)

    def check_hash(self) -> None:
        """Refuse a document whose ``dataset_sha256`` is not that of its frames.

        Raises
        ------
        DatasetError
            With both hashes.
        """
        if self.dataset_sha256 != self.content_hash:
            raise DatasetError(
                f"dataset_sha256 is {self.dataset_sha256[:12]}…, the frames and their label method hash to "
                f"{self.content_hash[:12]}…: the document was changed after it was made, and models trained on it "
                "would name other data; build the dataset again (DatasetMaker, disolyte dataset import)"
            )

    @property
    def n_frames(self) -> int:
        """Number of frames in all splits."""
        return self.n_train + self.n_valid + self.n_test

    def to_atoms(self, split: Split) -> list[Atoms]:
        """Frames of a split, with ``REF_energy``, ``REF_stress`` in ``info`` and ``REF_forces`` in ``arrays``.

        Raises
        ------
        DatasetError
            If there is no such split.
        """
        from ase.io import read

        if split not in {"train", "valid", "test"}:
            raise DatasetError(f"no split {split!r}; there are 'train', 'valid' and 'test'")
        text = getattr(self, split).to_bytes().decode()
        return list(read(io.StringIO(text), index=":", format="extxyz"))

    def write(self, directory: Path | str) -> dict[Split, Path]:
        """Write ``train.xyz``, ``valid.xyz`` and ``test.xyz`` into ``directory``; return their paths."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        blobs: dict[Split, Blob] = {"train": self.train, "valid": self.valid, "test": self.test}
        paths: dict[Split, Path] = {}
        for split, blob in blobs.items():
            paths[split] = directory / f"{split}.xyz"
            paths[split].write_bytes(blob.to_bytes())
        return paths
