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

from disolyte.workers.files import read_yaml
from disolyte.workers.leftovers import Leftovers, drop_orphans, locks_released
from disolyte.workers.recovery import release_worker

POLL_S: Final = 0.5
OUTAGE_S: Final = 600.0
"""A database that is away for longer ends the worker."""
UNKNOWN_JOB: Final = "Could not find workflow"
"""What FireWorks says of a job that was written, while its workflow, which was to follow, was not."""


def main(launchpad_file: str, fworker_file: str, name: str, parent_pid: int) -> None:
    """Run jobs as they become ready, until the parent is gone or the process is ended."""
    logging.getLogger("launchpad").setLevel(logging.WARNING)
    threading.Thread(target=_follow, args=(parent_pid,), daemon=True).start()
    spec = read_yaml(Path(launchpad_file))
    # In the middle of its writes, FireWorks waits for a database better than it fails.
    patience = {"serverSelectionTimeoutMS": 1000 * OUTAGE_S}
    spec["mongoclient_kwargs"] = {**(spec.get("mongoclient_kwargs") or {}), **patience}
    launchpad = LaunchPad.from_dict(spec)
    fworker = FWorker.from_file(fworker_file)
    fworker.name = name
    home, campaign = Path.cwd(), fworker.query.get("spec.campaign")
    leftovers = Leftovers(launchpad, campaign)
    is_tidy = False
    with locks_released(launchpad, campaign):
        while True:
            try:
                if launchpad.run_exists(fworker):
                    is_tidy = False
                    # One round at a time: FireWorks' own endless loop sleeps in whole seconds and logs each time.
                    rapidfire(launchpad, fworker, m_dir=str(home), max_loops=1, nlaunches=-1, sleep_time=1)
                elif not is_tidy:
                    _release_own(launchpad, fworker, home)
                    is_tidy = True
                else:
                    leftovers.release_checkouts()
                    time.sleep(POLL_S)
            except Exception as error:
                trouble = _trouble(error)
                if trouble is None:
                    raise
                _report(f"the database is or was away ({trouble}); waiting for it")
                os.chdir(home)
                _wait_and_release(launchpad, fworker, home)
                is_tidy = True


def _trouble(error: BaseException | None) -> str | None:
    """What tells, in an error or in those it came from, that the database was away; FireWorks wraps some."""
    while error is not None:
        if isinstance(error, PyMongoError) or UNKNOWN_JOB in str(error):
            return f"{type(error).__name__}"
        error = error.__context__
    return None


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
            drop_orphans(launchpad, fworker.query.get("spec.campaign"))
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
