"""One submission at a time under one name: claims in the LaunchPad's database."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fireworks import LaunchPad
from pymongo.errors import DuplicateKeyError

from disolyte.errors import WorkerError

COLLECTION: Final = "disolyte_claims"


@contextmanager
def claimed_name(launchpad: LaunchPad, campaign: str, folder: Path) -> Iterator[None]:
    """Hold the name of a campaign on a LaunchPad against submissions from other folders.

    A claim that a killed process left is taken over by its folder, which one process owns at a time.

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
    path = folder.resolve()
    mine = {"_id": campaign, "folder": str(path), "inode": str(path.stat().st_ino)}
    claims = launchpad.db[COLLECTION]
    try:
        claims.insert_one({**mine, "host": socket.gethostname()})
    except DuplicateKeyError:
        if claims.find_one(mine) is None:
            other = claims.find_one({"_id": campaign}) or {}
            raise WorkerError(
                f"a campaign '{campaign}' is being submitted from {other.get('folder', 'another folder')} on "
                f"{other.get('host', 'another machine')}; give another --folder and another --name, or, if that "
                "submission was cut off, submit from there again"
            ) from None
    try:
        yield
    finally:
        claims.delete_one(mine)
