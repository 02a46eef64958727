"""Labelled frames of a training, read from a dataset and checked before anything is trained."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from disolyte.errors import DatasetError, StoreError
from disolyte.finetuning.learning_curve.subsets import TrainingSubset, nested_order
from disolyte.labelling.schema import DatasetDoc, Split

SPLITS: Final[tuple[Split, ...]] = ("train", "valid", "test")
NET_FORCE_EV_PER_ANG: Final = 0.5
"""Largest sum of all forces of a cell: that of the gate which datasets pass."""


@dataclass(frozen=True)
class Frames:
    """Labelled frames for training; see :class:`~disolyte.labelling.schema.DatasetDoc` for the keys."""

    train: list[Atoms]
    valid: list[Atoms]
    test: list[Atoms]


def read_frames(dataset: DatasetDoc, subset: TrainingSubset | None = None) -> Frames:
    """Frames of all splits, of the training frames those of ``subset`` alone.

    Raises
    ------
    DatasetError
        If a split cannot be read or does not hold as many frames as the document says, forces or stresses are not the
        derivatives of the energies by the document's own record, or the subset is larger than the training frames.
    """
    if dataset.consistency is not None and dataset.consistency.problems:
        raise DatasetError(f"the dataset is mislabelled: {'; '.join(dataset.consistency.problems)}; label it again")
    splits = {split: _read_split(dataset, split) for split in SPLITS}
    if subset is not None:
        if subset.n_train > len(splits["train"]):
            raise DatasetError(
                f"a subset of {subset.n_train} frames of {len(splits['train'])} training frames; ask for fewer"
            )
        order = nested_order([composition_of(atoms) for atoms in splits["train"]], subset.seed)
        splits["train"] = [splits["train"][index] for index in order[: subset.n_train]]
    return Frames(splits["train"], splits["valid"], splits["test"])


def _read_split(dataset: DatasetDoc, split: Split) -> list[Atoms]:
    expected = {"train": dataset.n_train, "valid": dataset.n_valid, "test": dataset.n_test}[split]
    if expected == 0:
        return []
    try:
        frames = dataset.to_atoms(split)
    except StoreError as error:
        if "additional store" in str(error):
            raise
        raise DatasetError(f"the {split} frames are corrupt: {error}; build the dataset again") from error
    except (ValueError, KeyError, IndexError, OSError, AssertionError, TypeError, zlib.error) as error:
        raise DatasetError(
            f"the {split} frames are no readable extended xyz ({type(error).__name__}: {error}); build it again"
        ) from error
    if len(frames) != expected:
        raise DatasetError(f"the {split} file holds {len(frames)} frames, the document says {expected}; build it again")
    return frames


def composition_of(atoms: Atoms) -> str:
    """Composition under which a frame is counted."""
    return str(atoms.info.get("composition") or atoms.symbols.formula.reduce()[0])


def check_frames(frames: Frames, batch_size: int) -> None:
    """Refuse frames that training would choke on, pass over, or be judged wrongly by.

    Raises
    ------
    DatasetError
        Naming what is wrong.
    """
    if len(frames.train) < batch_size or not frames.valid:
        raise DatasetError(
            f"{len(frames.train)} training and {len(frames.valid)} validation frames; at least one batch "
            f"({batch_size}) and one validation frame are needed: label more frames or lower batch_size"
        )
    held = (("validation", frames.valid), ("test", frames.test))
    trained = {symbol for atoms in frames.train for symbol in atoms.get_chemical_symbols()}
    for split, content in held:
        if unseen := {symbol for atoms in content for symbol in atoms.get_chemical_symbols()} - trained:
            raise DatasetError(
                f"{', '.join(sorted(unseen))} is in the {split} frames and in none of the training frames; split again"
            )
    for atoms in (*frames.train, *frames.valid, *frames.test):
        _check_labels(atoms)
    seen = {_fingerprint(atoms) for atoms in frames.train}
    for split, content in held:
        if leaked := sum(_fingerprint(atoms) in seen for atoms in content):
            raise DatasetError(
                f"{leaked} of {len(content)} {split} frames are training frames, too: errors on them would say "
                "nothing; split again"
            )


def _check_labels(atoms: Atoms) -> None:
    formula = atoms.get_chemical_formula()
    if not ("REF_energy" in atoms.info and "REF_forces" in atoms.arrays and "REF_stress" in atoms.info):
        raise DatasetError(f"a frame of {formula} lacks REF_energy, REF_forces or REF_stress; label it again")
    parts = (atoms.info["REF_energy"], atoms.arrays["REF_forces"], atoms.info["REF_stress"], atoms.positions)
    if not all(np.isfinite(np.asarray(part, dtype=float)).all() for part in parts):
        raise DatasetError(f"a frame of {formula} has an energy, force, stress or position that is NaN; label it again")
    net = float(np.linalg.norm(np.sum(atoms.arrays["REF_forces"], axis=0)))
    if net > NET_FORCE_EV_PER_ANG:
        raise DatasetError(
            f"the forces of a frame of {formula} add up to {net:.2g} eV/Å, more than {NET_FORCE_EV_PER_ANG:g}: they "
            "are those of other frames, or not in eV/Å; label it again"
        )


def _fingerprint(atoms: Atoms) -> bytes:
    content = (
        atoms.numbers.astype(np.int64),
        np.round(atoms.positions, 5) + 0.0,
        np.round(np.array(atoms.cell), 5) + 0.0,
    )
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in content)).digest()


def for_training(frames: Sequence[Atoms]) -> list[Atoms]:
    """Copies with the labels alone: other keys may mean something to mace."""
    copies = []
    for atoms in frames:
        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        copy.info["REF_energy"] = float(atoms.info["REF_energy"])
        copy.info["REF_stress"] = np.reshape(np.asarray(atoms.info["REF_stress"], dtype=float), (3, 3))
        copy.arrays["REF_forces"] = np.asarray(atoms.arrays["REF_forces"], dtype=float)
        copies.append(copy)
    return copies
