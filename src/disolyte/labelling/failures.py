"""Why a VASP run left no label: from its exception and the files in its folder to one kind and one sentence."""

from __future__ import annotations

import errno
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from disolyte.errors import DisolyteError
from disolyte.labelling.labels import Failure
from disolyte.labelling.schema import RejectionKind

CUSTODIAN_KINDS: Final = {
    "Frozen job": RejectionKind.TIMED_OUT,
    "Walltime reached": RejectionKind.TIMED_OUT,
    "Unconverged": RejectionKind.UNCONVERGED,
    "Non-converging job": RejectionKind.UNCONVERGED,
}
"""What custodian's handlers call the errors that have a kind of their own."""

_DISK = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_CRASH = re.compile(r"SIG[A-Z]{3,}|segmentation|severe|killed|abort|BAD TERMINATION|out of memory", re.IGNORECASE)
_READ_BYTES: Final = 4000


def diagnose(error: BaseException, directory: Path) -> Failure:
    """Tell why a VASP run failed.

    In this order: a full disk, an error that disolyte raises on purpose, what custodian last tried to correct, a crash,
    and output that ends too early or cannot be read.

    Parameters
    ----------
    error
        What the run raised.
    directory
        Folder of the run, with ``custodian.json``, ``std_err.txt`` and ``vasp.out`` where it came that far.

    Returns
    -------
    Failure
        Kind and reason; the reason names host and folder.
    """
    said = f"{_tail(directory / 'vasp.out')}\n{_tail(directory / 'std_err.txt')}"
    corrected = _last_corrected(directory)
    known = [CUSTODIAN_KINDS[name] for name in corrected if name in CUSTODIAN_KINDS]
    crash = _last_line(said, _CRASH)
    if any(_is_disk_full(cause) for cause in _chain(error)) or _DISK.search(said):
        kind, what = RejectionKind.DISK_FULL, "the disk was full"
    elif isinstance(error, DisolyteError):
        kind, what = RejectionKind.CALCULATION_FAILED, str(error)
    elif known:
        kind, what = known[-1], f"custodian gave up on: {', '.join(corrected)}"
    elif crash:
        kind, what = RejectionKind.CALCULATION_FAILED, f"VASP crashed: {crash}"
    elif (directory / "vasprun.xml").exists():
        kind, what = RejectionKind.INCOMPLETE_OUTPUT, f"the output ends too early or cannot be read ({_text(error)})"
    else:
        kind, what = RejectionKind.CALCULATION_FAILED, f"VASP left no vasprun.xml ({_text(error)})"
    return Failure(kind, f"{what}; see {socket.gethostname()}:{directory}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _last_corrected(directory: Path) -> list[str]:
    """Errors in the last correction that custodian wrote down."""
    try:
        log: list[dict[str, Any]] = json.loads((directory / "custodian.json").read_text(encoding="utf-8"))
        return [str(name) for name in log[-1]["corrections"][-1]["errors"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            handle.seek(max(0, file.stat().st_size - _READ_BYTES))
            return handle.read().decode(errors="replace")
    except OSError:
        return ""


def _last_line(text: str, pattern: re.Pattern[str]) -> str:
    lines = [line.strip() for line in text.splitlines() if pattern.search(line)]
    return lines[-1][:200] if lines else ""


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
