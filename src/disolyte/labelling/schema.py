"""Documents of the labelling stage."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.blobs import Blob
from disolyte.errors import DatasetError
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch

if TYPE_CHECKING:
    from ase import Atoms

Split = Literal["train", "valid", "test"]
"""Names of the parts of a dataset."""


class RejectionKind(StrEnum):
    """Why a frame has no place in the training data."""

    CALCULATION_FAILED = "calculation failed"
    UNCONVERGED = "electronic steps not converged"
    WRONG_SETTINGS = "wrong functional or settings"
    STRUCTURE_MISMATCH = "structure mismatch"
    NOT_FINITE = "not finite"
    NET_FORCE = "net force"
    FORCE_LIMIT = "force limit"
    STRESS_LIMIT = "stress limit"
    SHORT_DISTANCE = "short distance"
    ENERGY_OUTLIER = "energy outlier"
    DUPLICATE = "duplicate"


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
