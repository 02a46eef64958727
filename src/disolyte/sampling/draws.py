"""Draw the frames of all runs of a batch, and record how each run went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.dynamics import MDProtocol, MDRun
from disolyte.errors import DynamicsError, InputError
from disolyte.sampling.frames import FrameChoice, choose_frames, production_frames
from disolyte.sampling.schema import RunRecord


def count_available(protocol: MDProtocol, choice: FrameChoice) -> int:
    """Frames that a completed run has after what is thrown away.

    Raises
    ------
    InputError
        If these are fewer than are asked for.
    """
    steps = np.arange(protocol.n_frames) * protocol.record_every
    available = len(production_frames(steps, protocol.time_step_fs, choice.discard_ps))
    if available < choice.n_frames:
        length_ps = protocol.n_steps * protocol.time_step_fs / 1000
        raise InputError(
            f"{choice.n_frames} frames are asked for, but a run of {length_ps:g} ps records {available} after "
            f"the first {choice.discard_ps:g} ps: raise protocol.n_steps, or lower protocol.record_every, "
            "frames.discard_ps or frames.n_frames"
        )
    return available


def check_completed(systems: Sequence[Atoms], runs: Sequence[MDRun], min_fraction: float) -> None:
    """Refuse a batch of which too many runs were given up.

    Raises
    ------
    DynamicsError
        Naming each of these runs with its reason.
    """
    failed = [
        f"{atoms.info['family']}: {run.verdict.reason} at step {run.verdict.step} ({run.verdict.message})"
        for atoms, run in zip(systems, runs, strict=True)
        if not run.verdict.completed
    ]
    if len(runs) - len(failed) < min_fraction * len(runs):
        raise DynamicsError(
            f"{len(failed)} of {len(runs)} runs were given up, at least {min_fraction:.0%} must "
            f"complete: {'; '.join(failed)}. Use a better model, a lower temperature or a shorter time step"
        )


def draw_frames(
    atoms: Atoms,
    run: MDRun,
    choice: FrameChoice,
    describe: Callable[[list[Atoms]], NDArray[np.float64]] | None = None,
) -> tuple[list[Atoms], RunRecord]:
    """Frames of one run, none if it was given up, and its record.

    Parameters
    ----------
    atoms
        First structure, with ``family`` and ``composition`` in its ``info``.
    run
        Its run.
    choice
        Which frames are taken.
    describe
        Descriptors of frames, for farthest-point selection.
    """
    generator = np.random.default_rng([run.protocol.seed, 1])
    chosen = choose_frames(run, choice, generator, describe) if run.verdict.completed else None
    production = production_frames(run.steps, run.protocol.time_step_fs, choice.discard_ps)
    frames = [] if chosen is None else chosen.atoms
    for frame in frames:
        frame.info |= {key: atoms.info[key] for key in ("family", "composition")}
    return frames, RunRecord(
        family=atoms.info["family"],
        composition=atoms.info["composition"],
        n_atoms=len(atoms),
        seed=run.protocol.seed,
        verdict=run.verdict,
        engine=run.engine,
        wall_s=run.wall_s,
        mean_temperature_k=float(run.temperatures_k[production].mean()) if len(production) else None,
        n_recorded=run.n_frames,
        n_chosen=len(frames),
        n_duplicates=0 if chosen is None else chosen.n_duplicates,
        n_unphysical=0 if chosen is None else chosen.n_unphysical,
    )
