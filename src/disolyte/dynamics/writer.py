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
        If the folder holds a different run.
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
        if (there := json.loads(path.read_text())) != json.loads(text):
            differing = sorted(key for key in {*there, *header} if there.get(key) != json.loads(text).get(key))
            raise DynamicsError(
                f"{directory} holds a run with another {', '.join(differing)}; "
                "choose another folder, or delete this one to start anew"
            )
        self.n_chunks, self.last = self._find_chunks()

    def _find_chunks(self) -> tuple[int, Chunk | None]:
        """Count the readable chunks and read the last; what follows a gap or a broken file is set aside."""
        paths = MDRun(self.directory).chunk_paths
        while paths:
            try:
                return len(paths), read_chunk(paths[-1])
            except DynamicsError:
                broken = paths.pop()
                broken.replace(broken.with_suffix(".broken"))
        return 0, None

    def append(self, chunk: Chunk) -> None:
        """Write the next chunk."""
        write_chunk(self.directory / f"chunk-{self.n_chunks:06d}.npz", chunk)
        self.n_chunks += 1
        self.last = chunk
