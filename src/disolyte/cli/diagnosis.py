"""``disolyte doctor``: what is here and what is missing, each with the remedy."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Final

import typer
from pydantic import Field
from rich.console import Console
from rich.table import Table
from rich.text import Text

from disolyte.cli.inputs import in_options
from disolyte.errors import DisolyteError
from disolyte.records import Record
from disolyte.workers.database import MINIMUM_FREE_BYTES, Database
from disolyte.workers.folder import RunFolder


class Level(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    MISSING = "missing"
    FAULT = "fault"


MARKS: Final = {Level.OK: ("✓", "green"), Level.MISSING: ("–", "yellow"), Level.FAULT: ("✗", "bold red")}
"""Missing parts are needed for some work alone; faults keep everybody from working."""
POTCAR_NAMES: Final = ("POTCAR.gz", "POTCAR", "POTCAR.Z", "POTCAR.bz2")
PAPER_POTCARS: Final = {"Li": "Li_sv", "In": "In_d", "Y": "Y_sv", "Br": "Br", "Cl": "Cl"}
"""POTCARs looked at: those of the lithium halides."""


class Finding(Record):
    """One thing that was looked at."""

    what: str = Field(description="What was looked at.")
    level: Level = Field(description="How it is meant.")
    found: str = Field(description="What was found.")
    remedy: str = Field(default="", description="What to do about it.")


def show_diagnosis(folder: Path | None, *, as_json: bool) -> None:
    """Print all findings; the exit code is 1 if one of them is a fault."""
    # Libraries print as they are imported.
    with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
        findings = list(diagnose(folder))
    if as_json:
        typer.echo("[" + ",\n".join(finding.model_dump_json() for finding in findings) + "]")
    else:
        _print(findings)
    raise typer.Exit(int(any(finding.level is Level.FAULT for finding in findings)))


def diagnose(folder: Path | None) -> Iterator[Finding]:
    """Look at everything, one after another; nothing is changed.

    Parameters
    ----------
    folder
        Run folder to look at, too.
    """
    checks: list[Callable[[], Finding | list[Finding]]] = [
        _python,
        _torch,
        lambda: _package("mace-torch", "mace", "mace", "fine-tuning and MD"),
        lambda: _package("chgnet", "chgnet", "surrogate", "surrogate labels"),
        lambda: _package("torch-sim-atomistic", "torch_sim", "torchsim", "batched MD on a GPU"),
        lambda: _package("gpaw", "gpaw", "gpaw", "SCAN labels without VASP"),
        _models,
        _vasp,
        _potcars,
        lambda: _package("SecantusDB", "secantus", "embedded-db", "the embedded database"),
        lambda: _disk(Path.cwd() if folder is None else folder),
    ]
    if folder is not None:
        checks.append(lambda: _run_folder(folder))
    elif "DISOLYTE_MONGODB_URI" in os.environ:
        checks.append(lambda: [_database("DISOLYTE_MONGODB_URI", os.environ["DISOLYTE_MONGODB_URI"])])
    for check in checks:
        findings = check()
        yield from findings if isinstance(findings, list) else [findings]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info >= (3, 11)
    level = Level.OK if fits else Level.FAULT
    return Finding(what="Python", level=level, found=version, remedy="" if fits else "install Python 3.11 or newer")


def _package(name: str, module: str, extra: str, use: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        remedy = f"pip install 'disolyte[{extra}]'"
        return Finding(what=name, level=Level.MISSING, found=f"not installed: no {use}", remedy=remedy)
    return Finding(what=name, level=Level.OK, found=f"{metadata.version(name)}: {use}")


def _torch() -> list[Finding]:
    if importlib.util.find_spec("torch") is None:
        remedy = "pip install 'disolyte[mace]'"
        return [Finding(what="torch", level=Level.MISSING, found="not installed: no potentials", remedy=remedy)]
    import torch

    found = [Finding(what="torch", level=Level.OK, found=str(torch.__version__))]
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        gpus = f"{', '.join(names)}; CUDA {torch.version.cuda}"
        return [*found, Finding(what="GPU", level=Level.OK, found=gpus)]
    if torch.version.cuda is None:
        remedy = "for a GPU install a CUDA build of torch; on a CPU pass --device cpu"
        return [*found, Finding(what="GPU", level=Level.MISSING, found="torch is built without CUDA", remedy=remedy)]
    remedy = "look at nvidia-smi and CUDA_VISIBLE_DEVICES; on a CPU pass --device cpu"
    return [*found, Finding(what="GPU", level=Level.MISSING, found="CUDA finds no device", remedy=remedy)]


def _models() -> list[Finding]:
    from disolyte.models import ModelSource
    from disolyte.models.coverage import known_elements
    from disolyte.models.sources import SHIPPED_SHA256, find_model_file

    findings = []
    uses = dict.fromkeys(SHIPPED_SHA256, "for trying out, not for science")
    for name, use in {**uses, "medium": "MACE-MP-0a, the paper's foundation"}.items():
        try:
            file = find_model_file(ModelSource(name=name, download=False))
        except DisolyteError as error:
            level = Level.FAULT if name in SHIPPED_SHA256 else Level.MISSING
            remedy = in_options(str(error), is_structure_file=False)
            findings.append(Finding(what=f"model {name}", level=level, found=f"not here: {use}", remedy=remedy))
        else:
            about = f"{file.path}, SHA-256 {file.sha256[:12]}…: {use}"
            if name in SHIPPED_SHA256:
                about += f"; knows {', '.join(known_elements(ModelSource(name=name)))}"
            findings.append(Finding(what=f"model {name}", level=Level.OK, found=about))
    return findings


def _vasp() -> Finding:
    from atomate2 import SETTINGS

    command = SETTINGS.VASP_CMD
    # The last word that is a program: what stands before it starts MPI.
    programs = [word for word in command.split() if not word.startswith("-") and not word.isdigit()]
    program = os.path.expandvars(programs[-1]) if programs else ""
    place = shutil.which(program)
    if place is None:
        remedy = "load VASP's module, and set VASP_CMD in ~/.atomate2.yaml or ATOMATE2_VASP_CMD"
        return Finding(what="VASP", level=Level.MISSING, found=f"'{command}' is not here", remedy=remedy)
    return Finding(what="VASP", level=Level.OK, found=f"{command} ({place})")


def _potcars() -> Finding:
    from pymatgen.core import SETTINGS

    folder = SETTINGS.get("PMG_VASP_PSP_DIR")
    remedy = "pmg config -p DOWNLOADED READY, then pmg config --add PMG_VASP_PSP_DIR READY"
    if not folder:
        return Finding(what="POTCARs", level=Level.MISSING, found="PMG_VASP_PSP_DIR is not set", remedy=remedy)
    titles = {symbol: _potcar_title(Path(folder), symbol) for symbol in PAPER_POTCARS.values()}
    missing = [symbol for symbol, title in titles.items() if title is None]
    if missing:
        found = f"{folder} holds no {', '.join(missing)}"
        return Finding(what="POTCARs", level=Level.MISSING, found=found, remedy=remedy)
    return Finding(what="POTCARs", level=Level.OK, found="; ".join(str(title) for title in titles.values()))


def _potcar_title(folder: Path, symbol: str) -> str | None:
    """First line of a POTCAR, which names its date."""
    from monty.io import zopen

    for family in ("POT_GGA_PAW_PBE_54", "POT_GGA_PAW_PBE_52", "POT_GGA_PAW_PBE", "."):
        for name in (*(f"POTCAR.{symbol}{end}" for end in (".gz", "")), *(f"{symbol}/{end}" for end in POTCAR_NAMES)):
            file = folder / family / name
            if file.is_file():
                with zopen(file, mode="rt", encoding="latin-1") as stream:
                    return re.sub(r"\s+", " ", str(stream.readline())).strip()
    return None


def _disk(folder: Path) -> Finding:
    place = folder if folder.is_dir() else Path.cwd()
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GB free at {place.absolute()}"
    if free < MINIMUM_FREE_BYTES:
        remedy = f"free some: {MINIMUM_FREE_BYTES / 1024**2:.0f} MB are the least to start with"
        return Finding(what="disk", level=Level.FAULT, found=found, remedy=remedy)
    return Finding(what="disk", level=Level.OK, found=found)


def _run_folder(folder: Path) -> list[Finding]:
    files = RunFolder(folder)
    try:
        files.require()
        database, spec = files.database(), files.job_store_spec()
        categories = files.categories()
        record = files.record()
    except DisolyteError as error:
        remedy = "put the file right, or make a new folder with disolyte init"
        return [Finding(what="run folder", level=Level.FAULT, found=str(error), remedy=remedy)]
    store = (spec or {}).get("docs_store", {}).get("type")
    about = f"campaign {record.name}, job store {store}, workers for {', '.join(categories)}"
    findings = [Finding(what="run folder", level=Level.OK, found=about)]
    if database is not None and not files.is_embedded:
        findings += [_database("LaunchPad", database.uri, database.name)]
    elif files.is_embedded and importlib.util.find_spec("secantus") is None:
        remedy = "pip install 'disolyte[embedded-db]'"
        findings.append(Finding(what="LaunchPad", level=Level.FAULT, found="SecantusDB is missing", remedy=remedy))
    elif files.is_embedded:
        findings.append(Finding(what="LaunchPad", level=Level.OK, found="embedded; it runs while disolyte works"))
    return findings


def _database(what: str, uri: str, name: str | None = None) -> Finding:
    try:
        database = Database.from_uri(uri)
        database = database if name is None else Database(database.uri, name)
        database.check()
    except DisolyteError as error:
        return Finding(what=what, level=Level.FAULT, found="no use", remedy=str(error))
    return Finding(what=what, level=Level.OK, found=f"{database.display} takes reads and writes")


def _print(findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for wraps in (False, False, True):
        # A path or URL that is longer than the line goes on in the next one.
        table.add_column(no_wrap=not wraps, overflow="fold")
    for finding in findings:
        mark, style = MARKS[finding.level]
        text = Text(finding.found)
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", style="cyan")
        table.add_row(Text(mark, style=style), Text(finding.what, style="bold"), text)
    Console().print(table)
