"""Queue adapters: how ``qlaunch`` asks SLURM for a worker of each role."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from disolyte.errors import InputError
from disolyte.records import Record
from disolyte.workers.folder import RunFolder
from disolyte.workers.roles import Role

_WALLTIME: Final = re.compile(r"(?:(\d+)-)?(\d{1,3}):(\d{2}):(\d{2})")


class QueueSettings(Record):
    """What a worker of one role asks of the queue. Empty fields are left out of the script."""

    partition: str | None = Field(default=None, description="Partition.")
    account: str | None = Field(default=None, description="Account.")
    walltime: str = Field(default="24:00:00", description="Time limit, [days-]hours:minutes:seconds.")
    n_tasks: int = Field(default=1, ge=1, description="MPI tasks.")
    cores_per_task: int = Field(default=1, ge=1, description="Cores of each task.")
    gres: str | None = Field(default=None, description="Generic resources, e.g. 'gpu:1'.")
    setup: str | None = Field(
        default=None, description="Shell commands before the worker starts: modules, environment."
    )


DEFAULT_SETTINGS: Final = {
    Role.CPU: QueueSettings(cores_per_task=4),
    Role.GPU: QueueSettings(cores_per_task=8, gres="gpu:1"),
    Role.DFT: QueueSettings(n_tasks=64),
}
"""What most clusters grant; edit the written files."""


def walltime_s(text: str) -> int:
    """Seconds of a SLURM time limit.

    Raises
    ------
    InputError
        If it is no [days-]hours:minutes:seconds.

    Examples
    --------
    >>> walltime_s("24:00:00"), walltime_s("2-12:00:00")
    (86400, 216000)
    """
    match = _WALLTIME.fullmatch(text)
    if match is None:
        raise InputError(f"walltime {text!r} is not [days-]hours:minutes:seconds, as in 24:00:00 or 2-00:00:00")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((24 * days + hours) * 60 + minutes) * 60 + seconds


def qadapter_spec(files: RunFolder, role: Role, settings: QueueSettings) -> dict[str, Any]:
    """Content of a ``qadapter_<role>.yaml``, for FireWorks' CommonAdapter.

    The worker takes jobs one after another and begins none in the last tenth of its time; what is cut off all the same
    is found lost, and goes on from its checkpoint.
    """
    python = Path(sys.executable).parent
    rlaunch = [str(python / "rlaunch"), "-l", str(files.launchpad_file), "-w", str(files.fworker_file(role))]
    rlaunch += ["rapidfire", "--timeout", str(walltime_s(settings.walltime) * 9 // 10)]
    exports = f"export JOBFLOW_CONFIG_FILE={shlex.quote(str(files.jobflow_file))}"
    content = {
        "_fw_name": "CommonAdapter",
        "_fw_q_type": "SLURM",
        "rocket_launch": shlex.join(rlaunch),
        "nodes": 1 if role is not Role.DFT else None,
        "ntasks": settings.n_tasks,
        "cpus_per_task": settings.cores_per_task,
        "gres": settings.gres,
        "walltime": settings.walltime,
        "queue": settings.partition,
        "account": settings.account,
        "job_name": f"disolyte-{role}",
        "logdir": str(files.path / "logs"),
        "pre_rocket": "\n".join(filter(None, [settings.setup, exports])),
    }
    return {key: value for key, value in content.items() if value is not None}
