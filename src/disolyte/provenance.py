"""What every document says about where it comes from.

A number in a report can be traced to the run that made it: each document names its inputs by uuid and content hash,
its seed, the versions of the packages that matter, and its *caveats*, which travel from document to document, so
that whatever rests on a surrogate or on the small reference model says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from typing import Final, Protocol
from uuid import uuid4

from monty.json import MontyEncoder
from pydantic import ConfigDict, Field

from disolyte.records import Record

RECORDED_PACKAGES: Final = (
    "disolyte", "pymatgen", "ase", "numpy", "scipy", "spglib", "jobflow", "atomate2", "torch", "mace-torch", "chgnet",
)  # fmt: skip
"""Packages whose versions a document records when they are installed."""


def installed_versions() -> dict[str, str]:
    """Versions of :data:`RECORDED_PACKAGES` that are installed."""
    versions = {}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


class InputRecord(Record):
    """A document that another one was made from."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(description="Class of the document.")
    uuid: str = Field(description="uuid of the document, which is that of the job that made it.")
    sha256: str = Field(description="Content hash of the document.")


class Provenance(Record):
    """How a document was made."""

    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), description="Time of making, UTC.")
    dir_name: str | None = Field(default=None, description="Folder of the job that made it, with the host's name.")
    seed: int | None = Field(default=None, description="Seed of everything random in it.")
    inputs: list[InputRecord] = Field(default_factory=list, description="Documents it was made from.")
    versions: dict[str, str] = Field(
        default_factory=installed_versions, description="Versions of the packages that matter."
    )


class StageDoc(Record):
    """Base of the documents that stages hand on."""

    uuid: str = Field(default_factory=lambda: str(uuid4()), description="uuid of the job that made the document.")
    caveats: list[str] = Field(
        default_factory=list, description="What a reader must know before using a number: surrogates, small models."
    )
    provenance: Provenance = Field(default_factory=Provenance, description="How the document was made.")

    def content_sha256(self) -> str:
        """Hash of all fields but ``uuid`` and ``provenance``: equal for equal results."""
        content = self.model_dump(exclude={"uuid", "provenance"})
        text = json.dumps(content, cls=MontyEncoder, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_input(self) -> InputRecord:
        """Record that names this document as an input of another one."""
        return InputRecord(kind=type(self).__name__, uuid=self.uuid, sha256=self.content_sha256())


class HasCaveats(Protocol):
    """Something to be read with caveats."""

    caveats: list[str]


def merge_caveats(documents: Iterable[HasCaveats], *more: str) -> list[str]:
    """Union of the caveats of ``documents`` and ``more``, in order, without repetition."""
    return list(dict.fromkeys([*(caveat for document in documents for caveat in document.caveats), *more]))
