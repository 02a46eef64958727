"""``disolyte init``: the files of a run folder, by asking or from flags."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from disolyte.cli.messages import readable_errors
from disolyte.cli.session import campaign_name, own_job_store
from disolyte.errors import InputError, RunFolderError
from disolyte.ownership import own_folder
from disolyte.workers.database import Database, embedded_database, free_port
from disolyte.workers.files import write_yaml
from disolyte.workers.folder import CampaignRecord, RunFolder
from disolyte.workers.queues import DEFAULT_SETTINGS, QueueSettings, qadapter_spec
from disolyte.workers.roles import Role

console = Console()


@dataclass(frozen=True)
class SetupRequest:
    """What the user gave; None where they were not asked yet."""

    mongodb_uri: str | None
    is_embedded: bool
    name: str | None
    partitions: list[str]
    accounts: list[str]
    walltimes: list[str]
    setups: list[str]


def initialise(folder: Path, request: SetupRequest, *, may_ask: bool) -> None:
    """Write the files of a run folder; nothing that exists is overwritten."""
    with readable_errors():
        files = RunFolder(folder)
        _refuse_existing(files)
        if may_ask and sys.stdin.isatty():
            request = _ask(request)
        if request.mongodb_uri is None and not request.is_embedded:
            raise InputError(
                "which database? Set DISOLYTE_MONGODB_URI, give --mongodb-uri-file FILE, or give --embedded for one in "
                "the run folder"
            )
        adapters = {role: qadapter_spec(files, role, settings) for role, settings in queue_settings(request).items()}
        database = None if request.mongodb_uri is None else Database.from_uri(request.mongodb_uri)
        if database is not None:
            database.check()
        job_store_spec = own_job_store(None)
        record = CampaignRecord(name=campaign_name(request.name)) if request.name else CampaignRecord.named("campaign")
        with own_folder(files.path):
            _write(files, record, database, job_store_spec, adapters)
        console.print(_next_steps(files, database), highlight=False, markup=False, soft_wrap=True)


def queue_settings(request: SetupRequest) -> dict[Role, QueueSettings]:
    """Settings of each role, from flags such as ``gpu=a100`` (one role) or ``a100`` (all roles).

    Raises
    ------
    InputError
        If a flag names an unknown role, or a time limit cannot be read.
    """
    flags = {
        "partition": request.partitions,
        "account": request.accounts,
        "walltime": request.walltimes,
        "setup": request.setups,
    }
    by_field = {field: _by_role(field, values) for field, values in flags.items()}
    return {
        role: settings.model_copy(
            update={field: values[role] for field, values in by_field.items() if values.get(role) is not None}
        )
        for role, settings in DEFAULT_SETTINGS.items()
    }


def _by_role(field: str, values: Iterable[str]) -> dict[Role, str]:
    found: dict[Role, str] = {}
    for value in values:
        head, sign, rest = value.partition("=")
        if sign and head in set(Role):
            found[Role(head)] = rest
        elif sign and field != "setup":
            raise InputError(f"--{field} {value!r}: unknown role {head!r}; roles are: {', '.join(Role)}")
        else:
            found = dict.fromkeys(Role, value) | found
    return found


def _refuse_existing(files: RunFolder) -> None:
    targets = [files.launchpad_file, files.jobflow_file, files.record_file]
    targets += [file for role in Role for file in (files.fworker_file(role), files.qadapter_file(role))]
    existing = [file.name for file in targets if file.exists()]
    if existing:
        raise RunFolderError(
            f"{files.path} holds {', '.join(existing)} already; nothing was overwritten: edit them, or give another "
            "folder"
        )


def _write(
    files: RunFolder,
    record: CampaignRecord,
    database: Database | None,
    job_store_spec: dict[str, Any] | None,
    adapters: Mapping[Role, dict[str, Any]],
) -> None:
    if database is None:
        files.storage.mkdir()
        database = embedded_database(free_port())
    files.write_launchpad(database)
    files.write_job_store(job_store_spec or database.job_store_spec())
    files.write_fworkers(record.name)
    for role, content in adapters.items():
        write_yaml(files.qadapter_file(role), content)
    for folder in (files.launches, files.path / "logs"):
        folder.mkdir(exist_ok=True)
    files.write_record(record)


def _ask(request: SetupRequest) -> SetupRequest:
    """Ask for what no flag said."""
    uri, embedded = request.mongodb_uri, request.is_embedded
    if uri is None and not embedded:
        text = "MongoDB URI (not shown; empty for an embedded database in the run folder)"
        uri = typer.prompt(text, default="", hide_input=True, show_default=False) or None
        embedded = uri is None
    partitions, accounts, setups = list(request.partitions), list(request.accounts), list(request.setups)
    if not partitions and typer.confirm("Will SLURM start the workers?", default=not embedded):
        for role in Role:
            answer = typer.prompt(
                f"Partition for role {role} (empty for the default one)", default="", show_default=False
            )
            partitions += [f"{role}={answer}"] if answer else []
        account = "" if accounts else typer.prompt("Account (empty for none)", default="", show_default=False)
        accounts += [account] if account else []
        setup = "" if setups else typer.prompt("Shell command before a worker starts, e.g. module load …", default="")
        setups += [setup] if setup else []
    return SetupRequest(uri, embedded, request.name, partitions, accounts, request.walltimes, setups)


def _next_steps(files: RunFolder, database: Database | None) -> str:
    where = "an embedded database" if database is None else database.display
    lines = [
        f"{files.path} is ready, with {where}. Next:",
        f"  disolyte plan SYSTEM --folder {files.path}",
        f"  disolyte submit SYSTEM --folder {files.path}",
        f"  disolyte work --folder {files.path}           workers on this machine, watched to the end",
    ]
    if database is not None:
        example = f"-l {files.launchpad_file} -w {files.fworker_file('gpu')} -q {files.qadapter_file('gpu')}"
        lines += [
            f"  cd {files.launches} && qlaunch {example} rapidfire -m 4",
            "                                   workers by SLURM, four at a time; the same for cpu and dft",
        ]
    return "\n".join(lines)
