"""Start the training process, watch it, and read what it left."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from disolyte.errors import FinetuningError
from disolyte.finetuning.loop import EFFECTIVE_FILE, PROGRESS_FILE

logger = logging.getLogger("jobflow.disolyte.finetuning")
"""Under jobflow's own, so that ``run_locally`` shows how far a training is."""

_POLL_S: Final = 0.5
_LOG_TAIL_LINES: Final = 25
_DISK_FULL: Final = "the disk is full; free space and run the job again, it goes on where it stopped"
_DISK_MAY_BE_FULL: Final = (
    "a file could not be written: the disk may be full or a quota reached (see df and quota); free space and run the "
    "job again, it goes on where it stopped"
)
_LITTLE_SPACE_BYTES: Final = 2**26
"""Less is no room for a training's state."""
_FAILED_WRITES: Final = ("basic_ios::clear", "pytorchstreamwriter failed", "disk quota exceeded")
"""What torch and the system say in small letters when a file cannot be written."""
_CAUSES: Final = (
    ("out of memory", "the GPU ran out of memory; lower batch_size"),
    ("can't allocate memory", "the machine ran out of memory; lower batch_size"),
    ("no space left on device", _DISK_FULL),
    ("no kernel image is available", "the installed torch does not know this GPU; install one that does"),
)
"""What the log says in small letters, and what it means."""
_ERROR_LINE: Final = re.compile(r"[\w.]*(Error|Exception|Interrupt|Exit)\b")


@dataclass(frozen=True)
class FinishedTraining:
    """What a training run left in its folder."""

    model_path: Path
    """Pickled model with all its heads, at its best epoch, written by our own process."""
    effective: dict[str, Any]
    """Settings read from the objects that used them."""
    progress: dict[str, Any]
    """Record of all epochs; see :class:`~disolyte.finetuning.loop.TrainingLoop`."""
    wall_time_s: float
    """Wall time of the process."""


def run_training(
    arguments: dict[str, object],
    *,
    target_head: str,
    directory: Path,
    fingerprint: str = "",
    asked: dict[str, Any] | None = None,
) -> FinishedTraining:
    """Train in a process of its own, or go on with what a killed one left in ``directory``.

    Parameters
    ----------
    arguments
        Options of ``mace_run_train`` without dashes; None for a flag that takes no value.
    target_head
        Head that decides on the best epoch and on patience.
    directory
        Folder of this run alone.
    fingerprint
        Hash of the data and the foundation: a folder that was begun with others is refused.
    asked
        What the run must turn out to use, by the keys of its record of effective settings; it ends before its first
        epoch if it would use something else.

    Raises
    ------
    FinetuningError
        If the process fails, with its exit status and the end of its log; or if ``directory`` holds a run with other
        arguments.
    """
    directory = directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    run = {
        "arguments": [item for key, value in arguments.items() for item in _option(key, value)],
        "target_head": target_head,
        "fingerprint": fingerprint,
        "asked": asked or {},
    }
    _claim(directory / "run.json", run)
    model_path = directory / f"{arguments['name']}.model"
    started = time.monotonic()
    with (directory / "training.log").open("ab") as log:
        log_start = log.tell()
        entry = [sys.executable, "-W", "ignore", "-m", "disolyte.finetuning.runner"]
        process = subprocess.Popen(
            [*entry, str(directory / "run.json"), str(os.getpid())],
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(),
        )
        try:
            _watch(process, directory)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0 or not model_path.is_file():
        log_tail = _log_tail(directory / "training.log", log_start)
        cause = find_cause(process.returncode, log_tail, free_bytes=shutil.disk_usage(directory).free)
        raise FinetuningError(
            f"training ended with exit status {process.returncode}: {cause}. End of {directory / 'training.log'}:\n"
            f"{log_tail}"
        )
    return FinishedTraining(
        model_path=model_path,
        effective=json.loads((directory / EFFECTIVE_FILE).read_text(encoding="utf-8")),
        progress=json.loads((directory / PROGRESS_FILE).read_text(encoding="utf-8")),
        wall_time_s=time.monotonic() - started,
    )


def _option(key: str, value: object) -> list[str]:
    return [f"--{key}"] if value is None else [f"--{key}", str(value)]


def _claim(run_file: Path, run: dict[str, Any]) -> None:
    """Refuse a folder that another run has begun in."""
    begun = _read_run(run_file)
    if begun is not None and any(begun.get(key) != run[key] for key in ("arguments", "target_head", "fingerprint")):
        raise FinetuningError(
            f"{run_file.parent} holds a training run with other settings or data; use an empty folder, or delete it"
        )
    part = run_file.with_suffix(".part")
    part.write_text(json.dumps(run, indent=1), encoding="utf-8")
    part.replace(run_file)


def _read_run(run_file: Path) -> dict[str, Any] | None:
    """Run that was begun in the folder; None if there is none, or a damaged file says nothing of it."""
    try:
        begun = json.loads(run_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return begun if isinstance(begun, dict) else None


def _environment() -> dict[str, str]:
    """Environment in which the child finds this very package, installed or not."""
    package_root = str(Path(__file__).resolve().parents[2])
    paths = [package_root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _watch(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Wait for the end, and report each epoch to the log."""
    path = directory / PROGRESS_FILE
    reported, ended = 0, False
    while not ended:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            ended = True
        if path.is_file():
            progress = json.loads(path.read_text(encoding="utf-8"))
            for epoch in progress["epochs"][reported:]:
                logger.info("%s", describe_epoch(epoch, progress))
            reported = len(progress["epochs"])


def describe_epoch(epoch: dict[str, Any], progress: dict[str, Any]) -> str:
    """One line on an epoch: its number, the errors of each head, and how long the run may still take."""
    errors = []
    for head, force in epoch["force_rmse_ev_per_ang"].items():
        parts = [f"{1e3 * epoch['energy_rmse_ev_per_atom'][head]:.1f} meV/atom", f"{1e3 * force:.0f} meV/Å"]
        if head in epoch["stress_rmse_ev_per_ang3"]:
            parts.append(f"{1e3 * epoch['stress_rmse_ev_per_ang3'][head]:.2f} meV/Å³")
        errors.append(f"{head} " + " ".join(parts))
    done = progress["epochs"][-1]["epoch"]
    left_s = progress["eta_s"] + (done - epoch["epoch"]) * progress["seconds_per_epoch"]
    number = "before training" if epoch["epoch"] < 0 else f"epoch {epoch['epoch'] + 1} of {progress['max_num_epochs']}"
    return f"{number}: {', '.join(errors)}; at most {left_s:.0f} s left"


def find_cause(exit_status: int, log_tail: str, *, free_bytes: int | None = None) -> str:
    """What ended the process, as far as its exit status and the end of its log tell, and what may help.

    Parameters
    ----------
    exit_status
        As :mod:`subprocess` gives it: negative for a signal.
    log_tail
        End of the log of this process alone.
    free_bytes
        Space left where it writes, if known.
    """
    lowered = log_tail.lower()
    if any(sign in lowered for sign in _FAILED_WRITES):
        return _DISK_FULL if free_bytes is not None and free_bytes < _LITTLE_SPACE_BYTES else _DISK_MAY_BE_FULL
    for sign, cause in _CAUSES:
        if sign in lowered:
            return cause
    if exit_status < 0:
        name = signal.Signals(-exit_status).name
        return f"{name} killed it" + (": as a rule the machine ran out of memory" if name == "SIGKILL" else "")
    errors = [line for line in log_tail.splitlines() if _ERROR_LINE.match(line)]
    return errors[-1].removeprefix("disolyte.errors.") if errors else "the log names no error"


def _log_tail(path: Path, start: int) -> str:
    """Last lines of a log from byte ``start``, where its last process began."""
    lines = path.read_bytes()[start:].decode("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_TAIL_LINES:])
