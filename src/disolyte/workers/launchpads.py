"""Connections to LaunchPads."""

from __future__ import annotations

from typing import Final

from fireworks import LaunchPad

from disolyte.workers.database import Database

ANSWER_S: Final = 30
"""A question that is not answered within it is asked again."""
FIRST_IDS: Final = "disolyte"
"""Of FireWorks' counter there is one document, whoever makes it."""

_connections: dict[str, LaunchPad] = {}


def open_launchpad(database: Database, *, is_embedded: bool) -> LaunchPad:
    """LaunchPad of a database; a new one is initialised, one that holds anything is left as it is.

    Parameters
    ----------
    database
        The database.
    is_embedded
        Whether it is the one of a run folder, which holds one campaign.
    """
    launchpad = _connect(database)
    if launchpad.fw_id_assigner.find_one() is None and launchpad.fireworks.find_one() is None:
        # FireWorks' own reset would delete what another process, initialising it at the same time, has put there.
        first = {"next_fw_id": 1, "next_launch_id": 1}
        launchpad.fw_id_assigner.update_one({"_id": FIRST_IDS}, {"$setOnInsert": first}, upsert=True)
        launchpad.tuneup()
        if is_embedded:
            # FireWorks looks a workflow up by each of its jobs. With the thousands of one campaign, SecantusDB
            # spends more on keeping that index than on the rest of a job; a scan of a few workflows costs nothing.
            launchpad.workflows.drop_index("nodes_1")
    return launchpad


def _connect(database: Database) -> LaunchPad:
    """LaunchPad of a database, one connection each."""
    if database.uri not in _connections:
        # FireWorks' own limit would have a watcher wait five minutes for an answer that was lost.
        limits = {"socketTimeoutMS": 1000 * ANSWER_S, "serverSelectionTimeoutMS": 1000 * ANSWER_S}
        spec = {**database.launchpad_spec(), "mongoclient_kwargs": limits}
        _connections[database.uri] = LaunchPad.from_dict(spec)
    return _connections[database.uri]
