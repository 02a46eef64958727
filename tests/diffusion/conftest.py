"""Random walks whose diffusivity is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.signal import lfilter

FRAME_FS = 20.0
CELL_ANG = 20.0 * np.eye(3)
N_FRAMEWORK = 30


def rattle(rng, shape, amplitude, memory=5.0):
    """Ornstein-Uhlenbeck noise in equilibrium along the last axis."""
    decay = np.exp(-1 / memory)
    kicks = rng.normal(size=shape) * amplitude * np.sqrt(1 - decay**2)
    kicks[..., 0] = rng.normal(size=shape[:-1]) * amplitude
    return lfilter([1], [1, -decay], kicks, axis=-1)


def brownian(rng, n_ions, n_frames, d_cm2_per_s, scale=(1.0, 1.0, 1.0)):
    """Brownian motion; ``scale`` multiplies the steps along x, y, z."""
    step = np.sqrt(2 * d_cm2_per_s * 10 * FRAME_FS)
    return step * rng.normal(size=(n_ions, 3, n_frames)).cumsum(-1) * np.array(scale)[None, :, None]


def hopping(rng, n_ions, n_frames, d_cm2_per_s, back=0.0, memory=20.0, length=3.0):
    """Jumps of a cubic lattice; a share ``back`` of them is undone after about ``memory`` frames."""
    rate = d_cm2_per_s * 10 * FRAME_FS * 6 / length**2 / (1 - back)
    jumps = np.zeros((n_ions, 3, n_frames))
    for ion in jumps:
        n = rng.poisson(rate * n_frames)
        when, axis, step = rng.integers(0, n_frames, n), rng.integers(0, 3, n), rng.choice([-length, length], n)
        np.add.at(ion, (axis, when), step)
        returns = when + 1 + rng.exponential(memory, n).astype(int)
        undone = (rng.random(n) < back) & (returns < n_frames)
        np.add.at(ion, (axis[undone], returns[undone]), -step[undone])
    return jumps.cumsum(-1)


def reversing(rng, n_ions, n_frames, d_cm2_per_s, back=0.3, length=3.0):
    """Jumps of a cubic lattice, each undoing the one before with probability ``back``: f = (1 - back) / (1 + back)."""
    rate = d_cm2_per_s * 10 * FRAME_FS * 6 / length**2 * (1 + back) / (1 - back)
    directions = np.concatenate([np.eye(3), -np.eye(3)]) * length
    last = directions[rng.integers(0, 6, n_ions)]
    steps = np.zeros((n_frames, n_ions, 3))
    jumps = rng.random((n_frames, n_ions)) < rate
    returns = rng.random((n_frames, n_ions)) < back
    anew = directions[rng.integers(0, 6, (n_frames, n_ions))]
    for frame in np.flatnonzero(jumps.any(axis=1)):
        who = jumps[frame]
        last[who] = np.where(returns[frame, who, None], -last[who], anew[frame, who])
        steps[frame, who] = last[who]
    return steps.cumsum(0).transpose(1, 2, 0)


def assemble(rng, mobile, drift=False, framework_amplitude=0.15):
    """Displacements (n_frames, n_atoms, 3) of mobile ions in a rattling framework, and the species."""
    n_ions, _, n_frames = mobile.shape
    framework = rattle(rng, (N_FRAMEWORK, 3, n_frames), framework_amplitude)
    displacements = np.concatenate([mobile, framework]).transpose(2, 0, 1)
    if drift:
        wander = np.cumsum(0.05 * rng.normal(size=(n_frames, 3)), axis=0)
        displacements = displacements + (wander + np.linspace(0, 9, n_frames)[:, None])[:, None]
    species = ["Li"] * n_ions + ["Cl"] * (N_FRAMEWORK // 2) + ["In"] * (N_FRAMEWORK - N_FRAMEWORK // 2)
    return displacements - displacements[0], species


@dataclass(frozen=True)
class Walks:
    brownian: Callable
    hopping: Callable
    reversing: Callable
    rattle: Callable
    assemble: Callable
    frame_fs: float = FRAME_FS


@pytest.fixture(scope="session")
def walks():
    return Walks(brownian, hopping, reversing, rattle, assemble)


@pytest.fixture(scope="session")
def analyse():
    from disolyte.diffusion import analyse_displacements

    def run(displacements, species, **changes):
        arguments = {
            "lattice_ang": CELL_ANG,
            "mobile": "Li",
            "charge": 1,
            "frame_interval_fs": FRAME_FS,
            "temperature_k": 600.0,
            "seed": 0,
        } | changes
        lattice = arguments.pop("lattice_ang")
        return analyse_displacements(displacements, species, lattice, **arguments)

    return run
