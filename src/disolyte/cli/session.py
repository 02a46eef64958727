"""What commands share: the database of a run folder, whose it is, and a clean end on Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from jobflow import JobStore

from disolyte.errors import InputError, RunFolderError, RunFolderInUseError, StoreError
from disolyte.ownership import own_folder
from disolyte.workers.campaign import Campaign
from disolyte.workers.database import EMBEDDED_URI, Database, start_embedded
from disolyte.workers.files import check_private
from disolyte.workers.folder import CAMPAIGN_NAME, NOT_A_RUN_FOLDER, CampaignRecord, RunFolder, read_job_store_spec
from disolyte.workers.processes import ProcessRegistry


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that its processes are ended too."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def own_job_store(jobflow_config: Path | None) -> dict[str, Any] | None:
    """The ``JOB_STORE`` entry for a new folder: of the file given, or named by ``JOBFLOW_CONFIG_FILE``; None without.

    Raises
    ------
    InputError
        If the file is missing, has no ``JOB_STORE``, names a store in memory, or belongs to a folder with an embedded
        database.
    StoreError
        If the store cannot be written to.
    """
    said_by = "--jobflow-config"
    if jobflow_config is None and os.environ.get("JOBFLOW_CONFIG_FILE"):
        jobflow_config, said_by = Path(os.environ["JOBFLOW_CONFIG_FILE"]), "JOBFLOW_CONFIG_FILE"
    if jobflow_config is None:
        return None
    owner = RunFolder(jobflow_config.parent)
    if owner.is_embedded and owner.is_initialised:
        raise InputError(
            f"{said_by} names the job store in the database of the run folder {owner.path}, which runs with that "
            f"folder alone; leave it out, or give --folder {owner.path}"
        )
    spec = read_job_store_spec(jobflow_config)
    _check_job_store(spec, jobflow_config)
    return spec


def _job_store(files: RunFolder, database: Database) -> dict[str, Any] | None:
    """The ``JOB_STORE`` that a folder's ``jobflow.yaml`` names, connected to if it is not that of the database."""
    spec = files.job_store_spec()
    if spec is not None and spec["docs_store"].get("uri") != database.uri:
        _check_job_store(spec, files.jobflow_file)
    return spec


def _refuse_other_job_store(files: RunFolder, jobflow_config: Path | None) -> None:
    """Refuse another job store for a folder that has one, and one that cannot be used."""
    recorded = files.job_store_spec()
    if jobflow_config is not None and read_job_store_spec(jobflow_config) != recorded:
        raise InputError(
            f"{files.jobflow_file} names another job store than {jobflow_config}; leave --jobflow-config out, give "
            "another --folder, or put this JOB_STORE into the folder's file before anything is submitted"
        )


def _check_job_store(spec: dict[str, Any], jobflow_config: Path) -> None:
    """Connect and write one document, before anything depends on it."""
    try:
        store = JobStore.from_dict_spec(spec)
        store.connect()
        store.docs_store.update([{"uuid": "disolyte-write-test", "index": 0}], key=["uuid", "index"])
        store.docs_store.remove_docs({"uuid": "disolyte-write-test"})
        store.close()
    except Exception as error:
        # Stores of all kinds raise errors of all kinds; their text may hold a URI with its password.
        raise StoreError(
            f"the JOB_STORE of {jobflow_config} cannot be used ({type(error).__name__}); "
            "check its store types, host, port, user and password"
        ) from error


def read_uri(uri: str | None, file: Path | None, *, was_typed: bool) -> str | None:
    """The database's URI, from the environment or a flag, or from a file that others cannot read.

    Raises
    ------
    InputError
        If the file is missing or others can read it, or a password was typed into the command line.
    """
    if file is not None:
        if not file.is_file():
            raise InputError(f"there is no file {file} with a MongoDB URI")
        check_private(file)
        return file.read_text(encoding="utf-8").strip()
    if uri is not None and was_typed and Database.from_uri(uri).has_password:
        raise InputError(
            "a password on the command line can be read by everybody on this machine: put the URI into "
            "DISOLYTE_MONGODB_URI, or into a file (chmod 600) for --mongodb-uri-file"
        )
    return uri


@contextmanager
def open_campaign(
    folder: Path,
    *,
    mongodb_uri: str | None = None,
    jobflow_config: Path | None = None,
    stem: str = "campaign",
    name: str | None = None,
) -> Iterator[Campaign]:
    """Own a run folder and its database; end all its processes at the end.

    Parameters
    ----------
    folder
        The run folder. It keeps the campaign's name, so that folders which share a database keep apart.
    mongodb_uri
        The user's own MongoDB; if None, the one that the folder was used with before, or an embedded one.
    jobflow_config
        The user's own jobflow configuration, whose job store a new folder then uses; ``JOBFLOW_CONFIG_FILE`` stands
        in for it. Later the folder's own file is what counts.
    stem
        Beginning of the campaign's name where it is made up.
    name
        Name of the campaign.
    """
    files = RunFolder(folder)
    database = _database(files, mongodb_uri)
    given: dict[str, Any] | None = None
    if files.jobflow_file.is_file():
        _refuse_other_job_store(files, jobflow_config)
    else:
        given = own_job_store(jobflow_config)
    with own_folder(files.path), interruptible():
        registry = ProcessRegistry(files.path)
        registry.stop_all()
        try:
            if database is None:
                database = _embedded(files, registry)
            else:
                database.check()
            job_store_spec = _job_store(files, database) or given
            campaign = Campaign(_name(files, stem, name), files.path, database, job_store_spec)
            campaign.write_configuration()
            yield campaign
        finally:
            registry.stop_all()


@contextmanager
def read_campaign(folder: Path) -> Iterator[Campaign]:
    """Open a run folder to read from it, also while its campaign runs, and from a read-only disk.

    Raises
    ------
    RunFolderError
        If it is no run folder.
    """
    files = RunFolder(folder)
    files.require()
    with ExitStack() as stack:
        if not os.access(files.path, os.W_OK) or _is_on_read_only_disk(files.path):
            if files.is_embedded:
                # The embedded database cannot run without writing.
                files = stack.enter_context(_copied(files))
            else:
                yield _known_campaign(files)
                return
        try:
            campaign = stack.enter_context(open_campaign(files.path))
        except RunFolderInUseError:
            campaign = _known_campaign(files)
        yield campaign


def _known_campaign(files: RunFolder) -> Campaign:
    """The campaign of a folder that another process owns or nobody can write to."""
    database = files.database()
    if database is None:
        raise RunFolderError(f"{files.path} names no database; {NOT_A_RUN_FOLDER}")
    database.check_readable()
    return Campaign(files.record().name, files.path, database, files.job_store_spec(), is_owner=False)


@contextmanager
def _copied(files: RunFolder) -> Iterator[RunFolder]:
    """Copy of what reading needs, in a temporary folder."""
    with TemporaryDirectory(prefix="disolyte-") as folder:
        for file in (files.launchpad_file, files.jobflow_file, files.record_file):
            shutil.copy(file, folder)
        shutil.copytree(files.storage, Path(folder) / files.storage.name)
        yield RunFolder(Path(folder))


def _is_on_read_only_disk(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _database(files: RunFolder, mongodb_uri: str | None) -> Database | None:
    """The user's own database, given or recorded; None for the embedded one."""
    recorded = None if files.is_embedded else files.database()
    if mongodb_uri is None:
        return recorded
    given = Database.from_uri(mongodb_uri)
    if files.is_initialised and given != recorded:
        where = "its embedded database" if recorded is None else recorded.display
        raise InputError(
            f"{files.path} belongs to {where}, not to {given.display}; leave the URI out, or give another --folder"
        )
    return given


def _embedded(files: RunFolder, registry: ProcessRegistry) -> Database:
    """Start the embedded database of a folder, and let the folder's files follow it.

    Raises
    ------
    InputError
        If the folder's LaunchPad was edited to be in another database.
    """
    recorded = files.database()
    if recorded is not None and not EMBEDDED_URI.match(recorded.uri):
        raise InputError(
            f"{files.launchpad_file} names {recorded.display}, but the database of this folder is in {files.storage}; "
            "move that away to use the other one, or remove the file to have it written anew"
        )
    started = start_embedded(registry, recorded.port if recorded else None)
    files.follow_embedded(started)
    return files.database() or started


def _name(files: RunFolder, stem: str, name: str | None) -> str:
    """The campaign's name: recorded, given or made up."""
    if name is None or files.record_file.exists():
        recorded = files.record(stem).name
        if name not in {None, recorded}:
            raise InputError(f"{files.path} holds the campaign '{recorded}' already; leave --name out, or give another")
        return recorded
    return files.write_record(CampaignRecord(name=campaign_name(name))).name


def campaign_name(name: str) -> str:
    """The name, if it is a fit one.

    Raises
    ------
    InputError
        If it holds other characters than letters, digits, '.', '_' and '-', or more than 64.
    """
    if not re.fullmatch(CAMPAIGN_NAME, name):
        raise InputError(f"the campaign's name {name!r} may hold letters, digits, '.', '_' and '-', up to 64")
    return name
