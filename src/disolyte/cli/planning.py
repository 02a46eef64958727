"""What is to be run: system, makers and devices from a command line; the plan of it, and its checks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from jobflow import Flow
from monty.json import MontyDecoder
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from disolyte.cli.inputs import SystemRequest, option_names
from disolyte.enumeration.composition import Rounding
from disolyte.errors import InputError
from disolyte.flows import DisorderedElectrolyteFlowMaker
from disolyte.flows.costs import BASIS, Plan, set_device, set_foundation
from disolyte.flows.quickstart import quickstart_flow_maker, quickstart_system
from disolyte.models import ModelSource
from disolyte.records import TRUSTED_PACKAGES, foreign_module
from disolyte.systems import DisorderedSystem
from disolyte.workers.folder import RunFolder
from disolyte.workers.roles import Role
from disolyte.workers.routing import assign_workers

SCALES: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


class Preset(StrEnum):
    """Settings of all makers."""

    PAPER = "paper"
    QUICKSTART = "quickstart"


class Foundation(NamedTuple):
    """The foundation model as the command line gives it."""

    name_or_path: str
    """Name of a model, or its file."""
    sha256: str | None = None
    """Hash which the file must have."""


@dataclass(frozen=True)
class Task:
    """What a command line asks to run.

    Parameters
    ----------
    system
        Which system.
    preset
        Settings, unless ``maker_file`` is given.
    maker_file
        JSON of a DisorderedElectrolyteFlowMaker.
    compositions
        Compositions to keep; all if empty.
    foundation
        Foundation model of all makers; theirs if None.
    device
        torch device of all makers; "cuda" for the preset of the paper if None.
    rounds
        Whether occupancies that a cell cannot hold are rounded.
    """

    system: SystemRequest
    preset: Preset = Preset.PAPER
    maker_file: Path | None = None
    compositions: tuple[str, ...] = ()
    foundation: Foundation | None = None
    device: str | None = None
    rounds: bool = False

    @property
    def label(self) -> str:
        """Preset or file that the flow is made from, and its model if that is another."""
        made_from = str(self.maker_file) if self.maker_file else self.preset.value
        return f"{made_from}, model {self.foundation.name_or_path}" if self.foundation else made_from

    def load_system(self) -> DisorderedSystem:
        """The system, with the compositions asked for; the quickstart has few of them in small cells."""
        system = self.system.load()
        is_miniature = self.preset is Preset.QUICKSTART and self.maker_file is None and system.key == "liybc"
        if is_miniature and not self.compositions:
            miniature = quickstart_system()
            return miniature.with_supercells(system.supercells) if self.system.supercells else miniature
        return system.restricted_to(self.compositions) if self.compositions else system

    def load_maker(self) -> DisorderedElectrolyteFlowMaker:
        """The maker of the flow."""
        device = self.device
        if self.maker_file is not None:
            maker = load_maker(self.maker_file)
        elif self.preset is Preset.QUICKSTART:
            maker = quickstart_flow_maker()
        else:
            maker, device = DisorderedElectrolyteFlowMaker(), device or "cuda"
        if device is not None:
            set_device(maker, device)
        if self.foundation is not None:
            set_foundation(maker, ModelSource.from_text(*self.foundation))
        if self.rounds:
            maker.training_set_maker.enumeration_maker.rounding = Rounding.NEAREST
        return maker

    def make_flow(self) -> tuple[Flow, DisorderedSystem]:
        """The flow, made and checked, and its system."""
        with option_names(is_structure_file=self.system.is_structure_file):
            system, maker = self.load_system(), self.load_maker()
            formulas = {point.formula for point in system.points()}
            if self.maker_file is None and maker.diffusion_formulas is not None:
                kept = [formula for formula in maker.diffusion_formulas if formula in formulas]
                maker.diffusion_formulas = kept or None
            return maker.make(system), system


def load_maker(file: Path) -> DisorderedElectrolyteFlowMaker:
    """Maker from its JSON.

    Raises
    ------
    InputError
        If the file holds something else, or a field that the maker has not.
    """
    remedy = "write one with json.dumps(DisorderedElectrolyteFlowMaker().as_dict(), cls=MontyEncoder)"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file {file}; {remedy}") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is no JSON: {error}; {remedy}") from error
    if (module := foreign_module(content)) is not None:
        raise InputError(
            f"{file} names the module {module!r}; makers come from {', '.join(TRUSTED_PACKAGES)}. "
            "For makers of your own write the flow in Python"
        )
    try:
        maker = MontyDecoder().process_decoded(content)
    except (TypeError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise InputError(f"{file} does not describe a maker: {error}; {remedy}") from error
    if not isinstance(maker, DisorderedElectrolyteFlowMaker):
        raise InputError(f"{file} holds no DisorderedElectrolyteFlowMaker; {remedy}")
    return maker


def route(flow: Flow, files: RunFolder | None) -> dict[Role, str]:
    """Send all jobs to the workers of a run folder, or to the usual ones; return the worker's name of each role.

    Raises
    ------
    WorkerError
        If the file of a worker was edited into something else.
    """
    if files is None:
        assign_workers(flow, {role: {"_category": role.value} for role in Role})
        return {role: f"disolyte-{role}" for role in Role}
    assign_workers(flow, files.categories())
    return {role: files.fworker(role)["name"] for role in Role}


def print_plan(plan: Plan, workers: Mapping[Role, str], title: str, console: Console) -> None:
    """Print the table of jobs, roles and workers."""
    table = Table(title=escape(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1))
    for heading in ("job", "role", "worker"):
        table.add_column(heading, no_wrap=heading != "worker")
    for heading in ("jobs", "atoms each", "cost"):
        table.add_column(heading, justify="right")
    for jobs in plan.jobs:
        mark = "~" if jobs.is_estimate else ""
        atoms = "–" if jobs.n_atoms is None else f"{jobs.n_atoms:.0f}"
        worker = workers.get(jobs.role, "none")
        cells = (jobs.name, jobs.role, worker, f"{mark}{jobs.n_jobs}", atoms, span(jobs.seconds))
        table.add_row(*map(escape, cells))
    console.print(table)
    for role in plan.roles:
        mine = [jobs for jobs in plan.jobs if jobs.role is role]
        n_jobs, seconds = sum(jobs.n_jobs for jobs in mine), sum(jobs.seconds for jobs in mine)
        console.print(f"{role}: about {n_jobs} jobs, {span(seconds)} on one worker", highlight=False)
    for line in plan.roundings:
        console.print(f"! {line}", highlight=False, markup=False)
    console.print("atoms each: in one structure of the job, the mean where they differ", highlight=False)
    console.print(f"~ made by other jobs later, estimated from the settings. {BASIS}", highlight=False)


def span(seconds: float) -> str:
    """A time for people, two digits.

    Examples
    --------
    >>> span(90.0), span(7300.0), span(0.4)
    ('1.5 min', '2.0 h', '0.4 s')
    """
    size, unit = next((scale for scale in SCALES if seconds >= scale[0]), SCALES[-1])
    value = seconds / size
    return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
