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
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from fireworks import FWorker, LaunchPad

    from disolyte.workers.recovery import AbandonedCheckouts

POLL_S: Final = 0.5
OUTAGE_S: Final = 600.0
"""A database that is away for longer ends the worker."""


def main(launchpad_file: str, fworker_file: str, name: str, parent_pid: int) -> None:
    """Run jobs as they become ready, until the parent is gone or the process is ended."""
    from fireworks import FWorker, LaunchPad
    from pymongo.errors import PyMongoError

    from disolyte.workers.recovery import AbandonedCheckouts

    logging.getLogger("launchpad").setLevel(logging.WARNING)
    threading.Thread(target=_follow, args=(parent_pid,), daemon=True).start()
    launchpad, fworker = LaunchPad.from_file(launchpad_file), FWorker.from_file(fworker_file)
    fworker.name = name
    home = Path.cwd()
    abandoned = AbandonedCheckouts(launchpad, fworker.query.get("spec.campaign"))
    while True:
        try:
            _run_ready_jobs(launchpad, fworker, home, abandoned)
        except PyMongoError as error:
            _report(f"the database is away ({type(error).__name__}); waiting for it")
            os.chdir(home)
            _wait_and_release(launchpad, fworker, home)


def _run_ready_jobs(launchpad: LaunchPad, fworker: FWorker, home: Path, abandoned: AbandonedCheckouts) -> None:
    from fireworks.core.rocket_launcher import rapidfire

    # One round at a time: FireWorks' own endless loop sleeps in whole seconds and logs each time.
    if launchpad.run_exists(fworker):
        rapidfire(launchpad, fworker, m_dir=str(home), max_loops=1, nlaunches=-1, sleep_time=1)
    else:
        abandoned.release()
        time.sleep(POLL_S)


def _wait_and_release(launchpad: LaunchPad, fworker: FWorker, home: Path) -> None:
    """Wait for the database, and make ready again what this worker was running."""
    from pymongo.errors import PyMongoError

    from disolyte.workers.recovery import release_locks, release_worker

    campaign = fworker.query.get("spec.campaign")
    deadline = time.monotonic() + OUTAGE_S
    while True:
        try:
            release_locks(launchpad, campaign)
            lost = release_worker(launchpad, fworker.name, campaign, home)
        except PyMongoError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            _report(f"the database is back; jobs to run again: {lost or 'none'}")
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
