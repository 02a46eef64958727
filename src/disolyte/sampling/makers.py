"""Jobs of the sampling: MD of a bounded batch of structures, and its fan-out over a selection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from jobflow import JobConfig, Maker, OnMissing, Response, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import Engine, MDProtocol, Thermostat, Watchdog, run_md
from disolyte.errors import DynamicsError, InputError
from disolyte.models import ModelSource, load_model
from disolyte.models.coverage import check_coverage
from disolyte.models.descriptors import describe_structures
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.sampling.draws import check_completed, count_available, draw_frames
from disolyte.sampling.frames import FrameChoice
from disolyte.sampling.quotas import frames_per_run, stratify
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.sampling.systems import as_systems, derive_seed
from disolyte.thermodynamics.schema import SelectedStructure, SelectionDoc
from disolyte.workers.records import Origin, describe_job, take_over
from disolyte.workers.replacement import replace_current_job
from disolyte.workers.roles import Role

TRAJECTORIES = "md"
"""Folder of the trajectories inside the job's folder."""


def _published_protocol() -> MDProtocol:
    return MDProtocol(
        temperature_k=800.0, time_step_fs=1.0, n_steps=15_000, thermostat=Thermostat.BUSSI, record_every=50, seed=0
    )


def _solid_watchdog() -> Watchdog:
    return Watchdog(framework_msd_ang2=9.0)


def _check_fraction(name: str, fraction: float) -> None:
    if not 0.0 <= fraction <= 1.0:
        raise InputError(f"{name}={fraction} must be between 0 and 1")


@dataclass
class MaceMDSamplerMaker(Maker):
    """Frames from NVT molecular dynamics of a batch of structures with MACE, strained at random.

    The defaults are the published protocol: 800 K, 15 ps in steps of 1 fs, the first 5 ps thrown away, 30 frames at
    random from each run, a random strain within ±3 % on each. The paper names no thermostat here; Bussi's samples the
    canonical ensemble. A run whose framework leaves its sites by 3 Å in the mean has molten and is given up.

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
    watchdog: Watchdog = field(default_factory=_solid_watchdog)
    engine: Engine = Engine.AUTO
    device: str = "cpu"
    dtype: str = "float32"
    min_completed_fraction: float = 0.5
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse runs too short for the frames that are asked for, and settings out of range, before any job exists."""
        count_available(self.protocol, self.frames)
        _check_fraction("min_completed_fraction", self.min_completed_fraction)
        if self.engine not in set(Engine):
            raise InputError(f"there is no engine {str(self.engine)!r}: choose one of {', '.join(Engine)}")
        if self.dtype not in {"float32", "float64"}:
            raise InputError(f"dtype {self.dtype!r} is not known; use 'float32' or 'float64'")

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(
        self,
        entries: list[SelectedStructure] | list[Structure] | Structure,
        model: ModelDoc | None = None,
        prev_dir: str | Path | None = None,
        origin: Origin | None = None,
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
        origin
            Documents that the structures are from, for the sample's provenance.

        Raises
        ------
        InputError
            If there are no structures.
        StructureError
            If a structure is disordered.
        ModelCoverageError
            If the model was not made for an element.
        DynamicsError
            If too few runs come to their end.
        """
        systems = as_systems(entries)
        loaded = load_model(self.foundation if model is None else model, device=self.device, dtype=self.dtype)
        protocols = [
            self.protocol.model_copy(update={"seed": derive_seed(self.protocol.seed, atoms.info["family"])})
            for atoms in systems
        ]
        folder = take_over(prev_dir, TRAJECTORIES)
        runs = run_md(systems, protocols, loaded, folder, engine=self.engine, watchdog=self.watchdog)
        check_completed(systems, runs, self.min_completed_fraction)
        taken, records = [], []
        for atoms, run in zip(systems, runs, strict=True):
            frames, record = draw_frames(atoms, run, self.frames, partial(describe_structures, loaded))
            taken += frames
            records.append(record)
        inputs = [document for document in (origin, model) if document is not None]
        return SampleDoc(
            **describe_job(inputs, seed=self.protocol.seed, caveats=loaded.caveats),
            frames=FrameBatch.from_atoms(taken),
            runs=records,
            protocol=self.protocol,
            model=ModelIdentity(name=loaded.name, sha256=loaded.sha256),
        )


@dataclass
class SampleJoinMaker(Maker):
    """One sample of the frames of several batches.

    Parameters
    ----------
    name
        Name of the job.
    min_batch_fraction
        Batches that must have left a sample; the job fails below.
    """

    name: str = "join samples"
    min_batch_fraction: float = 0.5
    role: ClassVar[Role] = Role.CPU

    def __post_init__(self) -> None:
        """Refuse a fraction out of range, before any job exists."""
        _check_fraction("min_batch_fraction", self.min_batch_fraction)

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc, config=JobConfig(on_missing_references=OnMissing.NONE))
    def make(self, samples: list[SampleDoc | None], n_wanted: int | None = None) -> SampleDoc:
        """Join batches that share protocol and model, and stratify them.

        Parameters
        ----------
        samples
            Batches, at least one; None where a batch failed.
        n_wanted
            Frames to keep, as many of each composition as can be; all if None.

        Raises
        ------
        DynamicsError
            If too many batches failed.
        InputError
            If there are none, or they differ in protocol or model.
        """
        found = [sample for sample in samples if sample is not None]
        n_lost = len(samples) - len(found)
        if samples and len(found) < max(1.0, self.min_batch_fraction * len(samples)):
            raise DynamicsError(
                f"{n_lost} of {len(samples)} sampling jobs failed, {self.min_batch_fraction:.0%} must succeed: "
                "see their tracebacks, and run them again"
            )
        if not found or any((s.protocol, s.model) != (found[0].protocol, found[0].model) for s in found):
            raise InputError(
                f"{len(found)} samples cannot be joined: they must be at least one, of one protocol and one model"
            )
        frames = FrameBatch.concatenate([sample.frames for sample in found])
        if n_wanted is not None:
            frames = frames.take(stratify(frames.composition, frames.family, n_wanted))
        return SampleDoc(
            **describe_job(found, seed=found[0].protocol.seed, caveats=_shortfalls(len(frames), n_wanted, n_lost)),
            frames=frames,
            runs=[run for sample in found for run in sample.runs],
            protocol=found[0].protocol,
            model=found[0].model,
            n_wanted=n_wanted,
        )


def _shortfalls(n_frames: int, n_wanted: int | None, n_lost_batches: int) -> list[str]:
    caveats = []
    if n_wanted is not None and n_frames < n_wanted:
        caveats.append(f"the sample holds {n_frames} of the {n_wanted} frames wanted")
    if n_lost_batches:
        caveats.append(f"{n_lost_batches} sampling job(s) failed; their structures are not in the sample")
    return caveats


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
    n_wanted
        Frames wanted of all, spread evenly over the compositions, and over the structures of each; the published
        number. Where few structures are selected, more than ``sampler.frames.n_frames`` are taken of each. None takes
        that number of each, however many that makes.
    """

    name: str = "plan sampling"
    sampler: MaceMDSamplerMaker = field(default_factory=MaceMDSamplerMaker)
    join: SampleJoinMaker = field(default_factory=SampleJoinMaker)
    batch_size: int = 64
    n_wanted: int | None = 2500
    role: ClassVar[Role] = Role.CPU

    def __post_init__(self) -> None:
        """Refuse sizes that make no sense, before any job exists."""
        if self.batch_size < 1 or (self.n_wanted is not None and self.n_wanted < 1):
            raise InputError(f"batch_size={self.batch_size} and n_wanted={self.n_wanted} must be at least 1")

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(
        self, selection: SelectionDoc | list[SelectedStructure], model: ModelDoc | None = None
    ) -> Response[SampleDoc]:
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
        StructureError
            If a structure is disordered.
        ModelCoverageError
            If the foundation is known not to be made for an element.
        """
        entries = selection.entries if isinstance(selection, SelectionDoc) else list(selection)
        origin = Origin.of([selection]) if isinstance(selection, SelectionDoc) else None
        systems = as_systems(entries)
        if model is None:
            elements = {symbol for atoms in systems for symbol in atoms.get_chemical_symbols()}
            check_coverage(self.sampler.foundation, elements)
        sampler = self._sampler_of([atoms.info["composition"] for atoms in systems])
        n_batches = -(-len(entries) // self.batch_size)
        # Structures of like size share a batch, which keeps the batches equally long.
        order = sorted(range(len(entries)), key=lambda i: len(systems[i]))
        batches = [[entries[i] for i in places] for places in np.array_split(order, n_batches)]
        jobs = [sampler.make(batch, model, origin=origin) for batch in batches]
        for number, batch_job in enumerate(jobs, start=1):
            batch_job.append_name(f" {number}/{n_batches}" if n_batches > 1 else "")
        join = self.join.make([batch_job.output for batch_job in jobs], self.n_wanted)
        return replace_current_job(jobs, join, name=self.sampler.name)

    def _sampler_of(self, compositions: list[str]) -> MaceMDSamplerMaker:
        """Sampler that takes enough of each run for the wanted number of frames."""
        if self.n_wanted is None:
            return self.sampler
        choice = self.sampler.frames
        needed = frames_per_run(compositions, self.n_wanted, count_available(self.sampler.protocol, choice))
        return replace(self.sampler, frames=choice.model_copy(update={"n_frames": max(choice.n_frames, needed)}))
