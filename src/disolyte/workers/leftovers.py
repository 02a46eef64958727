"""Put right, while workers go on, what processes and databases that die leave behind on a LaunchPad."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from fireworks import LaunchPad
from pymongo.errors import PyMongoError

from disolyte.workers.recovery import find_orphans

PATIENCE_S: Final = 10.0
"""Locks are held, and jobs taken, in moments; after this time those who did it are gone."""
PATIENCE_PER_JOB_S: Final = 0.002
"""FireWorks holds a workflow's lock for longer the more jobs it has."""
POLL_S: Final = 1.0


class Leftovers:
    """What nobody will finish, found by looking time and again.

    Parameters
    ----------
    launchpad
        The LaunchPad.
    campaign
        Name of the campaign; all of the LaunchPad if None.
    """

    def __init__(self, launchpad: LaunchPad, campaign: str | None) -> None:
        self._launchpad = launchpad
        self._locked: dict[str, Any] = {"locked": {"$exists": True}}
        self._taken: dict[str, Any] = {"state": "RESERVED", "launches": []}
        if campaign is not None:
            self._locked["metadata.campaign"] = self._taken["spec.campaign"] = campaign
        self._locks, self._checkouts = _Ages(), _Ages()

    def release_locks(self) -> None:
        """Unlock workflows that have been locked, and not changed, for too long.

        Of a killed process the lock stays. A request to lock that a database granted, but died before it said so, is
        sent again; the process then waits for a lock of its own.
        """
        wanted = {"_id": 1, "updated_on": 1, "nodes": 1}
        found = {
            (workflow["_id"], str(workflow.get("updated_on"))): PATIENCE_S + PATIENCE_PER_JOB_S * len(workflow["nodes"])
            for workflow in self._launchpad.workflows.find(self._locked, wanted)
        }
        overdue = [key[0] for key, age_s in self._locks.of(found).items() if age_s > found[key]]
        if overdue:
            self._launchpad.workflows.update_many({"_id": {"$in": overdue}}, {"$unset": {"locked": True}})

    def release_checkouts(self) -> None:
        """Make jobs ready again that were taken for running, but whose launch was never written."""
        found = [job["fw_id"] for job in self._launchpad.fireworks.find(self._taken, {"fw_id": 1})]
        overdue = [fw_id for fw_id, age_s in self._checkouts.of(found).items() if age_s > PATIENCE_S]
        if overdue:
            wanted = {**self._taken, "fw_id": {"$in": overdue}}
            self._launchpad.fireworks.update_many(wanted, {"$set": {"state": "READY"}})


@contextmanager
def locks_released(launchpad: LaunchPad, campaign: str | None) -> Iterator[None]:
    """While it lasts, a thread releases locks that nobody gives back; FireWorks would wait five minutes for each."""
    leftovers, ended = Leftovers(launchpad, campaign), threading.Event()

    def watch() -> None:
        while not ended.wait(POLL_S):
            with suppress(PyMongoError):
                leftovers.release_locks()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def drop_orphans(launchpad: LaunchPad, campaign: str | None) -> None:
    """Delete jobs that no workflow knows, and gets to know soon: who ran one would wait for its workflow in vain.

    They are made anew when the result of the job that made them is applied, or when it runs again.
    """
    if campaign is None or not (orphans := find_orphans(launchpad, campaign)):
        return
    time.sleep(PATIENCE_S)
    orphans &= find_orphans(launchpad, campaign)
    launchpad.fireworks.delete_many({"fw_id": {"$in": sorted(orphans)}})


class _Ages:
    """For how long things have been there."""

    def __init__(self) -> None:
        self._since: dict[Hashable, float] = {}

    def of(self, found: Iterable[Any]) -> dict[Any, float]:
        """Time in s since each was first found; one that was away begins anew."""
        now = time.monotonic()
        self._since = {key: self._since.get(key, now) for key in found}
        return {key: now - since for key, since in self._since.items()}
