"""Labelled frames of a training, read from a dataset and checked before anything is trained."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from ase import Atoms

from disolyte.errors import DatasetError, StoreError
from disolyte.finetuning.label_checks import check_labels
from disolyte.finetuning.learning_curve.subsets import TrainingSubset, nested_order
from disolyte.finetuning.repeats import find_repeats
from disolyte.labelling.schema import DatasetDoc, Split

SPLITS: Final[tuple[Split, ...]] = ("train", "valid", "test")


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
        derivatives of the energies by the document's own record, the frames are not those that ``dataset_sha256``
        names, or the subset is larger than the training frames.
    """
    if dataset.consistency is not None and dataset.consistency.problems:
        raise DatasetError(f"the dataset is mislabelled: {'; '.join(dataset.consistency.problems)}; label it again")
    splits = {split: _read_split(dataset, split) for split in SPLITS}
    dataset.check_hash()
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
        check_labels(atoms)
    if repeated := find_repeats(frames.train):
        raise DatasetError(
            f"{len(repeated)} of {len(frames.train)} training frames are there more than once (the first of them is "
            f"number {repeated[0]}, counted from 0); leave the copies out"
        )
    for split, content, name, others in (
        ("validation", frames.valid, "training", frames.train),
        ("test", frames.test, "training", frames.train),
        ("test", frames.test, "validation", frames.valid),
    ):
        if leaked := find_repeats(content, others):
            raise DatasetError(
                f"{len(leaked)} of {len(content)} {split} frames are {name} frames, too, as they are or moved as a "
                "whole: errors on them would say nothing; split again"
            )


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
