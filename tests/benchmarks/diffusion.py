"""Speed and memory of the diffusion analysis beside pymatgen-analysis-diffusion: one JSON line per case.

Run ``python tests/benchmarks/diffusion.py [case …]``; ``pip install "disolyte[benchmark]"`` brings the peer. Every case
runs in a process of its own on a memory-mapped file of unwrapped displacements (160 atoms, 48 of them mobile).
``seconds`` is the wall time of the analysis without Python's imports, ``above_input_mb`` the largest resident set less
the mapped file and less what was resident before the analysis.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

N_ATOMS, N_MOBILE = 160, 48
FRAME_FS = 10.0
TRUE_D = 2e-5
LATTICE_ANG = np.diag([12.9, 22.2, 12.8])
SPECIES = ["Li"] * N_MOBILE + ["In"] * 16 + ["Cl"] * (N_ATOMS - N_MOBILE - 16)
CHUNK = 5000


def write_walks(path, n_frames):
    """Brownian ions in a rattling framework, float32, in pieces."""
    rng = np.random.default_rng(0)
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_frames, N_ATOMS, 3))
    step = np.sqrt(2 * TRUE_D * 10 * FRAME_FS)
    centre = np.zeros((N_MOBILE, 3))
    for start in range(0, n_frames, CHUNK):
        n = min(CHUNK, n_frames - start)
        rows = rng.normal(scale=0.15, size=(n, N_ATOMS, 3)).astype(np.float32)
        walk = centre + np.cumsum(rng.normal(scale=step, size=(n, N_MOBILE, 3)), axis=0)
        rows[:, :N_MOBILE] += walk
        centre = walk[-1]
        out[start : start + n] = rows
    out -= out[0].copy()
    out.flush()


def ours(path):
    """Tracer and collective diffusivity with errors, tensor, verdict; then the density."""
    from disolyte.diffusion import analyse_displacements, probability_density

    displacements = np.load(path, mmap_mode="r")
    resident = resident_mb()
    started = time.perf_counter()
    result = analyse_displacements(
        displacements,
        SPECIES,
        LATTICE_ANG,
        mobile="Li",
        charge=1,
        frame_interval_fs=FRAME_FS,
        temperature_k=800.0,
    )
    analysed = time.perf_counter() - started
    density = probability_density(displacements, SPECIES, LATTICE_ANG, mobile="Li")
    seconds = time.perf_counter() - started
    assert abs(density.n_mobile - N_MOBILE) < 1e-6
    low, high = result.diffusivity_ci95_cm2_per_s
    return {
        "seconds": seconds,
        "analysis_seconds": analysed,
        "density_seconds": seconds - analysed,
        "d_over_truth": result.diffusivity_cm2_per_s / TRUE_D,
        "ci95_over_truth": [low / TRUE_D, high / TRUE_D],
        "haven_ratio": result.haven_ratio,
        "verdict": result.verdict.value,
        "above_input_mb": peak_mb() - resident - displacements.nbytes / 2**20,
    }


def peer(path):
    """DiffusionAnalyzer alone, with its own smoothing of the MSD, on the same displacements."""
    from pymatgen.analysis.diffusion.analyzer import DiffusionAnalyzer
    from pymatgen.core import Lattice, Structure

    displacements = np.load(path, mmap_mode="r")
    coords = np.random.default_rng(1).random((N_ATOMS, 3))
    structure = Structure(Lattice(LATTICE_ANG), SPECIES, coords, validate_proximity=False)
    resident = resident_mb()
    started = time.perf_counter()
    analyzer = DiffusionAnalyzer(
        structure,
        np.asarray(displacements, dtype=np.float64).transpose(1, 0, 2),
        "Li",
        800.0,
        FRAME_FS,
        1,
        smoothed="max",
    )
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "d_over_truth": analyzer.diffusivity / TRUE_D,
        "relative_error_claimed": analyzer.diffusivity_std_dev / analyzer.diffusivity,
        "above_input_mb": peak_mb() - resident - displacements.nbytes / 2**20,
    }


def resident_mb():
    """Resident set now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_mb():
    """Largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


CASES = {
    "disolyte_50000_frames": (ours, 50_000, {"target_above_input_mb": 300}),
    "pymatgen_50000_frames": (peer, 50_000, {}),
    "disolyte_500000_frames": (ours, 500_000, {"target_above_input_mb": 300}),
}


def run_here(name, path):
    """Run one case in this process and print its line."""
    warnings.simplefilter("ignore")
    case, _, targets = CASES[name]
    result = case(path)
    print(json.dumps({"case": name, **{k: _rounded(v) for k, v in result.items()}, **targets}))


def _rounded(value):
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main(names):
    """Write each input once, then run each case in a process of its own."""
    wanted = names or list(CASES)
    with tempfile.TemporaryDirectory(prefix="diffusion-benchmark-") as folder:
        for n_frames in sorted({CASES[name][1] for name in wanted}):
            path = Path(folder) / "displacements.npy"
            write_walks(path, n_frames)
            for name in (name for name in wanted if CASES[name][1] == n_frames):
                command = [sys.executable, __file__, "--here", name, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
                failed = json.dumps({"case": name, "failed": (done.stderr.strip().splitlines() or ["?"])[-1]})
                print(done.stdout.strip().splitlines()[-1] if done.returncode == 0 else failed, flush=True)
            path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--here"]:
        run_here(sys.argv[2], sys.argv[3])
    else:
        main(sys.argv[1:])
