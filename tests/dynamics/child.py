"""Runs molecular dynamics in a process that the tests kill: python child.py FOLDER."""

import sys
from pathlib import Path

from ase.build import bulk
from ase.calculators.emt import EMT

from disolyte.dynamics import MDProtocol, run_md

SYSTEMS = [
    bulk("Cu", "fcc", a=3.65, cubic=True),
    bulk("Ag", "fcc", a=4.1, cubic=True),
    bulk("Al", "fcc", a=4.05, cubic=True),
]
PROTOCOLS = [
    MDProtocol(temperature_k=400.0, n_steps=300, time_step_fs=2.0, record_every=3, thermostat=thermostat, seed=seed)
    for seed, thermostat in enumerate(["bussi", "langevin", "nose-hoover"])
]


def main(folder):
    return run_md(SYSTEMS, PROTOCOLS, EMT(), Path(folder), chunk_frames=2)


if __name__ == "__main__":
    main(sys.argv[1])
