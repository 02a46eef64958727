"""Molecular dynamics: protocol, engines, trajectories on disk and the watchdog; shared by sampling and diffusion.

Consumes structures and a model; produces :class:`MDRun`, a trajectory on disk.
"""

from disolyte.dynamics.engine_choice import choose_engine
from disolyte.dynamics.protocol import Engine, MDProtocol, Thermostat
from disolyte.dynamics.run import run_md
from disolyte.dynamics.trajectory import Chunk, MDRun, SystemState
from disolyte.dynamics.watchdog import Reason, Verdict, Watchdog

__all__ = [
    "Chunk",
    "Engine",
    "MDProtocol",
    "MDRun",
    "Reason",
    "SystemState",
    "Thermostat",
    "Verdict",
    "Watchdog",
    "choose_engine",
    "run_md",
]
