"""How fast molecular dynamics runs with one model and with another, side by side."""

from __future__ import annotations

import copy
import platform
import time
from collections.abc import Sequence
from math import ceil, inf

import numpy as np
from ase import Atoms, units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from pydantic import ConfigDict, Field

from disolyte.finetuning.distillation.schema import SpeedComparison
from disolyte.models.acceleration import accelerate
from disolyte.models.loaded import LoadedModel
from disolyte.records import Record


class SpeedTest(Record):
    """How the speed of molecular dynamics is measured: NVE on ASE, the models in turn, the fastest round counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_steps: int = Field(default=20, ge=1, description="Steps of one round.")
    n_rounds: int = Field(default=3, ge=1, description="Rounds of each model; other work on the machine slows some.")
    min_atoms: int = Field(default=150, ge=1, description="A frame is repeated until it has this many atoms.")
    temperature_k: float = Field(default=300.0, gt=0, description="Temperature of the first velocities.")
    time_step_fs: float = Field(default=1.0, gt=0, le=10.0, description="Time step.")
    dtype: str = Field(default="float32", pattern="^float(32|64)$", description="Precision.")


def repeat_to_size(atoms: Atoms, min_atoms: int) -> Atoms:
    """Supercell of at least ``min_atoms`` atoms, the shortest vector repeated first.

    Examples
    --------
    >>> len(repeat_to_size(Atoms("NaCl", [(0, 0, 0), (2, 0, 0)], cell=[4, 5, 6], pbc=True), 13))
    16
    """
    repeats = np.ones(3, dtype=int)
    lengths = atoms.cell.lengths()
    while len(atoms) * int(repeats.prod()) < min_atoms and bool(atoms.pbc.all()):
        repeats[np.argmin(lengths * repeats)] += 1
    return atoms.repeat(tuple(int(n) for n in repeats))


def compare_speed(
    teacher: LoadedModel, student: LoadedModel, frame: Atoms, test: SpeedTest, *, seed: int
) -> SpeedComparison:
    """Measure MD with both models on a supercell of ``frame``.

    Parameters
    ----------
    teacher, student
        The models, on one device.
    frame
        Structure to run.
    test
        Number of steps and atoms.
    seed
        Seed of the velocities.
    """
    import torch

    bare = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
    cell = repeat_to_size(bare, test.min_atoms)
    models = [in_precision(model, test.dtype) for model in (teacher, student)]
    its_teacher, its_own = measure_steps_per_s(models, cell, test, seed=seed)
    on_gpu = student.device.startswith("cuda")
    return SpeedComparison(
        teacher_steps_per_s=its_teacher,
        student_steps_per_s=its_own,
        formula=cell.get_chemical_formula(),
        n_atoms=len(cell),
        device=student.device,
        dtype=test.dtype,
        n_threads=torch.get_num_threads(),
        machine=torch.cuda.get_device_name(student.device) if on_gpu else platform.processor() or platform.machine(),
    )


def in_precision(model: LoadedModel, dtype: str) -> LoadedModel:
    """The model in the precision of MD, which need not be that of training; a copy if it is another."""
    if model.dtype == dtype:
        return model
    module = copy.deepcopy(model.module)
    return LoadedModel(module, name=model.name, sha256=model.sha256, device=model.device, dtype=dtype)


def measure_steps_per_s(models: Sequence[LoadedModel], atoms: Atoms, test: SpeedTest, *, seed: int = 0) -> list[float]:
    """MD steps per second of each model on ``atoms``, in one process and one after the other in each round.

    Parameters
    ----------
    models
        Models to compare.
    atoms
        The cell.
    test
        Number of steps and rounds.
    seed
        Seed of the velocities.
    """
    fast = [accelerate(model, atoms) for model in models]
    shortest = [inf] * len(models)
    for number in range(test.n_rounds + 1):
        n_steps = ceil(test.n_steps / 4) if number == 0 else test.n_steps
        for index, model in enumerate(fast):
            seconds = _run(model, atoms, test, n_steps, seed)
            if number > 0:  # the first round warms up
                shortest[index] = min(shortest[index], seconds / n_steps)
    return [1.0 / seconds for seconds in shortest]


def _run(model: LoadedModel, atoms: Atoms, test: SpeedTest, n_steps: int, seed: int) -> float:
    """Seconds that ``n_steps`` take."""
    system = atoms.copy()
    system.calc = model.calculator()
    MaxwellBoltzmannDistribution(system, temperature_K=test.temperature_k, rng=np.random.default_rng(seed))
    dynamics = VelocityVerlet(system, timestep=test.time_step_fs * units.fs)
    system.get_forces()
    started = time.perf_counter()
    dynamics.run(n_steps)
    return time.perf_counter() - started
