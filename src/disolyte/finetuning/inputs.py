"""Files that a training run reads: frames, replay frames, the foundation, and the E0s of the new head.

They are made once per folder. A run that is taken up again reads them instead of making them anew: rounding differs
between processes, and a resumed run is to go on with the very same data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io import read, write

from disolyte.errors import FinetuningError
from disolyte.finetuning.frames import Frames, for_training
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.finetuning.reference_energies import ReferenceEnergies, estimate_e0s, given_e0s
from disolyte.finetuning.replay import ReplayFrames, make_replay
from disolyte.models.loaded import LoadedModel

RECORD_FILE = "inputs.json"


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

    def write_all() -> dict[str, Any]:
        replayed = make_replay(foundation, frames.train, replay, seed=seed)
        write_frames(directory, train=frames.train, valid=frames.valid)
        write_frames(directory, replay_train=replayed.train, replay_valid=replayed.valid)
        _write_foundation(foundation, directory / "foundation.model")
        digest = hashlib.sha256()
        for name in ("replay_train", "replay_valid"):
            digest.update((directory / f"{name}.xyz").read_bytes())
        e0s = (
            estimate_e0s(foundation, frames.train)
            if options.isolated_atom_energies_ev is None
            else given_e0s(foundation, frames.train, options.isolated_atom_energies_ev)
        )
        return {"e0s": asdict(e0s), "replay_sha256": digest.hexdigest()}

    record = make_once(directory, key, write_all)
    splits = [list(read(directory / f"replay_{split}.xyz", index=":", format="extxyz")) for split in ("train", "valid")]
    return TrainingInputs(
        e0s=ReferenceEnergies(**record["e0s"]),
        replay=ReplayFrames(train=splits[0], valid=splits[1]),
        replay_sha256=record["replay_sha256"],
    )


def make_once(directory: Path, key: str, write_all: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Record of the inputs in ``directory``; ``write_all`` makes them if they are not there.

    Parameters
    ----------
    directory
        Folder of the run.
    key
        Hash of everything that decides on the result.
    write_all
        Writes the files into ``directory``, and gives what else must stay the same when the run is taken up again.

    Raises
    ------
    FinetuningError
        If ``directory`` belongs to a run with another key, or its record is damaged.
    """
    record_file = directory / RECORD_FILE
    if not record_file.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        part = record_file.with_suffix(".part")
        part.write_text(json.dumps({"key": key, **write_all()}, indent=1), encoding="utf-8")
        part.replace(record_file)
    try:
        record = json.loads(record_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FinetuningError(
            f"{record_file} cannot be read ({error}); use an empty folder, or delete {directory} to start afresh"
        ) from error
    if record["key"] != key:
        raise FinetuningError(
            f"{directory} holds a training run with other settings or data; use an empty folder, or delete it"
        )
    return record


def write_frames(directory: Path, **splits: Sequence[Atoms]) -> None:
    """Write each split to an extended-xyz file of its name, with the labels alone."""
    for name, frames in splits.items():
        write(directory / f"{name}.xyz", for_training(frames), format="extxyz")


def _write_foundation(foundation: LoadedModel, path: Path) -> None:
    """Write the foundation as mace reads it; the file is ours and is read by our own process alone."""
    import torch

    torch.save(foundation.module.cpu(), path)
    foundation.module.to(foundation.device)
