"""From recorded positions to displacements of the mobile ions in the frame of the framework.

Everything that could make a mean squared displacement wrong before any statistics is settled here: shapes, NaN,
coordinates folded back into the cell, and the drift of the whole crystal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import ArrayLike, NDArray

from disolyte.errors import TransportError

MIN_FRAMES: Final = 16
"""Fewest frames from which a slope, its error and a window can be had at all."""

CHUNK_BYTES: Final = 12 * 2**20
"""Size of the pieces in which displacements are read."""

ROWS_AT_ONCE: Final = 4096
"""Frames that are gathered at once."""


@dataclass(frozen=True)
class Trajectory:
    """One checked run, seen from its framework. Rows are read in pieces; the input may be memory-mapped.

    Attributes
    ----------
    displacements_ang : (n_frames, n_atoms, 3)
        Unwrapped displacements or positions, as given.
    drift_ang : (n_frames, 3)
        Displacement of the framework's centre since frame 0.
    mobile, framework : (n_mobile,), (n_framework,)
        Indices of the atoms.
    symbols
        Element of each atom.
    centre_ang : (3,)
        Framework's centre in frame 0, if positions were given; zero without a framework.
    drift_reference
        In words, what was held at rest.
    """

    displacements_ang: NDArray[Any]
    drift_ang: NDArray[np.float64]
    mobile: NDArray[np.intp]
    framework: NDArray[np.intp]
    symbols: tuple[str, ...]
    centre_ang: NDArray[np.float64]
    drift_reference: str

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.displacements_ang)

    def series_ang(self, atoms: NDArray[np.intp], stride: int = 1) -> NDArray[np.float64]:
        """Displacements of ``atoms`` since frame 0 without drift, shape (n_atoms, 3, n_frames / stride)."""
        rows, drift = self.displacements_ang[::stride], self.drift_ang[::stride]
        series = np.empty((len(atoms), 3, len(rows)))
        for start in range(0, len(rows), ROWS_AT_ONCE):
            piece = slice(start, start + ROWS_AT_ONCE)
            series[:, :, piece] = (rows[piece][:, atoms] - drift[piece, None]).transpose(1, 2, 0)
        series -= series[:, :, :1].copy()
        return series

    def iter_mobile_ang(
        self, framework_centre_ang: ArrayLike | None = None
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield (first frame, positions (n_rows, n_mobile, 3)) of the mobile atoms without drift, in pieces of time.

        Parameters
        ----------
        framework_centre_ang : (3,)
            Where the framework's centre is put; where it is in frame 0 if not given.
        """
        shift = np.zeros(3)
        if framework_centre_ang is not None and len(self.framework):
            shift = np.asarray(framework_centre_ang, dtype=np.float64) - self.centre_ang
        step = max(1, CHUNK_BYTES // (self.displacements_ang.shape[1] * 24))
        for start in range(0, self.n_frames, step):
            rows = np.asarray(self.displacements_ang[start : start + step][:, self.mobile], dtype=np.float64)
            yield start, rows - (self.drift_ang[start : start + step] - shift)[:, None]

    def iter_series_ang(self, atoms: NDArray[np.intp], stride: int = 1) -> Iterator[NDArray[np.float64]]:
        """Yield :meth:`series_ang` for a few atoms at a time, so that memory stays bounded."""
        n_rows = -(-self.n_frames // stride)
        step = max(1, CHUNK_BYTES // (n_rows * 24))
        for start in range(0, len(atoms), step):
            yield self.series_ang(atoms[start : start + step], stride)


def element_symbol(species: object) -> str:
    """Element of ``species``: a symbol, a decorated symbol such as ``Li+``, or an object of pymatgen."""
    match = re.match(r"[A-Z][a-z]?", str(getattr(species, "symbol", species)))
    if match is None or match.group() not in atomic_numbers:
        raise TransportError(f"species {species!r} names no element; give symbols such as 'Li', one per atom")
    return match.group()


def check_trajectory(
    displacements_ang: ArrayLike, species: Sequence[object], lattice_ang: ArrayLike, mobile: str
) -> Trajectory:
    """Check one run and find the drift of its framework.

    Parameters
    ----------
    displacements_ang : (n_frames, n_atoms, 3)
        Unwrapped displacements since frame 0 (unwrapped positions serve as well).
    species : (n_atoms,)
        Element of each atom.
    lattice_ang : (3, 3)
        Rows are the cell vectors.
    mobile
        Element of the mobile ion.

    Returns
    -------
    Trajectory
        The run in the frame where the mass-weighted centre of all other atoms rests.

    Raises
    ------
    TransportError
        For wrong shapes, too few frames, values that are not finite, no mobile ions, or wrapped coordinates.
    """
    try:
        array = displacements_ang if isinstance(displacements_ang, np.ndarray) else np.asarray(displacements_ang)
    except ValueError as error:
        raise TransportError(
            f"displacements must be one array of shape (n_frames, n_atoms, 3) for each run: {error}"
        ) from error
    lattice = _check_lattice(lattice_ang)
    symbols = tuple(element_symbol(one) for one in species)
    _check_shape(array, len(symbols))
    wanted = element_symbol(mobile)
    is_mobile = np.array([symbol == wanted for symbol in symbols])
    if not is_mobile.any():
        raise TransportError(f"no mobile ions: {wanted!r} is not among the species {sorted(set(symbols))}")
    masses = np.where(is_mobile, 0.0, [atomic_masses[atomic_numbers[symbol]] for symbol in symbols])
    drift, centre = _scan(array, lattice, masses)
    reference = (
        "mass-weighted centre of the non-mobile atoms"
        if masses.any()
        else "none: there are no non-mobile atoms, so drift was not removed"
    )
    return Trajectory(array, drift, np.flatnonzero(is_mobile), np.flatnonzero(~is_mobile), symbols, centre, reference)


def _check_lattice(lattice_ang: ArrayLike) -> NDArray[np.float64]:
    try:
        lattice = np.asarray(lattice_ang, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TransportError(
            f"lattice_ang must be an array of three cell vectors in Å, such as Lattice.matrix, not {lattice_ang!r}"
        ) from error
    if lattice.shape != (3, 3) or not np.isfinite(lattice).all() or abs(np.linalg.det(lattice)) < 1e-6:
        raise TransportError(
            f"lattice_ang must be three independent cell vectors in Å, shape (3, 3); got shape {lattice.shape}"
        )
    return lattice


def _check_shape(array: NDArray[Any], n_atoms: int) -> None:
    if array.ndim != 3 or array.shape[2] != 3:
        raise TransportError(f"displacements must have shape (n_frames, n_atoms, 3), not {array.shape}")
    if array.shape[1] != n_atoms:
        raise TransportError(f"{array.shape[1]} atoms in the displacements, but {n_atoms} species; give one per atom")
    if not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
        raise TransportError(f"displacements must be real numbers in Å, not {array.dtype}")
    if len(array) < MIN_FRAMES:
        raise TransportError(
            f"{len(array)} frame(s), but at least {MIN_FRAMES} are needed; record more often or run longer"
        )


def _scan(
    array: NDArray[Any], lattice: NDArray[np.float64], masses: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read all frames once: check values, look for wrapping; drift (n_frames, 3) and first centre (3,)."""
    n_frames, n_atoms, _ = array.shape
    inverse = np.linalg.inv(lattice)
    # An atom that moves by half the cell in one direction may cross the face of an oblique cell sooner.
    reach_ang = 0.5 * np.min(1.0 / np.linalg.norm(inverse, axis=0))
    weights = masses / masses.sum() if masses.any() else masses
    drift = np.empty((n_frames, 3))
    step = max(1, CHUNK_BYTES // (n_atoms * 24))
    last: NDArray[np.float64] | None = None
    for start in range(0, n_frames, step):
        rows = np.asarray(array[start : start + step], dtype=np.float64)
        if not np.isfinite(rows).all():
            bad = start + int(np.argwhere(~np.isfinite(rows))[0][0])
            raise TransportError(
                f"displacements hold NaN or infinity, first in frame {bad}; the run broke there: cut it off"
            )
        before = rows[:1] if last is None else last[None]
        steps = np.diff(np.concatenate([before, rows]), axis=0)
        _refuse_wrapped(steps, inverse, reach_ang, start)
        drift[start : start + step] = np.einsum("tai,a->ti", rows, weights)
        last = rows[-1]
    return drift - drift[0], drift[0].copy()


def _refuse_wrapped(steps: NDArray[Any], inverse: NDArray[Any], reach_ang: float, start: int) -> None:
    """Refuse steps of about a cell vector: they come from folding atoms back into the cell.

    A step beyond half the cell that is short once folded cannot be told from a wrapped one.
    """
    if np.abs(steps).max() < reach_ang / np.sqrt(3):
        return
    fractional = steps @ inverse
    folded = np.abs(fractional - np.round(fractional))
    wrapped = (np.abs(fractional) > 0.5) & (folded < 0.25)
    if wrapped.any():
        frame, atom, axis = np.argwhere(wrapped)[0]
        raise TransportError(
            f"atom {atom} moves by {abs(fractional[frame, atom, axis]):.2f} of cell vector {axis} in one frame "
            f"(near frame {start + frame}), more than the limit of 0.5: they are wrapped; give unwrapped displacements"
        )
