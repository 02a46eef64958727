"""Trajectories on disk, in chunks.

One folder a system: ``run.json`` says what is run, ``chunk-000000.npz`` and so on hold the frames. A chunk also holds
the full state at its end, so that one atomic rename makes frames and checkpoint durable together: after a kill at any
time, the last readable chunk is where the run goes on, no frame is there twice and none is lost.
"""

from __future__ import annotations

import errno
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from disolyte.dynamics.protocol import Engine, MDProtocol
from disolyte.dynamics.watchdog import Reason, Verdict
from disolyte.errors import DynamicsError, RunFolderError


@dataclass(frozen=True)
class SystemState:
    """All that the future of a run depends on.

    Attributes
    ----------
    step
        Steps made so far.
    positions_ang, momenta
        Unwrapped positions, Å, and momenta in ASE's units, √(eV u); float64, shape (n_atoms, 3).
    rng_state
        State of the system's random generator, JSON.
    start_energy_ev
        Potential energy at step 0; NaN before it is known.
    thermostat
        Variables of the thermostat: positions and momenta of a Nosé–Hoover chain, shape (2, 3); else (0,).
    """

    step: int
    positions_ang: NDArray[np.float64]
    momenta: NDArray[np.float64]
    rng_state: str
    start_energy_ev: float = float("nan")
    thermostat: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def generator(self) -> np.random.Generator:
        """Random generator that goes on where the state left it."""
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = json.loads(self.rng_state)
        return generator


@dataclass(frozen=True)
class Chunk:
    """A stretch of a trajectory.

    Attributes
    ----------
    steps
        Step of each frame, shape (n_frames,).
    positions_ang
        Unwrapped positions, float32, shape (n_frames, n_atoms, 3).
    energies_ev, temperatures_k
        Potential energy and instantaneous temperature of each frame, shape (n_frames,).
    end
        State at the end of the chunk.
    engine
        Engine that made it.
    wall_s
        Wall time it took.
    verdict
        How the run ended, if it did here.
    """

    steps: NDArray[np.int64]
    positions_ang: NDArray[np.float32]
    energies_ev: NDArray[np.float64]
    temperatures_k: NDArray[np.float64]
    end: SystemState
    engine: Engine
    wall_s: float = 0.0
    verdict: Verdict | None = None


def write_chunk(path: Path, chunk: Chunk) -> None:
    """Write a chunk so that after a crash it is there as a whole or not at all.

    Raises
    ------
    RunFolderError
        If the folder cannot be written to, or the disk is full. Earlier chunks stay.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    end = chunk.end
    try:
        with temporary.open("wb") as stream:
            np.savez(
                stream,
                steps=chunk.steps,
                positions_ang=chunk.positions_ang,
                energies_ev=chunk.energies_ev,
                temperatures_k=chunk.temperatures_k,
                end_step=end.step,
                end_positions_ang=end.positions_ang,
                end_momenta=end.momenta,
                end_rng_state=end.rng_state,
                end_start_energy_ev=end.start_energy_ev,
                end_thermostat=end.thermostat,
                engine=str(chunk.engine),
                wall_s=chunk.wall_s,
                verdict="" if chunk.verdict is None else chunk.verdict.model_dump_json(),
            )
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        cause = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise RunFolderError(
            f"cannot write {path}: {cause}; all earlier chunks are safe. Make room or choose another folder, and start "
            "again: the run goes on from its last chunk"
        ) from error


@contextmanager
def _open(path: Path) -> Iterator[NpzFile]:
    """Open a chunk; what cannot be read is told as an error of ours."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            yield arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DynamicsError(
            f"{path} cannot be read ({error}); start the run again in the same folder: it is made anew"
        ) from error


def read_chunk(path: Path) -> Chunk:
    """Read a chunk written by :func:`write_chunk`.

    Raises
    ------
    DynamicsError
        If the file is broken.
    """
    with _open(path) as arrays:
        verdict = str(arrays["verdict"])
        end = SystemState(
            step=int(arrays["end_step"]),
            positions_ang=arrays["end_positions_ang"],
            momenta=arrays["end_momenta"],
            rng_state=str(arrays["end_rng_state"]),
            start_energy_ev=float(arrays["end_start_energy_ev"]),
            thermostat=arrays["end_thermostat"],
        )
        return Chunk(
            steps=arrays["steps"],
            positions_ang=arrays["positions_ang"],
            energies_ev=arrays["energies_ev"],
            temperatures_k=arrays["temperatures_k"],
            end=end,
            engine=Engine(str(arrays["engine"])),
            wall_s=float(arrays["wall_s"]),
            verdict=Verdict.model_validate_json(verdict) if verdict else None,
        )


class MDRun:
    """A trajectory on disk, finished or not. Arrays are read when asked for.

    Parameters
    ----------
    directory
        Folder of one system, as :func:`~disolyte.dynamics.run_md` makes it.

    Raises
    ------
    DynamicsError
        If there is no run in the folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        try:
            header = json.loads((self.directory / "run.json").read_text())
        except (OSError, ValueError) as error:
            raise DynamicsError(f"{self.directory} holds no MD run (run.json: {error})") from error
        self.protocol = MDProtocol.model_validate(header["protocol"])
        self.numbers: NDArray[np.int64] = np.array(header["numbers"], dtype=np.int64)
        self.cell_ang: NDArray[np.float64] = np.array(header["cell_ang"])
        self.pbc: NDArray[np.bool_] = np.array(header["pbc"], dtype=bool)
        self.model_name: str = header["model_name"]
        self.model_sha256: str = header["model_sha256"]

    @cached_property
    def chunk_paths(self) -> list[Path]:
        """Files of the chunks, without gaps, in order."""
        paths: list[Path] = []
        while (path := self._chunk_path(len(paths))).is_file():
            paths.append(path)
        return paths

    def _chunk_path(self, index: int) -> Path:
        return self.directory / f"chunk-{index:06d}.npz"

    def _collect(self, key: str) -> NDArray[np.generic]:
        parts = []
        for path in self.chunk_paths:
            with _open(path) as arrays:
                parts.append(arrays[key])
        return np.concatenate(parts) if parts else np.zeros(0)

    @cached_property
    def last(self) -> Chunk | None:
        """Last chunk."""
        return read_chunk(self.chunk_paths[-1]) if self.chunk_paths else None

    @property
    def verdict(self) -> Verdict:
        """How the run ended; ``UNFINISHED`` while it has not."""
        if self.last is None:
            return Verdict(reason=Reason.UNFINISHED, step=0)
        return self.last.verdict or Verdict(reason=Reason.UNFINISHED, step=self.last.end.step)

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """Step of each frame, shape (n_frames,)."""
        return self._collect("steps").astype(np.int64)

    @property
    def n_frames(self) -> int:
        """Number of frames on disk."""
        return len(self.steps)

    @property
    def times_fs(self) -> NDArray[np.float64]:
        """Time of each frame, fs, shape (n_frames,)."""
        return (self.steps * self.protocol.time_step_fs).astype(np.float64)

    @property
    def energies_ev(self) -> NDArray[np.float64]:
        """Potential energy of each frame, eV, shape (n_frames,)."""
        return self._collect("energies_ev").astype(np.float64)

    @property
    def temperatures_k(self) -> NDArray[np.float64]:
        """Instantaneous temperature of each frame, K, from 3N − 3 degrees of freedom, shape (n_frames,)."""
        return self._collect("temperatures_k").astype(np.float64)

    @property
    def wall_s(self) -> float:
        """Wall time of all chunks; a batch's time is shared out over its systems."""
        return float(sum(chunk.wall_s for chunk in self.iter_chunks()))

    @property
    def engine(self) -> Engine:
        """Engine that made the last chunk; ``AUTO`` if there is none."""
        return Engine.AUTO if self.last is None else self.last.engine

    def positions_ang(self) -> NDArray[np.float32]:
        """Unwrapped positions of all frames, Å, shape (n_frames, n_atoms, 3)."""
        if not self.chunk_paths:
            return np.zeros((0, len(self.numbers), 3), dtype=np.float32)
        return self._collect("positions_ang").astype(np.float32)

    def iter_chunks(self) -> Iterator[Chunk]:
        """Chunks in order, one in memory at a time."""
        for path in self.chunk_paths:
            yield read_chunk(path)

    def atoms(self, frame: int) -> Atoms:
        """One frame, unwrapped, as ASE atoms; negative numbers count from the end.

        Raises
        ------
        DynamicsError
            If there is no such frame.
        """
        index = frame + self.n_frames if frame < 0 else frame
        for chunk in self.iter_chunks():
            if 0 <= index < len(chunk.steps):
                return Atoms(self.numbers, chunk.positions_ang[index], cell=self.cell_ang, pbc=self.pbc)
            index -= len(chunk.steps)
        raise DynamicsError(f"frame {frame} is not in {self.directory}, which holds {self.n_frames} frames")
