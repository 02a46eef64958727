"""Runs that go on until the diffusivity is known well enough.

A run is made in segments. Each goes on from the positions in which the one before it ended, with new velocities from
the same temperature, so that the trajectory is unbroken and any segment can be taken up again after a kill. After every
segment the runs of a temperature are analysed together, and stop once they meet the target.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.diffusion.schedule import ErrorTarget
from disolyte.dynamics import MDProtocol, MDRun


@dataclass(frozen=True)
class LengthenedRun:
    """Segments of one run, in order."""

    segments: tuple[MDRun, ...]

    @property
    def last(self) -> MDRun:
        """The last segment, whose verdict is that of the run."""
        return self.segments[-1]

    @property
    def times_fs(self) -> NDArray[np.float64]:
        """Time of each frame since the start of the first segment."""
        parts, offset = [], 0.0
        for k, segment in enumerate(self.segments):
            times = segment.times_fs
            parts.append(times[min(k, 1) :] + offset)
            offset += float(times[-1]) if len(times) else 0.0
        return np.concatenate(parts)

    def joined(self, read: Callable[[MDRun], NDArray[np.floating]]) -> NDArray[np.floating]:
        """What ``read`` gives of each segment, one after the other, without the frame that two segments share."""
        return np.concatenate([read(segment)[min(k, 1) :] for k, segment in enumerate(self.segments)])


def run_to_target(
    atoms: Atoms,
    protocols: Sequence[MDProtocol],
    target: ErrorTarget | None,
    advance: Callable[[int, list[Atoms], list[MDProtocol]], list[MDRun]],
    is_met: Callable[[list[LengthenedRun]], bool],
) -> list[LengthenedRun]:
    """Run all protocols segment by segment until each temperature meets its target.

    Parameters
    ----------
    atoms
        First structure of every run.
    protocols
        Protocols of the length by the schedule's rule; those of one temperature are analysed together.
    target
        When to stop; None makes every run in one piece.
    advance
        Runs the given systems: number of the segment, systems, protocols; trajectories in their order.
    is_met
        Whether the runs of one temperature are good enough, or can no longer become so.

    Returns
    -------
    list of LengthenedRun
        In the order of ``protocols``.
    """
    if target is None:
        return [LengthenedRun((run,)) for run in advance(0, [atoms] * len(protocols), list(protocols))]
    segments: list[list[MDRun]] = [[] for _ in protocols]
    open_runs = list(range(len(protocols)))
    for number in range(target.max_segments):
        systems = [_system(atoms, segments[k]) for k in open_runs]
        pieces = [_segment(protocols[k], target, number) for k in open_runs]
        for k, run in zip(open_runs, advance(number, systems, pieces), strict=True):
            segments[k].append(run)
        for temperature in sorted({protocols[k].temperature_k for k in open_runs}):
            alike = [k for k in open_runs if protocols[k].temperature_k == temperature]
            if is_met([LengthenedRun(tuple(segments[k])) for k in alike]):
                open_runs = [k for k in open_runs if k not in alike]
        # A run that broke is not gone on with.
        open_runs = [k for k in open_runs if segments[k][-1].verdict.completed]
        if not open_runs:
            break
    return [LengthenedRun(tuple(one)) for one in segments]


def _system(atoms: Atoms, segments: list[MDRun]) -> Atoms:
    if not segments or segments[-1].last is None:
        return atoms
    moved: Atoms = atoms.copy()
    moved.set_positions(segments[-1].last.end.positions_ang)
    return moved


def _segment(protocol: MDProtocol, target: ErrorTarget, number: int) -> MDProtocol:
    """Protocol of one segment; the first keeps the run's seed."""
    steps = max(protocol.record_every, round(protocol.n_steps * target.segment_share))
    steps -= steps % protocol.record_every
    digest = hashlib.sha256(f"{protocol.seed}:{number}".encode()).digest()
    seed = protocol.seed if number == 0 else int.from_bytes(digest[:4])
    return protocol.model_copy(update={"n_steps": steps, "seed": seed})
