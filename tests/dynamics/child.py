"""Runs molecular dynamics in a process that the tests kill: python child.py FOLDER [torch-sim] [slow-writes]."""

import importlib.util
import os
import sys
import time
from pathlib import Path

from ase.build import bulk
from ase.calculators.emt import EMT

from disolyte.dynamics import Engine, MDProtocol, run_md

METALS = [
    bulk("Cu", "fcc", a=3.65, cubic=True),
    bulk("Ag", "fcc", a=4.1, cubic=True),
    bulk("Al", "fcc", a=4.05, cubic=True),
]
THERMOSTATS = ["bussi", "langevin", "nose-hoover"]


def protocol(thermostat, seed, **changes):
    settings = {"temperature_k": 400.0, "n_steps": 300, "time_step_fs": 2.0, "record_every": 3}
    return MDProtocol(thermostat=thermostat, seed=seed, **(settings | changes))


def lennard_jones():
    """Model and systems of the other tests."""
    path = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("dynamics_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    atoms = bulk("Ar", "fcc", a=5.4, cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.05, seed=1)
    return module.PairModel(), [atoms] * len(THERMOSTATS)


def main(folder, engine="ase"):
    protocols = [protocol(thermostat, seed) for seed, thermostat in enumerate(THERMOSTATS)]
    if engine == "ase":
        return run_md(METALS, protocols, EMT(), Path(folder), chunk_frames=2)
    model, systems = lennard_jones()
    protocols = [one.model_copy(update={"temperature_k": 40.0, "time_step_fs": 4.0}) for one in protocols]
    return run_md(systems, protocols, model, Path(folder), engine=Engine.TORCH_SIM, chunk_frames=2)


if __name__ == "__main__":
    if "slow-writes" in sys.argv:
        flush = os.fsync
        os.fsync = lambda descriptor: (time.sleep(0.2), flush(descriptor))
    main(sys.argv[1], "torch-sim" if "torch-sim" in sys.argv else "ase")
