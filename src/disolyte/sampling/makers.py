"""Jobs of the sampling: MD of a bounded batch of structures, and its fan-out over a selection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from jobflow import Flow, Job, Maker, Response, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import Engine, MDProtocol, MDRun, Thermostat, Watchdog, run_md
from disolyte.errors import DynamicsError, InputError
from disolyte.models import ModelSource, load_model
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.sampling.frames import FrameChoice, choose_frames, production_frames
from disolyte.sampling.schema import FrameBatch, RunRecord, SampleDoc
from disolyte.sampling.systems import as_systems, derive_seed
from disolyte.thermodynamics.schema import SelectedStructure, SelectionDoc
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

TRAJECTORIES = "md"
"""Folder of the trajectories inside the job's folder."""


def _published_protocol() -> MDProtocol:
    return MDProtocol(
        temperature_k=800.0, time_step_fs=1.0, n_steps=15_000, thermostat=Thermostat.BUSSI, record_every=50, seed=0
    )


@dataclass
class MaceMDSamplerMaker(Maker):
    """Frames from NVT molecular dynamics of a batch of structures with MACE, strained at random.

    The defaults are the published protocol: 800 K, 15 ps in steps of 1 fs, the first 5 ps thrown away, 30 frames at
    random from each run, a random strain within ±3 % on each. The paper names no thermostat here; Bussi's samples the
    canonical ensemble.

    Parameters
    ----------
    name
        Name of the job.
    foundation
        Model used where none is handed to :meth:`make`.
    protocol
        Temperature, length and thermostat. Each run's seed is made from its seed and the structure's family.
    frames
        Which frames are taken, and how far they are strained.
    watchdog
        Limits beyond which a run is given up.
    engine
        What integrates.
    device
        torch device.
    dtype
        Precision, "float32" or "float64".
    min_completed_fraction
        Runs that must come to their end; the job fails below.
    """

    name: str = "sample with MACE MD"
    foundation: ModelSource = field(default_factory=ModelSource)
    protocol: MDProtocol = field(default_factory=_published_protocol)
    frames: FrameChoice = field(default_factory=FrameChoice)
    watchdog: Watchdog = field(default_factory=Watchdog)
    engine: Engine = Engine.AUTO
    device: str = "cpu"
    dtype: str = "float32"
    min_completed_fraction: float = 0.5
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(
        self,
        entries: list[SelectedStructure] | list[Structure] | Structure,
        model: ModelDoc | None = None,
        prev_dir: str | Path | None = None,
    ) -> SampleDoc:
        """Run all structures at once and draw frames.

        Parameters
        ----------
        entries
            Structures drawn by :class:`~disolyte.thermodynamics.makers.HullSelectionMaker`, or bare ones.
        model
            Model to use instead of ``foundation``.
        prev_dir
            Folder of a killed job with the same input, whose trajectories are gone on with.

        Raises
        ------
        InputError
            If there are no structures, or nothing would be left of a run.
        StructureError
            If a structure is disordered.
        ModelCoverageError
            If the model was not made for an element.
        DynamicsError
            If too few runs come to their end.
        """
        systems = as_systems(entries)
        self._check_length()
        loaded = load_model(self.foundation if model is None else model, device=self.device, dtype=self.dtype)
        protocols = [
            self.protocol.model_copy(update={"seed": derive_seed(self.protocol.seed, atoms.info["family"])})
            for atoms in systems
        ]
        folder = take_over(prev_dir, TRAJECTORIES)
        runs = run_md(systems, protocols, loaded, folder, engine=self.engine, watchdog=self.watchdog)
        self._check_completed(systems, runs)
        taken, records = [], []
        for atoms, run in zip(systems, runs, strict=True):
            frames, record = _draw(atoms, run, self.frames)
            taken += frames
            records.append(record)
        return SampleDoc(
            **describe_job([] if model is None else [model], seed=self.protocol.seed, caveats=loaded.caveats),
            frames=FrameBatch.from_atoms(taken),
            runs=records,
            protocol=self.protocol,
            model=ModelIdentity(name=loaded.name, sha256=loaded.sha256),
        )

    def _check_length(self) -> None:
        protocol = self.protocol
        length_ps = protocol.n_steps * protocol.time_step_fs / 1000
        steps = np.arange(protocol.n_frames) * protocol.record_every
        available = len(production_frames(steps, protocol.time_step_fs, self.frames.discard_ps))
        if available < self.frames.n_frames:
            raise InputError(
                f"{self.frames.n_frames} frames are asked for, but a run of {length_ps:g} ps records {available} after "
                f"the first {self.frames.discard_ps:g} ps: raise protocol.n_steps, or lower protocol.record_every, "
                "frames.discard_ps or frames.n_frames"
            )

    def _check_completed(self, systems: Sequence[Atoms], runs: Sequence[MDRun]) -> None:
        failed = [
            f"{atoms.info['family']}: {run.verdict.reason} at step {run.verdict.step} ({run.verdict.message})"
            for atoms, run in zip(systems, runs, strict=True)
            if not run.verdict.completed
        ]
        if len(runs) - len(failed) < self.min_completed_fraction * len(runs):
            raise DynamicsError(
                f"{len(failed)} of {len(runs)} runs were given up, at least {self.min_completed_fraction:.0%} must "
                f"complete: {'; '.join(failed)}. Use a better model, a lower temperature or a shorter time step"
            )


@dataclass
class SampleJoinMaker(Maker):
    """One sample of the frames of several batches.

    Parameters
    ----------
    name
        Name of the job.
    """

    name: str = "join samples"
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(self, samples: list[SampleDoc]) -> SampleDoc:
        """Join batches that share protocol and model.

        Parameters
        ----------
        samples
            Batches, at least one.

        Raises
        ------
        InputError
            If there are none, or they differ in protocol or model.
        """
        if not samples or any((s.protocol, s.model) != (samples[0].protocol, samples[0].model) for s in samples):
            raise InputError(
                f"{len(samples)} samples cannot be joined: they must be at least one, of one protocol and one model"
            )
        return SampleDoc(
            **describe_job(samples, seed=samples[0].protocol.seed),
            frames=FrameBatch.concatenate([sample.frames for sample in samples]),
            runs=[run for sample in samples for run in sample.runs],
            protocol=samples[0].protocol,
            model=samples[0].model,
        )


@dataclass
class SamplingMaker(Maker):
    """Sampling of a whole selection in bounded batches, joined into one document.

    Parameters
    ----------
    name
        Name of the job.
    sampler
        Maker of one batch.
    join
        Maker that joins the batches.
    batch_size
        Structures in one batch.
    """

    name: str = "plan sampling"
    sampler: MaceMDSamplerMaker = field(default_factory=MaceMDSamplerMaker)
    join: SampleJoinMaker = field(default_factory=SampleJoinMaker)
    batch_size: int = 64
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY])
    def make(self, selection: SelectionDoc | list[SelectedStructure], model: ModelDoc | None = None) -> Response:
        """Replace this job by one job per batch and one that joins them, whose :class:`SampleDoc` is the output.

        Parameters
        ----------
        selection
            Structures to sample.
        model
            Model to use instead of the sampler's foundation.

        Raises
        ------
        InputError
            If there are no structures.
        """
        entries = selection.entries if isinstance(selection, SelectionDoc) else list(selection)
        if not entries:
            raise InputError("the selection holds no structures to sample: draw at least one")
        n_batches = -(-len(entries) // self.batch_size)
        # Structures of like size share a batch, which keeps the batches equally long.
        order = sorted(range(len(entries)), key=lambda i: len(entries[i].structure))
        samplers: list[Flow | Job] = []
        for number, places in enumerate(np.array_split(order, n_batches), start=1):
            sampler = self.sampler.make([entries[i] for i in places], model)
            sampler.append_name(f" {number}/{n_batches}" if n_batches > 1 else "")
            samplers.append(sampler)
        if n_batches == 1:
            return Response(replace=Flow(samplers, output=samplers[0].output, name=self.sampler.name))
        join = self.join.make([sampler.output for sampler in samplers])
        return Response(replace=Flow([*samplers, join], output=join.output, name=self.sampler.name))


def _draw(atoms: Atoms, run: MDRun, choice: FrameChoice) -> tuple[list[Atoms], RunRecord]:
    """Frames of one run, none if it was given up, and its record."""
    generator = np.random.default_rng([run.protocol.seed, 1])
    chosen = choose_frames(run, choice, generator) if run.verdict.completed else None
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
