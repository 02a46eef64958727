"""Frames that are the same structure: atoms listed otherwise, all moved alike, or by vectors of the lattice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

TOLERANCE: Final = 1e-5
"""Distance of two lists of features up to which frames are the same: files keep eight decimals of a coordinate."""
_WAVES: Final = np.array([wave for wave in product((0, 1, -1), repeat=3) if wave > (0, 0, 0)])


def find_repeats(frames: Sequence[Atoms], others: Sequence[Atoms] | None = None) -> list[int]:
    """Indices of the frames that are among ``others``, or, without these, among the frames before them.

    Frames are compared by features that neither a shift of all atoms, nor vectors of the lattice, nor the order of the
    atoms changes: the lengths and angles of the cell, and the structure factors of each element relative to the sum.

    Parameters
    ----------
    frames
        Frames to look for.
    others
        Frames to look among.

    Examples
    --------
    >>> from ase.build import bulk
    >>> salt = bulk("LiCl", "rocksalt", a=5.1)
    >>> moved = salt.copy()
    >>> moved.positions += 0.3 + moved.cell[1]
    >>> find_repeats([moved, bulk("LiCl", "rocksalt", a=5.2)], [salt])
    [0]
    """
    from scipy.spatial import cKDTree

    found: list[int] = []
    known = None if others is None else _grouped(others)
    for key, members in _grouped(frames).items():
        indices, points = [index for index, _ in members], np.array([point for _, point in members])
        if known is None:
            pairs = cKDTree(points).query_pairs(TOLERANCE)
            found += {indices[max(pair)] for pair in pairs}
        elif key in known:
            nearest, _ = cKDTree(np.array([point for _, point in known[key]])).query(points)
            found += [index for index, distance in zip(indices, nearest, strict=True) if distance <= TOLERANCE]
    return sorted(found)


def _grouped(frames: Sequence[Atoms]) -> dict[bytes, list[tuple[int, NDArray[np.float64]]]]:
    groups = defaultdict(list)
    for index, atoms in enumerate(frames):
        groups[np.sort(atoms.numbers).tobytes()].append((index, _features(atoms)))
    return groups


def _features(atoms: Atoms) -> NDArray[np.float64]:
    phases = np.exp(2j * np.pi * atoms.get_scaled_positions(wrap=False) @ _WAVES.T)
    factors = np.array([phases[atoms.numbers == number].sum(axis=0) for number in np.unique(atoms.numbers)])
    # The sum is weighted, so that elements on one kind of sites do not cancel.
    relative = factors * np.conj(np.unique(atoms.numbers) @ factors) / np.sum(atoms.numbers)
    metric = np.array(atoms.cell) @ np.array(atoms.cell).T
    lengths = np.sign(metric) * np.sqrt(np.abs(metric))
    return np.concatenate([lengths[np.triu_indices(3)], relative.real.ravel(), relative.imag.ravel()])
