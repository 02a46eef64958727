"""Parts and unions of frame batches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from ase import Atoms
from pydantic import ConfigDict, Field
from pymatgen.core import Element, Lattice, Structure

from disolyte.blobs import Blob
from disolyte.errors import InputError
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch, SampleDoc

Frames = SampleDoc | FrameBatch | Structure | list[Structure]
"""What a labeller of batches takes."""


class OutputName(Record):
    """Output of another job, or a part of it, by name.

    A job that is made by another job may hold no jobflow reference to a job outside (FireWorks refuses it), and the
    output itself would make the spec of the job that makes them grow with the campaign. So it holds this.
    """

    model_config = ConfigDict(frozen=True)

    uuid: str = Field(description="uuid of the job.")
    attributes: list[tuple[str, str | int]] = Field(description="Way to the part in its output, as jobflow has it.")


class FrameWindow(OutputName):
    """Some frames of a sample that is in the job store."""

    start: int = Field(ge=0, description="First frame.")
    stop: int = Field(description="One past the last frame.")


def to_frame_batch(frames: Frames) -> FrameBatch:
    """Frames of a sample, or of structures that come from no MD run.

    Raises
    ------
    InputError
        If there are no frames, or something else than ordered structures.
    """
    if isinstance(frames, SampleDoc):
        return frames.frames
    if isinstance(frames, FrameBatch):
        return frames
    structures = [frames] if isinstance(frames, Structure) else list(frames)
    if not structures or not all(isinstance(item, Structure) and item.is_ordered for item in structures):
        raise InputError(
            "labels need ordered structures; give a SampleDoc, a FrameBatch, a Structure or a list of Structures"
        )
    return frames_from_structures(structures)


def frame_slices(frames: FrameBatch) -> list[slice]:
    """Slice of each frame's atoms in the arrays over all atoms."""
    bounds = np.concatenate([[0], np.cumsum(frames.n_atoms.to_array())]).astype(int)
    return [slice(int(start), int(stop)) for start, stop in pairwise(bounds)]


def select_frames(frames: FrameBatch, indices: Sequence[int]) -> FrameBatch:
    """Batch of the frames at ``indices``, in that order."""
    slices = frame_slices(frames)
    atoms = [np.arange(slices[index].start, slices[index].stop) for index in indices]
    flat = np.concatenate([np.empty(0, dtype=int), *atoms])
    rows = np.array(indices, dtype=int)
    return FrameBatch(
        numbers=Blob.from_array(frames.numbers.to_array()[flat]),
        positions_ang=Blob.from_array(frames.positions_ang.to_array()[flat]),
        cells_ang=Blob.from_array(frames.cells_ang.to_array()[rows]),
        n_atoms=Blob.from_array(frames.n_atoms.to_array()[rows]),
        family=[frames.family[index] for index in indices],
        composition=[frames.composition[index] for index in indices],
        md_step=[frames.md_step[index] for index in indices],
        strain=[frames.strain[index] for index in indices],
    )


def frames_from_structures(structures: Sequence[Structure]) -> FrameBatch:
    """Unstrained batch of structures that come from no MD run; each composition is a family of its own."""
    frames = []
    for structure in structures:
        formula = structure.composition.reduced_formula
        frames.append(Atoms(structure.atomic_numbers, structure.cart_coords, cell=structure.lattice.matrix, pbc=True))
        frames[-1].info = {"family": formula, "composition": formula}
    return FrameBatch.from_atoms(frames)


def frame_structures(frames: FrameBatch) -> list[Structure]:
    """Periodic structures of all frames, sites in the order of the frame's atoms."""
    numbers, positions = frames.numbers.to_array(), frames.positions_ang.to_array()
    cells = frames.cells_ang.to_array()
    return [
        Structure(
            Lattice(cells[index]),
            [Element.from_Z(int(number)) for number in numbers[atoms]],
            positions[atoms],
            coords_are_cartesian=True,
        )
        for index, atoms in enumerate(frame_slices(frames))
    ]
