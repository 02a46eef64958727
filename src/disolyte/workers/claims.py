"""One submission at a time under one name: claims in the LaunchPad's database."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil
from fireworks import LaunchPad
from pymongo.errors import DuplicateKeyError

from disolyte.errors import WorkerError

COLLECTION: Final = "disolyte_claims"

BIRTH_TOLERANCE_S: Final = 1.0
"""Processes of one id that were born further apart are different ones."""


@contextmanager
def claimed_name(launchpad: LaunchPad, campaign: str, folder: Path) -> Iterator[None]:
    """Hold the name of a campaign on a LaunchPad against submissions from other folders.

    A claim that a killed process left is taken over: by its folder, which one process owns at a time, and by any other
    on the same machine that finds the process or the folder gone.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    campaign
        The name.
    folder
        Run folder that submits; known by its path and inode, so also from another machine that shares its disk.

    Raises
    ------
    WorkerError
        If another folder holds the name.
    """
    mine = _claim(campaign, folder)
    claims = launchpad.db[COLLECTION]
    while True:
        try:
            claims.insert_one(mine)
            break
        except DuplicateKeyError:
            other = claims.find_one({"_id": campaign})
        if other is None:
            continue  # it was released just now
        if _place(other) != _place(mine) and not is_stale(other):
            raise WorkerError(
                f"a campaign '{campaign}' is being submitted from {other.get('folder', 'another folder')} on "
                f"{other.get('host', 'another machine')}; give another --folder and another --name, or, if that "
                "submission was cut off, submit from there again"
            )
        # Of several that find it stale, one deletes what it saw; the others meet a new claim.
        claims.delete_one(other)
    try:
        yield
    finally:
        claims.delete_one(mine)


def is_stale(claim: Mapping[str, Any]) -> bool:
    """Whether nobody can be at work under a claim: its process has ended, or its folder is gone.

    Only this machine's processes and folders can be looked for. Since its last start the process alone decides, for a
    folder may be away for a moment; from before it, no process is left, and the folder may be claimed again by itself.
    """
    if claim.get("host") != socket.gethostname():
        return False
    if claim.get("boot") == _boot() and "pid" in claim:
        try:
            born = psutil.Process(int(claim["pid"])).create_time()
        except psutil.NoSuchProcess:
            return True
        return abs(born - float(claim.get("born", born))) > BIRTH_TOLERANCE_S
    try:
        return str(Path(str(claim.get("folder"))).stat().st_ino) != claim.get("inode")
    except FileNotFoundError:
        return True


def _claim(campaign: str, folder: Path) -> dict[str, Any]:
    path, process = folder.resolve(), psutil.Process()
    return {
        "_id": campaign,
        "folder": str(path),
        "inode": str(path.stat().st_ino),
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": process.pid,
        "born": process.create_time(),
    }


def _place(claim: Mapping[str, Any]) -> tuple[Any, Any]:
    return claim.get("folder"), claim.get("inode")


def _boot() -> str:
    """What tells this start of this machine, and this container, from others of the same name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # elsewhere than on Linux
        return str(int(psutil.boot_time()))
