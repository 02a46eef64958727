"""Child processes of a run folder: started, found again after a crash, and ended, by id and birth time only."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 20.0
"""Time for a child to end by itself before it is killed."""


class ProcessRegistry:
    """The processes that belong to one run folder, kept in a file so that a later run can end left-over ones.

    A process is only ever touched when its id *and* its time of birth match the record.

    Parameters
    ----------
    folder
        The run folder. Records go to ``processes.json`` in it, output to ``logs/``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "processes.json"

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path
    ) -> psutil.Popen:
        """Start a process in a session of its own, its output appended to ``logs/<name>.log``."""
        log_file = self.log_file(name)
        log_file.parent.mkdir(exist_ok=True)
        with log_file.open("ab") as log:
            process = psutil.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        records = self._read()
        records[name] = [process.pid, process.create_time()]
        self._write(records)
        return process

    def log_file(self, name: str) -> Path:
        """File that the named process writes to."""
        return self.folder / "logs" / f"{name}.log"

    def log_tail(self, name: str, lines: int = 15) -> str:
        """Last lines that the named process wrote."""
        file = self.log_file(name)
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""

    def alive(self) -> list[str]:
        """Names of processes that run."""
        return [name for name, record in self._read().items() if _find(*record) is not None]

    def dead(self) -> list[str]:
        """Names of processes that were started and not stopped, but run no more."""
        return [name for name, record in self._read().items() if _find(*record) is None]

    def stop(self, name: str) -> None:
        """End a process of this folder, and those that it started, if it still runs."""
        records = self._read()
        record = records.pop(name, None)
        if record is None:
            return
        _end(*record)
        # On a full disk the record stays: it names a process that is gone, which does no harm.
        with suppress(OSError):
            self._write(records)

    def stop_all(self) -> list[str]:
        """End all processes of this folder, the latest first; return the names of those that still ran."""
        stopped = []
        for name, record in reversed(list(self._read().items())):
            if _find(*record) is not None:
                stopped.append(name)
            self.stop(name)
        return stopped

    def _read(self) -> dict[str, list[float]]:
        """What the file records; what was edited into something else names no process."""
        try:
            content = json.loads(self._file.read_text())
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        return {name: value for name, value in content.items() if _is_record(value)} if type(content) is dict else {}

    def _write(self, records: dict[str, list[float]]) -> None:
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(records))
        temporary.replace(self._file)


def _is_record(value: object) -> bool:
    """Whether it is a process's id and time of birth."""
    if not isinstance(value, list) or [type(entry) for entry in value] not in ([int, int], [int, float]):
        return False
    pid, create_time = value
    return 0 < pid < 2**31 and 0 <= create_time < math.inf


def _find(pid: float, create_time: float) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid))
        if abs(process.create_time() - create_time) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except psutil.NoSuchProcess:
        pass
    return None


def _end(pid: float, create_time: float) -> None:
    process = _find(pid, create_time)
    if process is None:
        return
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=STOP_TIMEOUT_S)
    for survivor in alive:
        survivor.kill()
    psutil.wait_procs(alive, timeout=STOP_TIMEOUT_S)
