"""What commands share: errors without tracebacks, the database of a run folder, a clean end on Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import typer
from jobflow import JobStore
from monty.serialization import loadfn
from pymongo.errors import PyMongoError
from rich.console import Console
from rich.text import Text
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from disolyte.errors import DisolyteError, InputError, RunFolderError, RunFolderInUseError, StoreError
from disolyte.workers.campaign import Campaign
from disolyte.workers.database import Database, start_embedded
from disolyte.workers.processes import ProcessRegistry, own_folder

errors = Console(stderr=True)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Print errors that disolyte raises on purpose in one paragraph, and end with exit code 1."""
    try:
        yield
    except DisolyteError as error:
        _print_error(str(error))
        raise typer.Exit(1) from error
    except PyMongoError as error:
        _print_error("the database does not answer any more; finished work is kept, run the command again to go on")
        raise typer.Exit(1) from error
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "mend that"
        _print_error(f"{error}; {remedy} and run the command again: finished work is kept")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        errors.print("Stopped; finished work is kept. Run the same command again to go on.")
        raise typer.Exit(130) from None


def _print_error(message: str) -> None:
    errors.print(Text.assemble(("Error: ", "bold red"), message), soft_wrap=True)


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
    """The ``JOB_STORE`` entry of the user's own jobflow configuration, given or named by ``JOBFLOW_CONFIG_FILE``.

    Raises
    ------
    InputError
        If the file is missing, has no ``JOB_STORE``, or names a store in memory.
    """
    if jobflow_config is None and "JOBFLOW_CONFIG_FILE" in os.environ:
        jobflow_config = Path(os.environ["JOBFLOW_CONFIG_FILE"])
    if jobflow_config is None:
        return None
    if not jobflow_config.is_file():
        raise InputError(f"there is no jobflow configuration at {jobflow_config}")
    try:
        content = YAML(typ="safe").load(jobflow_config.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{jobflow_config} is no YAML file: {str(error).splitlines()[0]}; correct it") from error
    spec = content.get("JOB_STORE") if isinstance(content, dict) else None
    if not isinstance(spec, dict) or not isinstance(spec.get("docs_store"), dict):
        raise InputError(f"{jobflow_config} has no JOB_STORE with a docs_store; see jobflow's documentation")
    if "data" not in (spec.get("additional_stores") or {}):
        raise InputError(
            f"the JOB_STORE of {jobflow_config} needs an additional store named 'data', e.g. a GridFSStore"
        )
    if spec["docs_store"].get("type") == "MemoryStore":
        raise InputError(f"the JOB_STORE of {jobflow_config} is in memory; worker processes cannot share it")
    _check_job_store(spec, jobflow_config)
    return spec


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


@contextmanager
def open_campaign(
    folder: Path, *, mongodb_uri: str | None = None, jobflow_config: Path | None = None
) -> Iterator[Campaign]:
    """Own a run folder and its database; end all its processes at the end.

    Parameters
    ----------
    folder
        The run folder. It keeps the campaign's name, so that folders which share a database keep apart.
    mongodb_uri
        The user's own MongoDB; if None, the one that the folder was used with before, or an embedded one.
    jobflow_config
        The user's own jobflow configuration, whose job store is then used.
    """
    folder = folder.absolute()
    uri = mongodb_uri or _recorded_uri(folder)
    job_store_spec = own_job_store(jobflow_config or _recorded_configuration(folder))
    with own_folder(folder), interruptible():
        registry = ProcessRegistry(folder)
        registry.stop_all()
        try:
            if uri:
                database = Database.from_uri(uri)
                database.check()
            else:
                database = start_embedded(registry)
            campaign = Campaign(_campaign_name(folder), folder, database, job_store_spec)
            campaign.write_configuration()
            yield campaign
        finally:
            registry.stop_all()


@contextmanager
def read_campaign(folder: Path) -> Iterator[Campaign]:
    """Open a run folder to read from it, also while its campaign runs.

    Raises
    ------
    RunFolderError
        If it is no run folder.
    """
    configuration = folder / "jobflow.yaml"
    if not configuration.is_file():
        raise RunFolderError(f"{folder.absolute()} is no run folder; run 'disolyte quickstart', or give --folder")
    launchpad, store = loadfn(folder / "my_launchpad.yaml"), loadfn(configuration)["JOB_STORE"]
    with ExitStack() as stack:
        try:
            campaign = stack.enter_context(open_campaign(folder))
        except RunFolderInUseError:
            database = Database(launchpad["host"], launchpad["name"])
            campaign = Campaign(_campaign_name(folder), folder.absolute(), database, store)
        yield campaign


def _recorded_configuration(folder: Path) -> Path | None:
    """The folder's jobflow configuration, if it names the user's own store and not that of the database itself."""
    configuration, launchpad = folder / "jobflow.yaml", folder / "my_launchpad.yaml"
    if not (configuration.is_file() and launchpad.is_file()) or "JOBFLOW_CONFIG_FILE" in os.environ:
        return None
    uri = loadfn(configuration)["JOB_STORE"]["docs_store"].get("uri")
    return None if uri == loadfn(launchpad)["host"] else configuration


def _campaign_name(folder: Path) -> str:
    """Name of the folder's campaign, made up at its first use."""
    file = folder / "campaign.txt"
    if not file.exists():
        file.write_text(f"quickstart-{uuid4().hex[:8]}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def _recorded_uri(folder: Path) -> str | None:
    """URI of the user's own database that the folder was used with before; None for an embedded or no database."""
    file = folder / "my_launchpad.yaml"
    if (folder / "database").is_dir() or not file.is_file():
        return None
    return str(loadfn(file)["host"])
