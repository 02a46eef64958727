"""Speed and memory of the sampling: one JSON line.

Run ``python tests/benchmarks/sampling.py [case …]``; without arguments all cases run, for a quarter of an hour on two
cores.

``speed``
    Cell-steps per second of :func:`disolyte.dynamics.run_md` for 32 lithium-halide cells of 20 atoms at once, and of
    atomate2's ``ForceFieldMDMaker`` called cell by cell: same cells, model, precision, thermostat, number of steps and
    threads. Loading the model counts on both sides; ours loads it once, atomate2's Maker once a cell, which is how it
    is called. ``marginal_speedup`` leaves all that is not steps out on both sides.
``memory``
    Largest resident set of a run of 1,000 steps and of one of 10,000.
``gpu``
    The same as ``speed`` with 256 cells and an untrained 128x0e+128x1o model on an NVIDIA GPU; atomate2's Maker runs
    4 of the cells. Skipped where there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

N_CELLS, N_STEPS, N_WARM_STEPS = 32, 200, 20
MEMORY_CELLS, SHORT, LONG = 4, 1_000, 10_000
GPU_CELLS, GPU_BASELINE_CELLS = 256, 4
TEMPERATURE_K, TIME_STEP_FS, FRICTION_FS, RECORD_EVERY = 800.0, 1.0, 100.0, 10


def halides(n):
    """Ground-state orderings of several compositions, 20 atoms each, off their sites."""
    from ase import Atoms

    from disolyte.enumeration import OrderingSpace
    from disolyte.systems import disordered_structure, get_system

    system = get_system("liybc").restricted_to(["Li3InCl6", "Li3InBr6", "Li3YBr6", "Li3In0.5Y0.5Br3Cl3"])
    cells = []
    for point in system.points():
        space = OrderingSpace.from_structure(
            disordered_structure(system, point), (1, 1, 1), oxidation_states=system.oxidation_states
        )
        for occupation in space.lowest_energy(8).occupations:
            structure = space.to_structure(occupation)
            symbols = [site.specie.element.symbol for site in structure]
            cells.append(Atoms(symbols, structure.cart_coords, cell=structure.lattice.matrix, pbc=True))
    cells = [cells[i % len(cells)].copy() for i in range(n)]
    for seed, atoms in enumerate(cells):
        atoms.rattle(0.03, seed=seed)
    return cells


def seconds_batched(cells, source, n_steps, device):
    """Wall time of all cells at once, from loading the model to the trajectories on disk."""
    from disolyte.dynamics import Engine, MDProtocol, Thermostat, run_md
    from disolyte.models import load_model, loading

    protocols = [
        MDProtocol(
            temperature_k=TEMPERATURE_K, n_steps=n_steps, time_step_fs=TIME_STEP_FS, thermostat=Thermostat.LANGEVIN,
            thermostat_time_fs=FRICTION_FS, record_every=RECORD_EVERY, seed=seed,
        )
        for seed in range(len(cells))
    ]  # fmt: skip
    loading._built.clear()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        model = load_model(source, device=device)
        runs = run_md(cells, protocols, model, Path(folder), engine=Engine.TORCH_SIM, max_batch_atoms=10_000)
        seconds = time.perf_counter() - started
        assert all(run.verdict.completed and run.last.end.step == n_steps for run in runs)
    return seconds


def seconds_one_by_one(cells, model_path, n_steps, device):
    """Wall time of atomate2's Maker, cell by cell."""
    from atomate2.forcefields.md import ForceFieldMDMaker
    from pymatgen.io.ase import AseAtomsAdaptor

    maker = ForceFieldMDMaker(
        force_field_name="MACE",
        n_steps=n_steps,
        time_step=TIME_STEP_FS,
        temperature=TEMPERATURE_K,
        traj_interval=RECORD_EVERY,
        mb_velocity_seed=1,
        calculator_kwargs={"model": str(model_path), "default_dtype": "float32", "device": device},
    )
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in cells]
    started = time.perf_counter()
    for structure in structures:
        ForceFieldMDMaker.make.original(maker, structure)
    return time.perf_counter() - started


def compare(cells, baseline_cells, source, model_path, device, n_steps):
    """Cell-steps per second of both, each warmed up, and their ratio."""
    seconds_batched(cells, source, N_WARM_STEPS, device)
    ours = {n: seconds_batched(cells, source, n, device) for n in (n_steps // 4, n_steps)}
    seconds_one_by_one(baseline_cells[:1], model_path, N_WARM_STEPS, device)
    theirs = {n: seconds_one_by_one(baseline_cells, model_path, n, device) for n in (n_steps // 4, n_steps)}
    rate, their_rate = len(cells) * n_steps / ours[n_steps], len(baseline_cells) * n_steps / theirs[n_steps]
    steps = n_steps - n_steps // 4
    marginal = len(cells) * steps / (ours[n_steps] - ours[n_steps // 4])
    their_marginal = len(baseline_cells) * steps / (theirs[n_steps] - theirs[n_steps // 4])
    return {
        "n_cells": len(cells),
        "n_atoms": int(np.mean([len(atoms) for atoms in cells])),
        "n_steps": n_steps,
        "cell_steps_per_s": round(rate, 1),
        "atomate2_cell_steps_per_s": round(their_rate, 1),
        "speedup": round(rate / their_rate, 2),
        "marginal_speedup": round(marginal / their_marginal, 2),
        "target_speedup": 5.0,
    }


def speed():
    """32 cells, the shipped model, the machine's cores."""
    import torch

    from disolyte.models import SHIPPED, ModelSource, load_model

    source = ModelSource(name=SHIPPED)
    cells = halides(N_CELLS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shipped.model"
        torch.save(load_model(source).module, path)
        result = compare(cells, cells, source, path, "cpu", N_STEPS)
    return {"threads": torch.get_num_threads(), **result}


def memory():
    """Growth of the largest resident set from 1,000 steps to 10,000."""
    peaks = []
    for n_steps in (SHORT, LONG):
        # In processes of their own: a model that is loaded a second time would count, too.
        command = [sys.executable, __file__, "--run", str(n_steps)]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        peaks.append(float(done.stdout))
    return {
        "n_cells": MEMORY_CELLS,
        "peak_mb_after_1000_steps": round(peaks[0]),
        "peak_mb_after_10000_steps": round(peaks[1]),
        "growth_mb": round(peaks[1] - peaks[0], 1),
        "target_growth_mb": 50,
    }


def peak_of_run(n_steps):
    """Largest resident set of a run, MB."""
    from disolyte.models import SHIPPED, ModelSource

    seconds_batched(halides(MEMORY_CELLS), ModelSource(name=SHIPPED), n_steps, "cpu")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def wide_model(path):
    """Untrained 128x0e+128x1o MACE with the cutoff of MACE-MP-0, its forces scaled down so that MD is stable."""
    import torch
    from e3nn import o3
    from mace import modules

    torch.manual_seed(0)
    numbers = [3, 17, 35, 39, 49]
    model = modules.ScaleShiftMACE(
        r_max=6.0, num_bessel=10, num_polynomial_cutoff=5, max_ell=3, num_interactions=2, num_elements=len(numbers),
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        hidden_irreps=o3.Irreps("128x0e+128x1o"), MLP_irreps=o3.Irreps("16x0e"), atomic_energies=np.zeros(5),
        avg_num_neighbors=60.0, atomic_numbers=numbers, correlation=3, gate=torch.nn.functional.silu,
        atomic_inter_scale=1e-3, atomic_inter_shift=0.0,
    )  # fmt: skip
    torch.save(model.eval(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def gpu():
    """256 cells and a 128x0e+128x1o model, where there is a GPU."""
    import torch

    from disolyte.models import ModelSource

    if not torch.cuda.is_available():
        return {"skipped": "no CUDA device"}
    cells = halides(GPU_CELLS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.model"
        source = ModelSource(path=str(path), sha256=wide_model(path))
        result = compare(cells, cells[:GPU_BASELINE_CELLS], source, path, "cuda", N_STEPS)
    return {"device": torch.cuda.get_device_name(), **result}


CASES = {"speed": speed, "memory": memory, "gpu": gpu}


def main(names):
    """Run the cases with all chatter held back, and print one line."""
    import torch

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    if names[:1] == ["--run"]:
        with contextlib.redirect_stdout(io.StringIO()):
            peak = peak_of_run(int(names[1]))
        print(peak)
        return
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        results = {name: CASES[name]() for name in names or CASES}
    print(json.dumps({"benchmark": "sampling", "cores": os.cpu_count(), **results}))


if __name__ == "__main__":
    main(sys.argv[1:])
