"""How a running job makes way for the jobs that it plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobflow import CURRENT_JOB, Flow, Job, Response


def replace_current_job(jobs: Sequence[Job | Flow], last: Job, *, name: str) -> Response[Any]:
    """Response that puts ``jobs`` and ``last`` in the place of the current job; ``last`` makes its output.

    ``last`` gets the uuid of the current job. With a flow's ``output`` jobflow would add a job that stores a reference
    instead: it runs, and seems to succeed, where ``last`` fails.

    Parameters
    ----------
    jobs
        Jobs that come before it.
    last
        Job whose output stands for that of the current one.
    name
        Name of the flow that they form.
    """
    current = CURRENT_JOB.job
    if current is not None:
        last.set_uuid(current.uuid)
        last.index = current.index + 1
        last.metadata = {**last.metadata, **current.metadata}
    return Response(replace=Flow([*jobs, last], name=name))
