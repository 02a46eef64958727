"""A worker process: FireWorks' rapid fire, ended when the process that started it is gone.

``python -m disolyte.workers.rlaunch LAUNCHPAD.yaml FWORKER.yaml NAME PARENT_PID``

A database that is away for a while does not end it: it waits, and makes the job that it lost ready again.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

import psutil
from fireworks import FWorker, LaunchPad
from fireworks.core.rocket_launcher import rapidfire
from pymongo.errors import PyMongoError

from disolyte.workers.leftovers import PATIENCE_S, Leftovers, locks_released
from disolyte.workers.recovery import release_worker

POLL_S: Final = 0.5
OUTAGE_S: Final = 600.0
"""A database that is away for longer ends the worker."""


def main(launchpad_file: str, fworker_file: str, name: str, parent_pid: int) -> None:
    """Run jobs as they become ready, until the parent is gone or the process is ended."""
    logging.getLogger("launchpad").setLevel(logging.WARNING)
    threading.Thread(target=_follow, args=(parent_pid,), daemon=True).start()
    launchpad, fworker = LaunchPad.from_file(launchpad_file), FWorker.from_file(fworker_file)
    fworker.name = name
    home, campaign = Path.cwd(), fworker.query.get("spec.campaign")
    leftovers = Leftovers(launchpad, campaign)
    tidied = time.monotonic()
    with locks_released(launchpad, campaign):
        while True:
            try:
                if launchpad.run_exists(fworker):
                    # One round at a time: FireWorks' own endless loop sleeps in whole seconds and logs each time.
                    rapidfire(launchpad, fworker, m_dir=str(home), max_loops=1, nlaunches=-1, sleep_time=1)
                elif time.monotonic() - tidied > PATIENCE_S:
                    leftovers.release_checkouts()
                    _release_own(launchpad, fworker, home)
                    tidied = time.monotonic()
                else:
                    time.sleep(POLL_S)
            except (PyMongoError, RuntimeError) as error:
                # FireWorks wraps what befalls it while it changes a workflow.
                cause = error if isinstance(error, PyMongoError) else error.__context__
                if not isinstance(cause, PyMongoError):
                    raise
                _report(f"the database is away ({type(cause).__name__}); waiting for it")
                os.chdir(home)
                _wait_and_release(launchpad, fworker, home)


def _release_own(launchpad: LaunchPad, fworker: FWorker, home: Path) -> None:
    """Put right what this worker, which runs nothing now, was running when it lost the database."""
    found = release_worker(launchpad, fworker.name, fworker.query.get("spec.campaign"), home)
    if found.applied or found.rerun:
        _report(f"jobs whose result was applied late: {found.applied or 'none'}; to run again: {found.rerun or 'none'}")


def _wait_and_release(launchpad: LaunchPad, fworker: FWorker, home: Path) -> None:
    """Wait for the database, and put right what this worker was running."""
    deadline = time.monotonic() + OUTAGE_S
    while True:
        try:
            _release_own(launchpad, fworker, home)
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            _report("the database is back")
            return


def _report(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")


def _follow(parent_pid: int) -> None:
    """End this process soon after its parent."""
    while psutil.pid_exists(parent_pid):
        time.sleep(POLL_S)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
