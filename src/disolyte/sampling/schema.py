"""Documents of the sampling: frames, and how the runs ended they were taken from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from ase import Atoms
from pydantic import Field

from disolyte.blobs import Blob
from disolyte.dynamics import Engine, MDProtocol, Verdict
from disolyte.models.schema import ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.records import Record


class FrameBatch(Record):
    """Periodic structures of any sizes as arrays, one after the other."""

    numbers: Blob = Field(description="Atomic numbers of all atoms, int16 (n_total,).")
    positions_ang: Blob = Field(description="Positions of all atoms, float64 (n_total, 3).")
    cells_ang: Blob = Field(description="Cells, rows are their vectors, float64 (n_frames, 3, 3).")
    n_atoms: Blob = Field(description="Atoms of each frame, int32 (n_frames,).")
    family: list[str] = Field(description="Ordering that each frame descends from; no family may be split.")
    composition: list[str] = Field(description="Composition of each frame, e.g. 'Li3InCl6'.")
    md_step: list[int] = Field(description="MD step at which each frame was taken.")
    strain: list[list[float]] = Field(
        description="Strain put on each frame: xx, yy, zz, yz, xz, xy of the symmetric tensor (shears not doubled)."
    )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.family)

    def to_atoms(self) -> list[Atoms]:
        """Frames as ASE atoms, with ``family``, ``composition``, ``md_step`` and ``strain`` in their ``info``."""
        ends = np.cumsum(self.n_atoms.to_array())[:-1]
        parts = zip(
            np.split(self.numbers.to_array(), ends),
            np.split(self.positions_ang.to_array(), ends),
            self.cells_ang.to_array(),
            strict=True,
        )
        frames = (
            [Atoms(numbers, positions, cell=cell, pbc=True) for numbers, positions, cell in parts]
            if self.family
            else []
        )
        for index, atoms in enumerate(frames):
            atoms.info |= {
                "family": self.family[index],
                "composition": self.composition[index],
                "md_step": self.md_step[index],
                "strain": self.strain[index],
            }
        return frames

    @classmethod
    def from_atoms(cls, frames: Sequence[Atoms]) -> Self:
        """Pack ASE atoms. What their ``info`` does not say: the formula for the family, step 0, no strain."""
        formulas = [atoms.get_chemical_formula(mode="hill", empirical=True) for atoms in frames]
        named = list(zip(frames, formulas, strict=True))
        numbers = [atoms.numbers.astype(np.int16) for atoms in frames]
        positions = [atoms.positions for atoms in frames]
        return cls(
            numbers=Blob.from_array(np.concatenate([np.zeros(0, dtype=np.int16), *numbers])),
            positions_ang=Blob.from_array(np.concatenate([np.zeros((0, 3)), *positions])),
            cells_ang=Blob.from_array(np.array([np.array(atoms.cell) for atoms in frames]).reshape(-1, 3, 3)),
            n_atoms=Blob.from_array(np.array([len(atoms) for atoms in frames], dtype=np.int32)),
            family=[str(atoms.info.get("family", formula)) for atoms, formula in named],
            composition=[str(atoms.info.get("composition", formula)) for atoms, formula in named],
            md_step=[int(atoms.info.get("md_step", 0)) for atoms in frames],
            strain=[[float(part) for part in atoms.info.get("strain", [0.0] * 6)] for atoms in frames],
        )

    def take(self, indices: Sequence[int]) -> Self:
        """Batch of some of the frames, in the order given."""
        frames = self.to_atoms()
        return self.from_atoms([frames[index] for index in indices])

    @classmethod
    def concatenate(cls, batches: Sequence[Self]) -> Self:
        """Batch of the frames of all ``batches``, in order."""
        return cls.from_atoms([atoms for batch in batches for atoms in batch.to_atoms()])


class RunRecord(Record):
    """How one MD run went, and what was taken from it."""

    family: str = Field(description="Ordering that was run.")
    composition: str = Field(description="Its composition.")
    n_atoms: int = Field(description="Its number of atoms.")
    seed: int = Field(description="Seed of velocities and thermostat.")
    verdict: Verdict = Field(description="How it ended.")
    engine: Engine = Field(description="What integrated.")
    wall_s: float = Field(description="Wall time, the batch's shared out over its systems.")
    mean_temperature_k: float | None = Field(description="Mean temperature after what is thrown away.")
    n_recorded: int = Field(description="Frames recorded.")
    n_chosen: int = Field(description="Frames chosen; a sample of a wanted size may hold fewer.")
    n_duplicates: int = Field(default=0, description="Frames passed over because they equal a chosen one.")
    n_unphysical: int = Field(default=0, description="Frames passed over because atoms overlap once strained.")


class SampleDoc(StageDoc):
    """Frames for labelling, from MD with a model."""

    frames: FrameBatch = Field(description="The frames, strained.")
    runs: list[RunRecord] = Field(description="The runs they come from, failed ones among them.")
    protocol: MDProtocol = Field(description="The runs' protocol; each has its own seed, made from this one's.")
    model: ModelIdentity = Field(description="Model that drove the runs.")
    n_wanted: int | None = Field(default=None, description="Frames wanted of all compositions; None: a number per run.")

    @property
    def failed(self) -> list[RunRecord]:
        """Runs that did not come to their end, of which no frames are taken."""
        return [run for run in self.runs if not run.verdict.completed]
