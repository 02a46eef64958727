"""Files that a training run reads: frames, replay frames, the foundation, and the E0s of the new head.

They are made once per folder. A run that is taken up again reads them instead of making them anew: rounding differs
between processes, and a resumed run is to go on with the very same data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write

from disolyte.errors import FinetuningError
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.finetuning.reference_energies import ReferenceEnergies, estimate_e0s, given_e0s
from disolyte.finetuning.replay import ReplayFrames, make_replay
from disolyte.models.loaded import LoadedModel

RECORD_FILE = "inputs.json"


@dataclass(frozen=True)
class Frames:
    """Labelled frames for training; see :class:`~disolyte.labelling.schema.DatasetDoc` for the keys."""

    train: list[Atoms]
    valid: list[Atoms]
    test: list[Atoms]


@dataclass(frozen=True)
class TrainingInputs:
    """What was made for a run, beside the frames that it was given."""

    e0s: ReferenceEnergies
    replay: ReplayFrames
    replay_sha256: str
    """Hash of the files of the replay frames."""


def prepare_inputs(
    foundation: LoadedModel,
    frames: Frames,
    *,
    options: FinetuneOptions,
    replay: ReplayOptions,
    seed: int,
    directory: Path,
    key: str,
) -> TrainingInputs:
    """Write all that the training process reads into ``directory``, or take what is there.

    Parameters
    ----------
    foundation
        Model to start from.
    frames
        Labelled frames.
    options, replay, seed
        Settings.
    directory
        Folder of the run.
    key
        Hash of everything that decides on the result.

    Raises
    ------
    FinetuningError
        If ``directory`` belongs to a run with another key, or no replay frames are asked for.
    """
    record_file = directory / RECORD_FILE
    if record_file.is_file():
        return _read_inputs(record_file, key)
    directory.mkdir(parents=True, exist_ok=True)
    replayed = make_replay(foundation, frames.train, replay, seed=seed)
    e0s = (
        estimate_e0s(foundation, frames.train)
        if options.isolated_atom_energies_ev is None
        else given_e0s(foundation, frames.train, options.isolated_atom_energies_ev)
    )
    files = {
        "train": frames.train, "valid": frames.valid, "replay_train": replayed.train, "replay_valid": replayed.valid,
    }  # fmt: skip
    for name, content in files.items():
        write(directory / f"{name}.xyz", _for_training(content), format="extxyz")
    _write_foundation(foundation, directory / "foundation.model")
    digest = hashlib.sha256()
    for name in ("replay_train", "replay_valid"):
        digest.update((directory / f"{name}.xyz").read_bytes())
    record = {
        "key": key,
        "e0s_ev": e0s.e0s_ev,
        "shifts_ev": e0s.shifts_ev,
        "rank": e0s.rank,
        "replay_sha256": digest.hexdigest(),
    }
    part = record_file.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1), encoding="utf-8")
    part.replace(record_file)
    return TrainingInputs(e0s=e0s, replay=replayed, replay_sha256=digest.hexdigest())


def _read_inputs(record_file: Path, key: str) -> TrainingInputs:
    directory = record_file.parent
    record = json.loads(record_file.read_text(encoding="utf-8"))
    if record["key"] != key:
        raise FinetuningError(
            f"{directory} holds a training run with other settings or data; use an empty folder, or delete it"
        )
    splits = [list(read(directory / f"replay_{split}.xyz", index=":", format="extxyz")) for split in ("train", "valid")]
    return TrainingInputs(
        e0s=ReferenceEnergies(record["e0s_ev"], record["shifts_ev"], record["rank"]),
        replay=ReplayFrames(train=splits[0], valid=splits[1]),
        replay_sha256=record["replay_sha256"],
    )


def _write_foundation(foundation: LoadedModel, path: Path) -> None:
    """Write the foundation as mace reads it; the file is ours and is read by our own process alone."""
    import torch

    torch.save(foundation.module.cpu(), path)
    foundation.module.to(foundation.device)


def _for_training(frames: Sequence[Atoms]) -> list[Atoms]:
    """Copies with the labels alone: other keys may mean something to mace."""
    copies = []
    for atoms in frames:
        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        copy.info["REF_energy"] = float(atoms.info["REF_energy"])
        copy.info["REF_stress"] = np.reshape(np.asarray(atoms.info["REF_stress"], dtype=float), (3, 3))
        copy.arrays["REF_forces"] = np.asarray(atoms.arrays["REF_forces"], dtype=float)
        copies.append(copy)
    return copies
