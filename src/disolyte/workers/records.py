"""What a running job knows of itself, for the provenance of its document."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobflow import CURRENT_JOB

from disolyte.provenance import Provenance, StageDoc, merge_caveats


def describe_job(
    inputs: Iterable[StageDoc] = (), *, seed: int | None = None, caveats: Iterable[str] = ()
) -> dict[str, Any]:
    """Fields ``uuid``, ``provenance`` and ``caveats`` of the document that the current job makes.

    Parameters
    ----------
    inputs
        Documents that the job was given. Their caveats are handed on.
    seed
        Seed of everything random in the job.
    caveats
        What the job itself adds to them.

    Returns
    -------
    dict
        Keyword arguments for a :class:`~disolyte.provenance.StageDoc`.
    """
    inputs = list(inputs)
    fields: dict[str, Any] = {
        "caveats": merge_caveats(inputs, *caveats),
        "provenance": Provenance(
            dir_name=f"{socket.gethostname()}:{Path.cwd()}",
            seed=seed,
            inputs=[document.as_input() for document in inputs],
        ),
    }
    if CURRENT_JOB.job is not None:
        fields["uuid"] = CURRENT_JOB.job.uuid
    return fields
