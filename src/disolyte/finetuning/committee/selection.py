"""Which frames of a pool to label next: those on which a committee is least sure, and no two alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from disolyte.errors import InputError
from disolyte.records import Record

_MOST_MOVED: Final = 10
"""Frames that are moved to find the distance of a displacement."""


class UncertainQuantity(StrEnum):
    """Spread by which frames are ranked."""

    FORCES = "forces"
    """Root mean square over the frame."""
    LARGEST_FORCE = "largest force"
    """On the atom that the committee is least sure of."""
    ENERGY = "energy"
    """Per atom."""


class UncertainFrameChoice(Record):
    """Which frames of a pool are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_frames: int = Field(default=100, gt=0, description="Most frames taken.")
    quantity: UncertainQuantity = Field(default=UncertainQuantity.FORCES, description="Spread that ranks them.")
    duplicate_rms_ang: float = Field(
        default=0.05,
        ge=0,
        description="Frames as near to a chosen one as a copy of it whose atoms moved by this root mean square are the "
        "same.",
    )
    min_force_spread_ev_per_ang: float = Field(
        default=0.0, ge=0, description="Frames whose expected force error is below are known well enough."
    )
    max_force_spread_ev_per_ang: float | None = Field(
        default=None, gt=0, description="Frames whose expected force error is above are taken for broken; None: none."
    )

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        highest = self.max_force_spread_ev_per_ang
        if highest is not None and highest <= self.min_force_spread_ev_per_ang:
            raise ValueError(
                f"max_force_spread_ev_per_ang={highest} must lie above min_force_spread_ev_per_ang="
                f"{self.min_force_spread_ev_per_ang}"
            )
        return self


@dataclass(frozen=True)
class ChosenIndices:
    """Outcome of a selection.

    Attributes
    ----------
    indices
        Frames in the order in which they were chosen.
    n_duplicates
        Candidates left out because they nearly equal a chosen one.
    """

    indices: list[int]
    n_duplicates: int


def select_uncertain(
    spreads: NDArray[np.float64],
    descriptors: NDArray[np.float64],
    candidates: Sequence[int],
    *,
    n_frames: int,
    duplicate_distance: float,
) -> ChosenIndices:
    """Choose frames of large spread that differ from one another.

    The first is the one of largest spread. Each next one has the largest product of its spread and its distance to the
    nearest frame chosen before: of two frames equally uncertain the stranger one, of two equally strange the less
    certain one. Frames within ``duplicate_distance`` of a chosen one are out.

    Parameters
    ----------
    spreads
        Spread of each frame of the pool, shape (n,).
    descriptors
        What tells frames apart, shape (n, n_features).
    candidates
        Indices of the frames that may be chosen.
    n_frames
        Most frames chosen.
    duplicate_distance
        Distance of descriptors up to which frames are the same.

    Examples
    --------
    >>> points = np.array([[0.0], [0.01], [1.0], [3.0]])
    >>> select_uncertain(np.array([5.0, 4.9, 1.0, 2.0]), points, [0, 1, 2, 3], n_frames=4, duplicate_distance=0.1)
    ChosenIndices(indices=[0, 3, 2], n_duplicates=1)
    """
    left = np.array(sorted(candidates), dtype=int)
    distances = np.full(len(left), np.inf)
    chosen: list[int] = []
    n_duplicates = 0
    while len(left) and len(chosen) < n_frames:
        gain = spreads[left] * (distances if chosen else 1.0)
        best = int(left[np.argmax(gain)])
        chosen.append(best)
        distances = np.minimum(distances, np.linalg.norm(descriptors[left] - descriptors[best], axis=1))
        kept = (distances > duplicate_distance) & (left != best)
        n_duplicates += int(len(left) - kept.sum()) - 1
        left, distances = left[kept], distances[kept]
    return ChosenIndices(chosen, n_duplicates)


def displacement_distance(
    describe: Callable[[list[Atoms]], NDArray[np.float64]], frames: Sequence[Atoms], rms_ang: float, *, seed: int = 0
) -> float:
    """Median distance between descriptors of frames and of copies whose atoms moved at random.

    It gives the distance of descriptors, which has no unit, a meaning in Å.

    Parameters
    ----------
    describe
        Descriptors of structures, shape (n, n_features).
    frames
        Frames, of which up to ten are moved.
    rms_ang
        Root mean square displacement of an atom.
    seed
        Seed of the displacements.
    """
    generator = np.random.default_rng(seed)
    picked = [frames[index] for index in np.unique(np.linspace(0, len(frames) - 1, _MOST_MOVED).astype(int))]
    moved = [atoms.copy() for atoms in picked]
    for atoms in moved:
        atoms.positions += generator.normal(scale=rms_ang / np.sqrt(3.0), size=atoms.positions.shape)
    points = describe([*picked, *moved])
    return float(np.median(np.linalg.norm(points[: len(picked)] - points[len(picked) :], axis=1)))


def find_candidates(force_spreads_ev_per_ang: NDArray[np.float64], choice: UncertainFrameChoice) -> list[int]:
    """Indices of the frames whose expected force error, shape (n,), lies within the limits.

    Raises
    ------
    InputError
        If there are none.
    """
    highest = choice.max_force_spread_ev_per_ang or np.inf
    spreads = force_spreads_ev_per_ang
    found = np.flatnonzero((spreads >= choice.min_force_spread_ev_per_ang) & (spreads <= highest))
    if not len(found):
        raise InputError(
            f"no frame has an expected force error between {choice.min_force_spread_ev_per_ang:g} and {highest:g} "
            f"eV/Å; those of the pool go from {spreads.min():.3g} to {spreads.max():.3g}: change the limits, or be "
            "content with the model"
        )
    return found.tolist()
