"""The database of a run: an embedded one in the run folder, or the user's own MongoDB.

The embedded one is SecantusDB, a server that speaks MongoDB's wire protocol. It runs as a process of its own, bound
to 127.0.0.1, with its files under the run folder; disolyte never imports it.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from disolyte.errors import MissingExtraError, RunFolderError, StoreError
from disolyte.workers.processes import ProcessRegistry

START_TIMEOUT_S: Final = 60.0
ANSWER_S: Final = 120
"""A client of the embedded database waits no longer for an answer."""
EMBEDDED_URI: Final = re.compile(r"(?P<before>mongodb://127\.0\.0\.1:)\d+(?P<after>/\?socketTimeoutMS=)")
"""What the URI of every embedded database begins with."""
MINIMUM_FREE_BYTES: Final = 500 * 1024**2
"""A run that starts with less free disk would end in the middle."""


@dataclass(frozen=True)
class Database:
    """Where the job store and the LaunchPad of a run live.

    Parameters
    ----------
    uri
        MongoDB URI. It may hold a password: it is never printed.
    name
        Name of the database.
    """

    uri: str
    name: str = "disolyte"

    @classmethod
    def from_uri(cls, uri: str) -> Database:
        """Take the name of the database from the URI's path where it has one.

        Raises
        ------
        StoreError
            If it is no MongoDB URI, or one that can be read in two ways.
        """
        name = _parts(uri)["name"]
        return cls(uri, name) if name else cls(uri)

    @property
    def has_password(self) -> bool:
        """Whether the URI holds a password."""
        return _parts(self.uri)["password"] is not None

    @property
    def port(self) -> int | None:
        """Port that the URI names; None without one, and of several hosts."""
        port = re.search(r":(\d+)$", _parts(self.uri)["hosts"])
        return int(port[1]) if port and "," not in _parts(self.uri)["hosts"] else None

    @property
    def display(self) -> str:
        """The URI without user, password and options."""
        parts = _parts(self.uri)
        return f"{parts['scheme']}://{parts['hosts']}/{self.name}"

    def check(self, timeout_s: float = 5.0) -> None:
        """Connect, authenticate and write one document.

        Raises
        ------
        StoreError
            If the server cannot be reached, refuses the credentials, or refuses to write.
        """

        def write(database: Any) -> None:
            probe = database["disolyte_write_test"]
            probe.replace_one({"_id": 0}, {"_id": 0}, upsert=True)
            probe.drop()

        self._try(write, "write", timeout_s)

    def check_readable(self, timeout_s: float = 5.0) -> None:
        """Connect, authenticate and read one document.

        Raises
        ------
        StoreError
            If the server cannot be reached, refuses the credentials, or refuses to read.
        """
        self._try(lambda database: database["fireworks"].find_one({}, {"_id": 1}), "read", timeout_s)

    def _try(self, action: Callable[[Any], object], verb: str, timeout_s: float) -> None:
        from pymongo import MongoClient
        from pymongo.errors import OperationFailure, PyMongoError

        try:
            client: MongoClient[dict[str, Any]] = MongoClient(self.uri, serverSelectionTimeoutMS=int(timeout_s * 1000))
        except (PyMongoError, ValueError) as error:
            raise StoreError(
                "the database's URI cannot be read: escape special characters of user and password, e.g. '/' as %2F"
            ) from error
        try:
            action(client[self.name])
        except OperationFailure as error:
            reason = (error.details or {}).get("errmsg", "refused")
            raise StoreError(
                f"{self.display} refused to {verb}: {reason}; check user, password and rights on '{self.name}'"
            ) from None
        except PyMongoError:
            raise StoreError(
                f"no MongoDB answered at {self.display} within {timeout_s:g} s; "
                "start it, check host and port, or leave the URI out to use the embedded database"
            ) from None
        finally:
            client.close()

    def job_store_spec(self) -> dict[str, Any]:
        """The ``JOB_STORE`` entry of a jobflow configuration file: documents, and blobs in GridFS."""
        common = {"uri": self.uri, "database": self.name}
        return {
            "docs_store": {"type": "MongoStore", "collection_name": "outputs", **common},
            "additional_stores": {"data": {"type": "GridFSStore", "collection_name": "outputs_blobs", **common}},
        }

    def launchpad_spec(self) -> dict[str, Any]:
        """The content of a ``my_launchpad.yaml``."""
        return {"host": self.uri, "uri_mode": True, "name": self.name, "strm_lvl": "WARNING"}


_TEXT = r"(?:[^:@/?#\[\]%\s]|%[0-9A-Fa-f]{2})"
_HOST = rf"(?:{_TEXT}+|\[[0-9A-Fa-f:.]+\])(?::\d{{1,5}})?"
_URI: Final = re.compile(
    rf"(?P<scheme>mongodb(?:\+srv)?)://(?:(?P<user>{_TEXT}+)(?::(?P<password>{_TEXT}*))?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/(?P<name>[^@/?#\s]*))?(?:\?[^@#\s]*)?"
)
"""A MongoDB URI whose special characters are escaped; other readers guess where the password of another one ends."""


def _parts(uri: str) -> dict[str, Any]:
    """Scheme, user, password, hosts and name of a URI."""
    found = _URI.fullmatch(uri)
    if found is not None:
        return found.groupdict()
    if not re.match(r"mongodb(\+srv)?://[^/?#\s]", uri):
        raise StoreError("the database's URI must begin with mongodb:// or mongodb+srv:// and name a host")
    raise StoreError(
        "the database's URI cannot be read: escape special characters of user and password, '/' as %2F, '#' as %23, "
        "'?' as %3F, '@' as %40, ':' as %3A, '[' as %5B, '%' as %25"
    )


def embedded_database(port: int) -> Database:
    """The embedded database at a port, of clients that ask again where an answer is lost."""
    return Database(f"mongodb://127.0.0.1:{port}/?socketTimeoutMS={1000 * ANSWER_S}")


def start_embedded(registry: ProcessRegistry, port: int | None = None) -> Database:
    """Start the embedded database of a run folder and wait until it answers.

    Parameters
    ----------
    registry
        Processes of the run folder; the server's name in it is ``database``.
    port
        Port that it had before, which it gets again if nobody else took it.

    Returns
    -------
    Database
        The running database.

    Raises
    ------
    MissingExtraError
        If SecantusDB is not installed.
    RunFolderError
        If the disk is (nearly) full.
    StoreError
        If the server does not come up.
    """
    if importlib.util.find_spec("secantus") is None:
        raise MissingExtraError("secantus", "embedded-db")
    storage = (registry.folder / "database").resolve()
    storage.mkdir(exist_ok=True)
    free = shutil.disk_usage(storage).free
    if free < MINIMUM_FREE_BYTES:
        raise RunFolderError(
            f"{free / 1024**2:.0f} MB are free at {storage}, {MINIMUM_FREE_BYTES / 1024**2:.0f} MB are needed; "
            "free some, or give another --folder"
        )
    registry.stop("database")
    port = free_port(port)
    database = embedded_database(port)
    command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--storage-path", str(storage), "--log-level", "WARNING", "--cache-size", "256M", "--sync-on-commit"]
    server = registry.start("database", command, cwd=registry.folder)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            database.check(timeout_s=0.5)
        except StoreError as error:
            if server.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            tail = registry.log_tail("database", lines=5)
            message = f"the embedded database did not start; the end of {registry.log_file('database')}:\n{tail}"
            raise StoreError(message) from error
        else:
            return database


def free_port(wanted: int | None = None) -> int:
    """A port of 127.0.0.1 that nobody listens on: the wanted one, if it is free.

    Raises
    ------
    StoreError
        If there is none.
    """
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StoreError("no port of 127.0.0.1 is free for the embedded database; end some servers")
