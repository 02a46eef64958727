"""The files of a run folder: which database, which campaign, which workers.

``my_launchpad.yaml``, ``jobflow.yaml``, ``fworker_<role>.yaml`` and ``qadapter_<role>.yaml`` are plain FireWorks and
jobflow files: ``lpad -l``, ``rlaunch -w`` and ``qlaunch -q`` take them as they are, and edits are kept; of an embedded
database, whose port changes, disolyte writes the port. They are read as data alone, and checked before anything is
submitted.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from pydantic import Field, ValidationError

from disolyte.errors import InputError, RunFolderError, WorkerError
from disolyte.records import Record
from disolyte.workers.database import EMBEDDED_URI, Database
from disolyte.workers.files import check_private, read_yaml, write_private, write_text, write_yaml
from disolyte.workers.roles import Role

NOT_A_RUN_FOLDER: Final = "run 'disolyte init', 'disolyte submit' or 'disolyte quickstart', or give --folder"
CAMPAIGN_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class StageCost(Record):
    """Jobs of a stage, and what they take together."""

    n_jobs: int = Field(description="Number of jobs.")
    seconds: float = Field(description="Time on the workers that the campaign was planned for.")


class CampaignRecord(Record):
    """What a run folder knows of its campaign."""

    name: str = Field(pattern=CAMPAIGN_NAME, description="Name of the campaign on the LaunchPad and in the job store.")
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC), description="Time of making, UTC.")
    system: str | None = Field(default=None, description="Key of the system; None until something is submitted.")
    maker: str | None = Field(default=None, description="Preset or file that the flow was made from.")
    n_jobs_at_submission: int = Field(default=0, description="Jobs that were put on the LaunchPad.")
    roles: list[Role] = Field(default_factory=list, description="Roles that its jobs need.")
    costs: dict[str, StageCost] = Field(default_factory=dict, description="Expected cost of each stage.")

    @classmethod
    def named(cls, stem: str) -> Self:
        """Record with a name that no other folder has; what does not fit into names is left out of the stem."""
        fit = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-")[:48] or "campaign"
        return cls(name=f"{fit}-{uuid4().hex[:8]}")


class RunFolder:
    """Files of one run folder.

    Parameters
    ----------
    path
        The folder. It need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.launchpad_file = self.path / "my_launchpad.yaml"
        self.jobflow_file = self.path / "jobflow.yaml"
        self.record_file = self.path / "campaign.json"
        self.launches = self.path / "launches"
        self.storage = self.path / "database"

    def fworker_file(self, role: str) -> Path:
        """FireWorks' description of the worker of a role."""
        return self.path / f"fworker_{role}.yaml"

    def qadapter_file(self, role: str) -> Path:
        """FireWorks' description of the queue that starts the worker of a role."""
        return self.path / f"qadapter_{role}.yaml"

    @property
    def is_initialised(self) -> bool:
        """Whether it names a database and a job store."""
        return self.launchpad_file.is_file() and self.jobflow_file.is_file()

    @property
    def is_embedded(self) -> bool:
        """Whether its database is the embedded one."""
        return self.storage.is_dir()

    def check(self) -> None:
        """Read all its files, where there are any.

        Raises
        ------
        InputError
            If one of them was edited into something else.
        WorkerError
            If a worker's was.
        """
        self.database()
        self.job_store_spec()
        self.categories()
        if self.record_file.is_file():
            self.record()

    def require(self) -> None:
        """Make sure that it is a run folder.

        Raises
        ------
        RunFolderError
            If it is none.
        """
        if not self.is_initialised:
            raise RunFolderError(f"{self.path} is no run folder; {NOT_A_RUN_FOLDER}")

    def database(self) -> Database | None:
        """The database that ``my_launchpad.yaml`` names; None without the file.

        Raises
        ------
        InputError
            If the file cannot be used, or others can read the password in it.
        """
        if not self.launchpad_file.is_file():
            return None
        content = read_yaml(self.launchpad_file)
        host, name = content.get("host"), content.get("name")
        if not (content.get("uri_mode") and isinstance(host, str) and isinstance(name, str)):
            raise InputError(
                f"{self.launchpad_file} must hold 'host' (a MongoDB URI), 'name' (of the database) and 'uri_mode: true'"
            )
        # The scheme is checked by from_uri; the file's name of the database stands.
        database = Database(Database.from_uri(host).uri, name)
        if database.has_password:
            check_private(self.launchpad_file)
        return database

    def job_store_spec(self) -> dict[str, Any] | None:
        """The ``JOB_STORE`` of ``jobflow.yaml``; None without the file.

        Raises
        ------
        InputError
            If the file cannot be used.
        """
        return read_job_store_spec(self.jobflow_file) if self.jobflow_file.is_file() else None

    def record(self, stem: str = "campaign") -> CampaignRecord:
        """The folder's campaign, made up at its first use.

        Raises
        ------
        InputError
            If ``campaign.json`` was edited into something else.
        """
        try:
            return CampaignRecord.model_validate_json(self.record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return self.write_record(CampaignRecord.named(stem))
        except (ValidationError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.record_file} is damaged: put back its 'name' (letters, digits, '.', '_' and '-', up to 64), "
                "which 'lpad get_wflows' shows"
            ) from error

    def write_record(self, record: CampaignRecord) -> CampaignRecord:
        """Write ``campaign.json``, whole or not at all, and give the record back."""
        write_text(self.record_file, record.model_dump_json(indent=2) + "\n")
        return record

    def write_launchpad(self, database: Database) -> None:
        """Write ``my_launchpad.yaml`` for the owner alone, unless it names this database already."""
        if not self.launchpad_file.is_file() or self.database() != database:
            write_private(self.launchpad_file, database.launchpad_spec())

    def write_job_store(self, spec: dict[str, Any]) -> None:
        """Write ``jobflow.yaml`` for the owner alone, unless it holds this store already."""
        if self.job_store_spec() != spec:
            write_private(self.jobflow_file, {"JOB_STORE": spec})

    def follow_embedded(self, database: Database) -> None:
        """Point ``my_launchpad.yaml`` and ``jobflow.yaml`` at the port of the embedded database; keep all else.

        URIs of other databases stay as they are.
        """
        for file in (self.jobflow_file, self.launchpad_file):
            if not file.is_file():
                continue
            text = file.read_text(encoding="utf-8")
            followed = EMBEDDED_URI.sub(rf"\g<before>{database.port}\g<after>", text)
            if followed != text:
                write_text(file, followed)

    def write_fworkers(self, campaign: str) -> None:
        """Write the FireWorks workers that the folder lacks; they take jobs of this campaign alone."""
        for role in Role:
            if not self.fworker_file(role).is_file():
                write_yaml(self.fworker_file(role), fworker_spec(role, campaign))

    def fworker(self, role: Role) -> dict[str, Any]:
        """The worker of a role, checked; without a file the one that :meth:`write_fworkers` writes.

        Raises
        ------
        WorkerError
            If its file was edited into something else.
        """
        file = self.fworker_file(role)
        return read_fworker(file) if file.is_file() else fworker_spec(role, "")

    def categories(self) -> dict[Role, dict[str, str]]:
        """FireWorks category of each role, as :func:`assign_workers` takes it; the usual one without a worker's file.

        Raises
        ------
        WorkerError
            If a worker's file names no category, or one that another role has.
        """
        found: dict[Role, dict[str, str]] = {}
        for role in Role:
            file = self.fworker_file(role)
            category = self.fworker(role)["category"]
            first = category[0] if isinstance(category, list) and category else category
            if not isinstance(first, str) or not first:
                raise WorkerError(f"{file} must name one 'category'; 'category: {role}' is the usual one")
            taken = next((other for other, config in found.items() if config["_category"] == first), None)
            if taken is not None:
                raise WorkerError(f"{file} has the category '{first}', which the role '{taken}' has; give another")
            found[role] = {"_category": first}
        return found


def fworker_spec(role: str, campaign: str) -> dict[str, Any]:
    """Content of a ``fworker_<role>.yaml``."""
    query = json.dumps({"spec.campaign": campaign})
    return {"name": f"disolyte-{role}", "category": str(role), "query": query, "env": {}}


def read_fworker(file: Path) -> dict[str, Any]:
    """A FireWorks worker, checked.

    Raises
    ------
    WorkerError
        If name, category or query are missing or wrong.
    """
    content = read_yaml(file)
    try:
        query = json.loads(content.get("query") or "{}")
    except (TypeError, ValueError, RecursionError):
        query = None
    category = content.get("category")
    if not (isinstance(content.get("name"), str) and isinstance(category, (str, list)) and isinstance(query, dict)):
        raise WorkerError(
            f"{file} is no FireWorks worker: it needs 'name' and 'category', and 'query' must be JSON; correct it, or "
            "move it away: it is then written anew"
        )
    return content


def read_job_store_spec(file: Path) -> dict[str, Any]:
    """The ``JOB_STORE`` entry of a jobflow configuration that worker processes can share.

    Raises
    ------
    InputError
        If the file is missing, has no ``JOB_STORE``, names a store in memory, or holds a password that others can read.
    """
    if not file.is_file():
        raise InputError(f"there is no jobflow configuration at {file}")
    spec = read_yaml(file).get("JOB_STORE")
    if not isinstance(spec, dict) or not isinstance(spec.get("docs_store"), dict):
        raise InputError(f"{file} has no JOB_STORE with a docs_store; see jobflow's documentation")
    additional = spec.get("additional_stores") or {}
    if not isinstance(additional, dict) or not isinstance(additional.get("data"), dict):
        raise InputError(f"the JOB_STORE of {file} needs an additional store named 'data', e.g. a GridFSStore")
    if spec["docs_store"].get("type") == "MemoryStore":
        raise InputError(f"the JOB_STORE of {file} is in memory; worker processes cannot share it")
    if _holds_password(spec):
        check_private(file)
    return spec


def _holds_password(content: object) -> bool:
    """Whether a store's description has a password in it, as such or in a URI."""
    if isinstance(content, dict):
        return bool(content.get("password")) or any(_holds_password(value) for value in content.values())
    if isinstance(content, list):
        return any(_holds_password(value) for value in content)
    return isinstance(content, str) and content.startswith("mongodb") and "@" in content
