"""Entry of the training process: ``python -m disolyte.finetuning.runner run.json PARENT_PID``.

A process of its own, since ``mace.cli.run_train`` leaves log handlers, a default precision and seeds behind.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from disolyte.finetuning.loop import TrainingLoop

_ORPHANED: Final = 3
"""Exit status of a process whose parent is gone."""


def main(run_file: Path, parent: int) -> None:
    """Run mace's training with the arguments in ``run_file`` and our loop in it.

    Parameters
    ----------
    run_file
        JSON with ``arguments`` (command line of ``mace_run_train``), ``target_head``, and the settings ``asked``.
    parent
        Process that started this one, by its own word: it may be gone before this one can ask who it was.
    """
    _end_with(parent)
    run = json.loads(run_file.read_text(encoding="utf-8"))
    import mace.tools  # before e3nn, which fails on torch >= 2.6 otherwise
    import torch
    from mace.cli import run_train

    loop: Any = TrainingLoop(directory=run_file.parent, target_head=run["target_head"], asked=run["asked"])
    mace.tools.train = loop
    no_table: Any = _no_table
    run_train.create_error_table = no_table
    sys.argv = ["mace_run_train", *run["arguments"]]
    # TorchScript's optimiser costs seconds for each new shape, changes the last digits with them, and gains nothing.
    with torch.jit.optimized_execution(False):  # noqa: FBT003
        run_train.main()


def _no_table(**_: object) -> str:
    """Skip mace's final tables, which are text only: errors are computed from the finished model."""
    return "left out; see the errors of the ModelDoc"


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, so that a run taken up again does not meet its ghost."""
    if os.getppid() != parent:
        sys.exit(_ORPHANED)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(_ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))
