"""Nested subsets of the training frames, alike in their compositions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from pydantic import ConfigDict, Field

from disolyte.records import Record


class TrainingSubset(Record):
    """Part of a dataset's training frames. Subsets of one seed are nested: the larger holds the smaller."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_train: int = Field(ge=1, description="Number of training frames.")
    seed: int = Field(default=0, ge=0, description="Seed of the order in which frames are taken.")

    def dataset_sha256(self, whole: str) -> str:
        """Hash of this part of the dataset with hash ``whole``."""
        return hashlib.sha256(f"{whole}:{self.n_train}:{self.seed}".encode()).hexdigest()


def nested_order(compositions: Sequence[str], seed: int) -> list[int]:
    """Order of frames whose every beginning holds the compositions in their shares, as nearly as whole frames can.

    The frames of each composition are shuffled; the k-th of m then comes at (k + u) / m, with one random u in 0 … 1 for
    each composition.

    Parameters
    ----------
    compositions
        Composition of each frame, shape (n,).
    seed
        Seed of the shuffles.

    Returns
    -------
    list of int
        Indices of the frames, shape (n,).

    Examples
    --------
    >>> order = nested_order(["A"] * 4 + ["B"] * 2, seed=0)
    >>> sorted(["AAAABB"[i] for i in order[:3]])
    ['A', 'A', 'B']
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(compositions)
    places = np.empty(len(names))
    for name in sorted(set(compositions)):
        members = np.flatnonzero(names == name)
        places[members] = (rng.permutation(len(members)) + rng.random()) / len(members)
    return np.argsort(places, kind="stable").tolist()
