"""A worker process: FireWorks' rapid fire, ended when the process that started it is gone.

``python -m disolyte.workers.rlaunch LAUNCHPAD.yaml FWORKER.yaml PARENT_PID``
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from pathlib import Path

import psutil

POLL_S = 0.5


def main(launchpad_file: str, fworker_file: str, parent_pid: int) -> None:
    """Run jobs as they become ready, until the parent is gone or the process is ended."""
    from fireworks import FWorker, LaunchPad
    from fireworks.core.rocket_launcher import rapidfire

    logging.getLogger("launchpad").setLevel(logging.WARNING)
    threading.Thread(target=_follow, args=(parent_pid,), daemon=True).start()
    launchpad, fworker = LaunchPad.from_file(launchpad_file), FWorker.from_file(fworker_file)
    while True:
        # One round at a time: FireWorks' own endless loop sleeps in whole seconds and logs each time.
        if launchpad.run_exists(fworker):
            rapidfire(launchpad, fworker, m_dir=str(Path.cwd()), max_loops=1, nlaunches=-1, sleep_time=1)
        else:
            time.sleep(POLL_S)


def _follow(parent_pid: int) -> None:
    """End this process soon after its parent."""
    while psutil.pid_exists(parent_pid):
        time.sleep(POLL_S)
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
