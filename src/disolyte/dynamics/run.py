"""Run molecular dynamics of many systems, or go on with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from disolyte.dynamics.engine_choice import choose_engine
from disolyte.dynamics.member import Member, start_state
from disolyte.dynamics.preflight import check_start, prepare_model
from disolyte.dynamics.protocol import Engine, MDProtocol
from disolyte.dynamics.trajectory import Chunk, MDRun
from disolyte.dynamics.watchdog import Watchdog
from disolyte.dynamics.writer import RunWriter
from disolyte.errors import InputError
from disolyte.ownership import own_folder

if TYPE_CHECKING:
    from disolyte.models import LoadedModel


class _Advances(Protocol):
    def advance(self, members: list[Member], n_steps: int) -> list[Chunk]: ...


def run_md(
    systems: Sequence[Atoms],
    protocols: Sequence[MDProtocol],
    model: LoadedModel | Calculator,
    directory: Path,
    *,
    engine: Engine = Engine.AUTO,
    watchdog: Watchdog | None = None,
    chunk_frames: int = 50,
    max_batch_atoms: int = 4096,
) -> list[MDRun]:
    """Run each system to its end, and go on with whatever ``directory`` holds of it.

    Trajectories are written in chunks while the run goes on. Called again with the same arguments after a kill at any
    time, it goes on from the last chunk of each system. On ASE the outcome equals that of an uninterrupted run bit by
    bit. A system that the watchdog takes out ends alone.

    Parameters
    ----------
    systems
        First structures. Momenta are drawn; momenta and constraints of the structures are not used.
    protocols
        One protocol per system; they may differ in everything.
    model
        Model, or any ASE calculator, which runs on ASE only.
    directory
        Folder that gets one folder per system.
    engine
        What integrates.
    watchdog
        Limits to hold; None takes the defaults.
    chunk_frames
        Frames kept in memory before they are written: the most that a kill can cost.
    max_batch_atoms
        Largest number of atoms that torch-sim advances at once.

    Returns
    -------
    list of MDRun
        Trajectories on disk, in the order of ``systems``.

    Raises
    ------
    InputError
        If there are no systems, not one protocol each, or the engine cannot do what is asked.
    DynamicsError, StructureError, ModelCoverageError
        If a system cannot start, or ``directory`` holds other runs or a broken one.
    RunFolderError
        If ``directory`` cannot be written to, or another process runs in it.
    """
    _check_arguments(systems, protocols, chunk_frames, max_batch_atoms)
    engine = choose_engine(engine, systems, model)
    check_start(systems, model)
    with own_folder(Path(directory)):
        folders = [Path(directory) / f"system-{index:04d}" for index in range(len(systems))]
        writers = [
            RunWriter(folder, _header(atoms, protocol, model))
            for folder, atoms, protocol in zip(folders, systems, protocols, strict=True)
        ]
        open_runs = [
            (Member(atoms, protocol, start_state(atoms, protocol) if writer.last is None else writer.last.end), writer)
            for atoms, protocol, writer in zip(systems, protocols, writers, strict=True)
            if not _has_ended(writer)
        ]
        if open_runs:
            if not isinstance(model, Calculator):
                model = prepare_model([member.atoms for member, _ in open_runs], model)
            runner = _make_engine(engine, model, watchdog or Watchdog())
            for batch in _batches(open_runs, 0 if engine is Engine.ASE else max_batch_atoms):
                _run_batch(batch, runner, chunk_frames)
    return [MDRun(folder) for folder in folders]


def _check_arguments(
    systems: Sequence[Atoms], protocols: Sequence[MDProtocol], chunk_frames: int, max_batch_atoms: int
) -> None:
    if not systems:
        raise InputError("there are no systems to run: give at least one")
    if chunk_frames < 1 or max_batch_atoms < 1:
        raise InputError(f"chunk_frames={chunk_frames} and max_batch_atoms={max_batch_atoms} must be at least 1")
    if len(systems) != len(protocols):
        raise InputError(f"{len(systems)} systems but {len(protocols)} protocols; give one protocol per system")


def _has_ended(writer: RunWriter) -> bool:
    return writer.last is not None and writer.last.verdict is not None


def _make_engine(engine: Engine, model: LoadedModel | Calculator, watchdog: Watchdog) -> _Advances:
    if engine is Engine.TORCH_SIM and not isinstance(model, Calculator):
        from disolyte.dynamics.torch_sim_engine import TorchSimEngine

        return TorchSimEngine(model, watchdog)
    from disolyte.dynamics.ase_engine import AseEngine

    return AseEngine(model if isinstance(model, Calculator) else model.calculator(), watchdog)


def _header(atoms: Atoms, protocol: MDProtocol, model: LoadedModel | Calculator) -> dict[str, object]:
    """What makes a run the one it is."""
    name, sha256 = (
        (type(model).__name__, _parameters_sha256(model))
        if isinstance(model, Calculator)
        else (model.name, model.sha256)
    )
    header: dict[str, object] = {
        "protocol": protocol.model_dump(mode="json"),
        "numbers": atoms.numbers.tolist(),
        "cell_ang": np.array(atoms.cell).tolist(),
        "pbc": [bool(periodic) for periodic in atoms.pbc],
        "positions_sha256": hashlib.sha256(atoms.get_positions().tobytes()).hexdigest(),
        "model_name": name,
        "model_sha256": sha256,
    }
    if atoms.has("masses"):
        header["masses_u"] = atoms.get_masses().tolist()
    return header


def _parameters_sha256(calculator: Calculator) -> str:
    """Hash of an ASE calculator's parameters; empty if it has none."""
    parameters = getattr(calculator, "parameters", None)
    if not parameters:
        return ""

    def plain(value: object) -> object:
        return value.tolist() if isinstance(value, np.ndarray | np.generic) else type(value).__name__

    return hashlib.sha256(json.dumps(parameters, sort_keys=True, default=plain).encode()).hexdigest()


def _batches(open_runs: list[tuple[Member, RunWriter]], max_atoms: int) -> Iterator[list[tuple[Member, RunWriter]]]:
    """Group systems that can share a batch, up to ``max_atoms`` atoms; single systems for 0."""

    def kind(run: tuple[Member, RunWriter]) -> tuple[str, float, int]:
        protocol = run[0].protocol
        return protocol.thermostat.value, protocol.time_step_fs, protocol.record_every

    for _, alike in groupby(sorted(open_runs, key=kind), key=kind):
        batch: list[tuple[Member, RunWriter]] = []
        for run in alike:
            if batch and sum(len(member.atoms) for member, _ in batch) + len(run[0].atoms) > max_atoms:
                yield batch
                batch = []
            batch.append(run)
        yield batch


def _run_batch(batch: list[tuple[Member, RunWriter]], runner: _Advances, chunk_frames: int) -> None:
    """Chunk by chunk to the end, those that lag behind after a kill first."""

    def chunk_end(member: Member) -> int:
        chunk_steps = chunk_frames * member.protocol.record_every
        return min((member.state.step // chunk_steps + 1) * chunk_steps, member.protocol.n_steps)

    while batch:
        step, end = min((member.state.step, chunk_end(member)) for member, _ in batch)
        group = [run for run in batch if (run[0].state.step, chunk_end(run[0])) == (step, end)]
        chunks = runner.advance([member for member, _ in group], end - step)
        for (member, writer), chunk in zip(group, chunks, strict=True):
            writer.append(chunk)
            member.state = chunk.end
        batch = [run for run in batch if not _has_ended(run[1])]
