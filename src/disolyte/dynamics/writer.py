"""The folder of one system while it runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

from disolyte.dynamics.trajectory import Chunk, MDRun, read_chunk, write_chunk
from disolyte.errors import DynamicsError, RunFolderError


class RunWriter:
    """The folder of one system while it runs: opens or resumes it, and appends chunks.

    Parameters
    ----------
    directory
        Folder of the system.
    header
        What is run; must equal that of what the folder holds.

    Raises
    ------
    DynamicsError
        If the folder holds a different run, or one whose ``run.json`` cannot be read.
    RunFolderError
        If the folder cannot be written to.
    """

    def __init__(self, directory: Path, header: dict[str, object]) -> None:
        self.directory = directory
        text = json.dumps(header, sort_keys=True)
        path = directory / "run.json"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for left_over in directory.glob(".chunk-*"):  # of a process killed while it wrote
                left_over.unlink(missing_ok=True)
            if not path.exists():
                temporary = path.with_name(f".run.json.{os.getpid()}")
                temporary.write_text(text)
                temporary.replace(path)
        except OSError as error:
            raise RunFolderError(
                f"cannot write to {directory}: {error}; choose a folder that can be written to"
            ) from error
        self._refuse_another_run(path, json.loads(text))
        self.n_chunks, self.last = self._find_chunks()

    def _refuse_another_run(self, path: Path, header: dict[str, object]) -> None:
        try:
            there = dict(json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise DynamicsError(
                f"{path} is broken ({error}): it is not known what the run is. Choose another folder, or delete "
                f"{self.directory} to start anew"
            ) from error
        if there != header:
            differing = sorted(key for key in {*there, *header} if there.get(key) != header.get(key))
            raise DynamicsError(
                f"{self.directory} holds a run with another {', '.join(differing)}; "
                "choose another folder, or delete this one to start anew"
            )

    def _find_chunks(self) -> tuple[int, Chunk | None]:
        """Count the chunks up to the first gap or broken file and read the last; what follows is set aside.

        What follows may be of another course of the run, since what is made anew equals it on ASE alone.
        """
        last, n_good = None, 0
        for path in MDRun(self.directory).chunk_paths:
            try:
                last = read_chunk(path)
            except DynamicsError:
                break
            n_good += 1
        for path in sorted(self.directory.glob("chunk-*.npz"))[n_good:]:
            path.replace(path.with_suffix(".broken"))
        return n_good, last

    def append(self, chunk: Chunk) -> None:
        """Write the next chunk."""
        write_chunk(self.directory / f"chunk-{self.n_chunks:06d}.npz", chunk)
        self.n_chunks += 1
        self.last = chunk
