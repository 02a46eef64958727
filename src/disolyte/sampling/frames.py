"""Choose frames of a trajectory and strain them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from disolyte.dynamics import MDRun
from disolyte.dynamics.watchdog import closest_contact
from disolyte.errors import InputError
from disolyte.records import Record


class FrameSelection(StrEnum):
    """How frames are drawn from a run."""

    RANDOM = "random"
    """At random, as published."""
    FARTHEST_POINT = "farthest-point"
    """Each next one as far as can be from those before it, in the space of the model's descriptors."""


class FrameChoice(Record):
    """Which frames of a run are taken, and what is done to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    discard_ps: float = Field(default=5.0, ge=0, description="Beginning of each run that is thrown away.")
    n_frames: int = Field(default=30, gt=0, description="Frames of each run.")
    selection: FrameSelection = Field(default=FrameSelection.RANDOM, description="How they are drawn.")
    max_strain: float = Field(default=0.03, ge=0, lt=0.5, description="Largest change of length in any direction.")
    duplicate_rms_ang: float = Field(
        default=0.02, ge=0, description="Frames of a run nearer to each other than this are the same."
    )
    contact_fraction: float = Field(
        default=0.5,
        ge=0,
        description="Strained frames with atoms nearer than this part of their covalent radii are out.",
    )


@dataclass(frozen=True)
class ChosenFrames:
    """Frames of one run, strained.

    Attributes
    ----------
    atoms
        The frames in the order in which they were drawn, so that the first ones are a sample too; with ``md_step`` and
        ``strain`` in their ``info``.
    n_duplicates, n_unphysical
        Frames passed over.
    """

    atoms: list[Atoms]
    n_duplicates: int
    n_unphysical: int


def production_frames(steps: NDArray[np.int64], time_step_fs: float, discard_ps: float) -> NDArray[np.int64]:
    """Indices of the frames that come after the time thrown away.

    Parameters
    ----------
    steps
        Step of each frame, shape (n_frames,).
    time_step_fs
        Time step.
    discard_ps
        Time thrown away. A frame at just this time belongs to it.

    Examples
    --------
    >>> production_frames(np.array([0, 50, 100, 150]), 1.0, 0.1)
    array([3])
    """
    return np.flatnonzero(steps * time_step_fs > discard_ps * 1000.0 + 1e-6)


def draw_strain(generator: np.random.Generator, max_strain: float) -> NDArray[np.float64]:
    """Random symmetric strain tensor without preferred directions, shape (3, 3).

    The three principal strains are uniform in ±``max_strain`` and their axes a random rotation, so that no direction
    changes its length by more than ``max_strain``.
    """
    gaussian = generator.standard_normal((3, 3))
    axes, triangle = np.linalg.qr(gaussian)
    axes = axes * np.sign(np.diag(triangle))
    strain = (axes * generator.uniform(-max_strain, max_strain, 3)) @ axes.T
    return 0.5 * (strain + strain.T)


def apply_strain(atoms: Atoms, strain: NDArray[np.float64]) -> Atoms:
    """Copy with cell and positions deformed by I + ``strain``, shape (3, 3); fractional coordinates stay."""
    strained = atoms.copy()
    strained.set_cell(np.array(atoms.cell) @ (np.eye(3) + strain), scale_atoms=True)
    return strained


def choose_frames(
    run: MDRun,
    choice: FrameChoice,
    generator: np.random.Generator,
    describe: Callable[[list[Atoms]], NDArray[np.float64]] | None = None,
) -> ChosenFrames:
    """Draw frames of a run, strain each, and pass over duplicates and unphysical ones.

    A run with too few different frames gives fewer than asked for.

    Parameters
    ----------
    run
        A completed run.
    choice
        What to draw.
    generator
        Source of order and strains.
    describe
        Descriptors of frames, shape (n_frames, n_features), for :attr:`FrameSelection.FARTHEST_POINT`.

    Raises
    ------
    InputError
        If descriptors are needed and not given.
    """
    steps, positions = run.steps, run.positions_ang()
    production = production_frames(steps, run.protocol.time_step_fs, choice.discard_ps)
    if choice.selection is FrameSelection.FARTHEST_POINT and len(production):
        if describe is None:
            raise InputError("farthest-point selection needs descriptors: give describe, or select at random")
        descriptors = describe([_frame(run, positions[frame]) for frame in production])
        order = production[farthest_point_order(descriptors, int(generator.integers(len(production))))]
    else:
        order = generator.permutation(production)
    chosen: list[Atoms] = []
    kept: list[int] = []
    n_duplicates = n_unphysical = 0
    for frame in order:
        if len(chosen) == choice.n_frames:
            break
        if kept and _smallest_rms(positions[kept], positions[frame]) < choice.duplicate_rms_ang:
            n_duplicates += 1
            continue
        strain = draw_strain(generator, choice.max_strain)
        atoms = apply_strain(_frame(run, positions[frame]), strain)
        atoms.wrap()
        contact = closest_contact(atoms.positions, atoms.numbers, np.array(atoms.cell), atoms.pbc)
        if contact.fraction < choice.contact_fraction:
            n_unphysical += 1
            continue
        atoms.info |= {"md_step": int(steps[frame]), "strain": _voigt(strain)}
        chosen.append(atoms)
        kept.append(int(frame))
    return ChosenFrames(chosen, n_duplicates, n_unphysical)


def farthest_point_order(points: NDArray[np.float64], first: int) -> NDArray[np.int64]:
    """Order in which each point is the farthest from all before it.

    Parameters
    ----------
    points
        Points, shape (n_points, n_dimensions).
    first
        Index of the first one.

    Examples
    --------
    >>> farthest_point_order(np.array([[0.0], [1.0], [2.1], [10.0]]), first=0)
    array([0, 3, 2, 1])
    """
    order = [first]
    nearest = np.linalg.norm(points - points[first], axis=1)
    nearest[first] = -1.0
    while len(order) < len(points):
        order.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[order[-1]], axis=1))
        nearest[order] = -1.0
    return np.array(order)


def _frame(run: MDRun, positions: NDArray[np.float32]) -> Atoms:
    return Atoms(run.numbers, positions.astype(np.float64), cell=run.cell_ang, pbc=run.pbc)


def _smallest_rms(others: NDArray[np.float32], positions: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.sum((others - positions) ** 2, axis=2), axis=1)).min())


def _voigt(strain: NDArray[np.float64]) -> list[float]:
    return [float(strain[i, j]) for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
