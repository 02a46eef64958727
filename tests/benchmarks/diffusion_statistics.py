"""How often the 95 % intervals of a diffusion analysis hold the truth: one JSON line per kind of motion.

Run ``python tests/benchmarks/diffusion_statistics.py [--walks N] [kind …]``. Each kind is simulated 400 times by
default with a known diffusivity, and analysed as a user would. ``coverage`` is that of the diffusivity; ``planar`` and
``tensor`` that of the planes and of the six components; ``haven`` that of the Haven ratio; ``spread`` is the standard
deviation of ln D in units of the claimed error (1 if the errors are right); ``bias`` is the mean of D over its truth.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "diffusion"))
from conftest import CELL_ANG, FRAME_FS, assemble, brownian, hopping, rattle, reversing
from disolyte.diffusion import analyse_displacements

TRUE_D = 3e-5
LAYERED = np.array([1.8, 1.05, 0.15])
ISOTROPIC = np.ones(3)


def free(rng, n_ions=20, n_frames=2000):
    return assemble(rng, brownian(rng, n_ions, n_frames, TRUE_D)), ISOTROPIC


def vibrating(rng, n_ions=20, n_frames=2000, amplitude=0.3, memory=5.0):
    mobile = brownian(rng, n_ions, n_frames, TRUE_D) + rattle(rng, (n_ions, 3, n_frames), amplitude, memory)
    return assemble(rng, mobile), ISOTROPIC


def returning(rng, n_ions=20, n_frames=2000, back=0.4, memory=10.0):
    return assemble(rng, hopping(rng, n_ions, n_frames, TRUE_D, back=back, memory=memory)), ISOTROPIC


def reversed_jumps(rng, n_ions=20, n_frames=2000, back=0.3, amplitude=0.2):
    mobile = reversing(rng, n_ions, n_frames, TRUE_D, back=back) + rattle(rng, (n_ions, 3, n_frames), amplitude)
    return assemble(rng, mobile), ISOTROPIC


def steady_jumps(rng, share, back, n_ions=20, n_frames=2000, length=3.0, amplitude=0.2):
    """A share of the ions jumps in every frame; jumps are undone with probability ``back``."""
    d = share * length**2 / (60 * FRAME_FS) * (1 - back) / (1 + back)
    mobile = reversing(rng, n_ions, n_frames, d, back=back, length=length)
    return assemble(rng, mobile + rattle(rng, mobile.shape, amplitude)), ISOTROPIC * d / TRUE_D


def jumping(rng, n_ions=20, n_frames=2000, length=3.0):
    mobile = hopping(rng, n_ions, n_frames, TRUE_D, length=length) + rattle(rng, (n_ions, 3, n_frames), 0.25)
    return assemble(rng, mobile), ISOTROPIC


def anisotropic(rng, n_ions=20, n_frames=2000):
    return assemble(rng, brownian(rng, n_ions, n_frames, TRUE_D, np.sqrt(LAYERED))), LAYERED


def channel(rng, n_ions=20, n_frames=2000):
    scale = np.array([3.0, 0.0, 0.0])
    mobile = brownian(rng, n_ions, n_frames, TRUE_D, np.sqrt(scale)) + rattle(rng, (n_ions, 3, n_frames), 0.2)
    return assemble(rng, mobile), scale


def drifting(rng, n_ions=20, n_frames=2000):
    return assemble(rng, brownian(rng, n_ions, n_frames, TRUE_D), drift=True), ISOTROPIC


KINDS = {
    "free": free,
    "vibrating": vibrating,
    "returning": returning,
    "reversed_jumps": reversed_jumps,
    "anisotropic": anisotropic,
    "drifting": drifting,
    "jumping": jumping,
    "channel": channel,
    "free_8_ions": lambda rng: free(rng, 8),
    "free_64_ions": lambda rng: free(rng, 64),
    "free_short": lambda rng: free(rng, 20, 300),
    "free_long": lambda rng: free(rng, 20, 10_000),
    "strong_rattle": lambda rng: vibrating(rng, amplitude=0.8, memory=20.0),
    "white_noise": lambda rng: vibrating(rng, amplitude=0.3, memory=0.05),
    "reversed_often": lambda rng: reversed_jumps(rng, back=0.6),
    "reversed_8_ions": lambda rng: reversed_jumps(rng, 8),
    "reversed_64_ions": lambda rng: reversed_jumps(rng, 64, 1000),
    "slow_returns": lambda rng: returning(rng, memory=60.0),
    "long_jumps": lambda rng: jumping(rng, length=5.0),
    "jumps_0.02_back_0.3": lambda rng: steady_jumps(rng, 0.02, 0.3),
    "jumps_0.05_back_0.5": lambda rng: steady_jumps(rng, 0.05, 0.5),
    "jumps_0.2_back_0.3": lambda rng: steady_jumps(rng, 0.2, 0.3),
    "jumps_0.2_back_0.7": lambda rng: steady_jumps(rng, 0.2, 0.7, n_ions=32, n_frames=1000),
    "small_jumps": lambda rng: steady_jumps(rng, 0.3, 0.4, length=1.0),
    "jumping_short": lambda rng: jumping(rng, n_frames=500),
}
"""The first six are the kinds that the intervals are promised for; the others probe the limits."""


def examine(kind, n_walks):
    """Simulate and analyse one kind of motion."""
    rng = np.random.default_rng(2026)
    hits, scores, ratios, verdicts, seconds = [], [], [], Counter(), 0.0
    for _ in range(n_walks):
        (displacements, species), scale = KINDS[kind](rng)
        started = time.perf_counter()
        r = analyse_displacements(
            displacements, species, CELL_ANG, mobile="Li", charge=1, frame_interval_fs=FRAME_FS, temperature_k=600.0
        )
        seconds += time.perf_counter() - started
        verdicts[r.verdict.value] += 1
        true_d = TRUE_D * scale.mean()
        low, high = r.diffusivity_ci95_cm2_per_s
        haven_low, haven_high = r.haven_ratio_ci95
        tensor_error = np.abs(r.diffusivity_tensor_cm2_per_s - TRUE_D * np.diag(scale))
        plane = TRUE_D * (scale[0] + scale[1]) / 2
        planar_error = abs(r.planar_diffusivities_cm2_per_s["ab"] - plane)
        hits.append(
            [
                low <= true_d <= high,
                planar_error <= 1.96 * r.planar_diffusivity_stds_cm2_per_s["ab"],
                np.mean((tensor_error <= 1.96 * r.diffusivity_tensor_std_cm2_per_s)[np.triu_indices(3)]),
                haven_low <= 1 <= haven_high,
            ]
        )
        ratio = r.slope_diffusivity_cm2_per_s / true_d
        ratios.append(ratio)
        scores.append(np.log(max(ratio, 1e-3)) / r.diffusivity_relative_error)
    coverage, planar, tensor, haven = np.mean(hits, axis=0)
    return {
        "kind": kind,
        "n_walks": n_walks,
        "coverage": coverage,
        "planar": planar,
        "tensor": tensor,
        "haven": haven,
        "bias": np.mean(ratios),
        "spread_of_d": np.std(ratios),
        "spread": np.std(scores),
        "verdicts": dict(verdicts),
        "ms_per_call": 1e3 * seconds / n_walks,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(KINDS))
    parser.add_argument("--walks", type=int, default=400)
    arguments = parser.parse_args()
    for kind in arguments.kinds or KINDS:
        line = examine(kind, arguments.walks)
        print(json.dumps({k: round(float(v), 4) if isinstance(v, float) else v for k, v in line.items()}), flush=True)


if __name__ == "__main__":
    main()
