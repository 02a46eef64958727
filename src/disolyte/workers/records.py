"""What a running job knows of itself: the provenance of its document, and the folder it goes on from."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Self

from jobflow import CURRENT_JOB
from pydantic import Field

from disolyte.errors import InputError
from disolyte.provenance import InputRecord, Provenance, StageDoc, merge_caveats
from disolyte.records import Record


class Origin(Record):
    """Documents that a job rests on but is not given: it gets a part of them, such as a batch of structures."""

    inputs: list[InputRecord] = Field(default_factory=list, description="The documents.")
    caveats: list[str] = Field(default_factory=list, description="Their caveats.")

    @classmethod
    def of(cls, documents: Iterable[StageDoc | Self]) -> Self:
        """Origin that names ``documents``, and what stands for other documents among them."""
        documents = list(documents)
        known = [[item.as_input()] if isinstance(item, StageDoc) else item.inputs for item in documents]
        return cls(inputs=list(chain.from_iterable(known)), caveats=merge_caveats(documents))


def describe_job(
    inputs: Iterable[StageDoc | Origin] = (), *, seed: int | None = None, caveats: Iterable[str] = ()
) -> dict[str, Any]:
    """Fields ``uuid``, ``provenance`` and ``caveats`` of the document that the current job makes.

    Parameters
    ----------
    inputs
        Documents that the job was given, and what stands for others. Their caveats are handed on.
    seed
        Seed of everything random in the job.
    caveats
        What the job itself adds to them.

    Returns
    -------
    dict
        Keyword arguments for a :class:`~disolyte.provenance.StageDoc`.
    """
    origin = Origin.of(inputs)
    fields: dict[str, Any] = {
        "caveats": merge_caveats([origin], *caveats),
        "provenance": Provenance(
            dir_name=f"{socket.gethostname()}:{Path.cwd()}",
            seed=seed,
            inputs=origin.inputs,
        ),
    }
    if CURRENT_JOB.job is not None:
        fields["uuid"] = CURRENT_JOB.job.uuid
    return fields


def take_over(prev_dir: str | Path | None, name: str) -> Path:
    """Folder ``name`` of the current job, with what a killed job with the same input left in its own.

    The folder appears whole or not at all: a copy that was cut off is made again.

    Parameters
    ----------
    prev_dir
        Folder of the killed job, which may begin with a host's name; None for a fresh start.
    name
        Name of the folder inside both jobs' folders.

    Raises
    ------
    InputError
        If ``prev_dir`` holds no such folder on this machine.
    """
    folder = Path.cwd() / name
    if prev_dir is None or folder.exists():
        return folder
    origin = Path(str(prev_dir).rsplit(":", maxsplit=1)[-1]) / name
    if not origin.is_dir():
        raise InputError(f"prev_dir holds no folder {origin} on this machine; leave it out to start afresh")
    part = folder.with_name(f".{name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(origin, part)
    part.rename(folder)
    return folder
