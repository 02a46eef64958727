"""What commands share: errors without tracebacks, the database of a run folder, a clean end on Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import typer
from monty.serialization import loadfn
from rich.console import Console

from disolyte.errors import DisolyteError, InputError, RunFolderError, RunFolderInUseError
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
        errors.print(f"[bold red]Error:[/] {error}", highlight=False)
        raise typer.Exit(1) from error
    except OSError as error:
        errors.print(f"[bold red]Error:[/] {error}; finished work is kept, run the command again", highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        errors.print("Stopped; finished work is kept. Run the same command again to go on.")
        raise typer.Exit(130) from None


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
    spec = (loadfn(jobflow_config) or {}).get("JOB_STORE")
    if not isinstance(spec, dict) or "docs_store" not in spec:
        raise InputError(f"{jobflow_config} has no JOB_STORE with a docs_store; see jobflow's documentation")
    if "data" not in spec.get("additional_stores", {}):
        raise InputError(
            f"the JOB_STORE of {jobflow_config} needs an additional store named 'data', e.g. a GridFSStore"
        )
    if spec["docs_store"].get("type") == "MemoryStore":
        raise InputError(f"the JOB_STORE of {jobflow_config} is in memory; worker processes cannot share it")
    return spec


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
    job_store_spec = own_job_store(jobflow_config)
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
    shares_database = store["docs_store"].get("uri") == launchpad["host"]
    with ExitStack() as stack:
        try:
            own = None if shares_database else configuration
            campaign = stack.enter_context(open_campaign(folder, jobflow_config=own))
        except RunFolderInUseError:
            database = Database(launchpad["host"], launchpad["name"])
            campaign = Campaign(_campaign_name(folder), folder.absolute(), database, store)
        yield campaign


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
