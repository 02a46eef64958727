"""A folder that one process works in at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from disolyte.errors import RunFolderError, RunFolderInUseError


@contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """Hold a folder against a second owner, and make sure that it can be written to.

    Raises
    ------
    RunFolderError
        If the folder cannot be made or written to.
    RunFolderInUseError
        If another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".write-test"
        probe.write_bytes(b"0" * 4096)
        probe.unlink()
        lock = (folder / ".lock").open("a+")
    except OSError as error:
        raise RunFolderError(
            f"cannot write to the run folder {folder}: {error.strerror}; give a writable one"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise RunFolderInUseError(
                f"the run folder {folder} is in use by process {owner}; wait for it, end it, or give another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder
