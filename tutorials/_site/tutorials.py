"""Run the tutorials once, and show them in the site with the outputs of that run.

    python tutorials/_site/tutorials.py            # all of them, two at a time
    python tutorials/_site/tutorials.py 1 5        # some

A tutorial is a Python script in jupytext's percent format. Each is run in a Jupyter kernel of its own, in an empty
folder, under a time limit; the notebook with its outputs goes to ``build/tutorials``. Sphinx reads the script through
:func:`read_tutorial`, which finds that notebook by the hash of the script and never runs anything; it warns where a
notebook is missing, or was run with other sources of the package.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util import logging

import disolyte

SOURCES: Final = Path(__file__).parents[1]
EXECUTED: Final = SOURCES.parent / "build" / "tutorials"
LIMIT_S: Final = 180.0
"""Processor time that a tutorial may take. By the clock, three times as much: the machine may have other work."""

AT_A_TIME: Final = 2
CLOCK: Final = "import os; print(sum(os.times()[:4]))"
"""What a kernel is asked at the end: its processor time and that of the processes that it ended, s."""
FORMAT: Final = {"extension": ".py", "format_name": "percent"}
WITH_FIGURES: Final = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
QUIET: Final = ["--log-level=ERROR"]


def read_tutorial(text: str) -> NotebookNode:
    """Read a tutorial for Sphinx: the executed notebook of the same source, or the bare script with a warning.

    Its first code, imports and helpers, is folded.
    """
    notebook = _executed(text)
    if notebook is None or notebook.metadata.get("package_sha256") != _package_sha256():
        title = next((line for line in text.splitlines() if line.startswith("# # ")), "a tutorial").removeprefix("# # ")
        problem = "has not been run" if notebook is None else "was run with other sources of disolyte"
        logging.getLogger(__name__).warning("%r %s: python tutorials/_site/tutorials.py", title, problem, type="run")
    notebook = notebook or _notebook(text)
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is not None:
        first.metadata["tags"] = ["hide-input"]
    return notebook


def _executed(text: str) -> NotebookNode | None:
    """The notebook of a run of this script."""
    notebooks = (nbformat.read(path, as_version=4) for path in EXECUTED.glob("*.ipynb"))
    return next((one for one in notebooks if one.metadata.get("source_sha256") == _sha256(text)), None)


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx read tutorials anew at every build: their outputs may have changed where their source has not."""
    app.connect("env-get-outdated", lambda *_: [path.stem for path in SOURCES.glob("[0-9]*_*.py")])
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _notebook(text: str) -> NotebookNode:
    notebook = jupytext.reads(text, fmt=FORMAT)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
    return notebook


def _sha256(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()


@cache
def _package_sha256() -> str:
    """Hash of the package's modules."""
    package = Path(disolyte.__file__).parent
    modules = sorted(package.rglob("*.py"))
    return hashlib.sha256(b"".join(str(m.relative_to(package)).encode() + m.read_bytes() for m in modules)).hexdigest()


async def _run(path: Path, places: asyncio.Semaphore, limit_s: float) -> bool:
    """Run one tutorial and keep its notebook; say how it went."""
    text = path.read_text(encoding="utf-8")
    sources = _package_sha256()
    notebook = _notebook(text)
    notebook.cells.append(nbformat.v4.new_code_cell(CLOCK))
    environment = {**os.environ, **WITH_FIGURES}
    async with places:
        start = time.monotonic()
        problem = ""
        with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
            client = NotebookClient(
                notebook, timeout=None, resources={"metadata": {"path": folder}}, extra_arguments=QUIET
            )
            try:
                await asyncio.wait_for(client.async_execute(env=environment), 3 * limit_s)
            except TimeoutError:
                problem = f"took longer than {3 * limit_s:.0f} s"
            except Exception as error:  # whatever it is, the other tutorials go on
                problem = str(error) or type(error).__name__
        took_s = time.monotonic() - start
    worked = "?"
    if clock := notebook.cells.pop().get("outputs"):
        worked = f"{float(clock[0].text):.0f}"
        if float(worked) > limit_s:
            problem = problem or f"took more than {limit_s:.0f} s of processor time: make it smaller"
    notebook.metadata["source_sha256"] = _sha256(text)
    notebook.metadata["package_sha256"] = sources
    (EXECUTED / f"{path.stem}.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    times = f"{took_s:.0f} s, {worked} s of processor time"
    print(f"{'FAILED' if problem else 'ran'} {path.name} ({times})\n{problem}".rstrip(), flush=True)
    return not problem


async def _run_all(paths: list[Path], limit_s: float) -> bool:
    places = asyncio.Semaphore(AT_A_TIME)
    return all(await asyncio.gather(*(_run(path, places, limit_s) for path in paths)))


def main() -> int:
    """Run the tutorials named on the command line; 1 if one failed."""
    parser = argparse.ArgumentParser(description="Run the tutorials, each once, and keep the notebooks.")
    parser.add_argument("numbers", nargs="*", help="which, by number; all if none is given")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="processor time that each may take")
    arguments = parser.parse_args()
    paths = sorted(SOURCES.glob("[0-9]*_*.py"))
    wanted = [path for path in paths if not arguments.numbers or path.name.split("_")[0] in arguments.numbers]
    EXECUTED.mkdir(parents=True, exist_ok=True)
    return 0 if asyncio.run(_run_all(wanted, arguments.limit_s)) else 1


if __name__ == "__main__":
    sys.exit(main())
