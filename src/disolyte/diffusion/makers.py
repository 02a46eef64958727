"""Jobs of the diffusion stage: MD of one composition at all temperatures, and its analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from ase import Atoms
from jobflow import Flow, Job, Maker, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.diffusion.gates import TrustGates
from disolyte.diffusion.lengthening import run_to_target
from disolyte.diffusion.pathways import describe_mechanism
from disolyte.diffusion.schedule import MDSchedule, MobileIon
from disolyte.diffusion.schema import DiffusionMDDoc, MechanismDoc, TransportDoc
from disolyte.diffusion.simulation import build_supercell, check_request, collect_run, identify_mobile, meets_target
from disolyte.diffusion.summary import TableTemperatures, summarise_transport
from disolyte.dynamics import Engine, MDProtocol, MDRun, Watchdog, run_md
from disolyte.errors import TransportError
from disolyte.models import ModelSource, load_model
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.systems.schema import GridPoint
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

LONGEST_PHASE: Final = 60

TRAJECTORIES = "md"
"""Folder of the trajectories inside the job's folder."""


@dataclass
class DiffusionMDMaker(Maker):
    """Job that runs one composition at all temperatures in one batch.

    Trajectories are written in chunks; run again in the same folder, or given ``prev_dir``, it goes on where it
    stopped.

    Parameters
    ----------
    name
        Name of the job.
    foundation
        Model used where none is handed to :meth:`make`.
    watchdog
        Limits beyond which a run is given up.
    engine
        What integrates.
    device
        torch device.
    dtype
        Precision, "float32" or "float64".
    """

    name: str = "diffusion MD"
    foundation: ModelSource = field(default_factory=ModelSource)
    watchdog: Watchdog = field(default_factory=Watchdog)
    engine: Engine = Engine.AUTO
    device: str = "cpu"
    dtype: str = "float32"
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=DiffusionMDDoc)
    def make(
        self,
        structure: Structure,
        temperatures_k: Sequence[float],
        supercell: tuple[int, int, int],
        schedule: MDSchedule,
        model: ModelDoc | None = None,
        point: GridPoint | None = None,
        mobile: MobileIon | None = None,
        prev_dir: str | Path | None = None,
        origin: StageDoc | None = None,
        phase: str = "",
    ) -> DiffusionMDDoc:
        """Run MD and keep the frames after equilibration.

        Parameters
        ----------
        structure
            Ordered structure.
        temperatures_k
            Temperatures.
        supercell
            Repeats of the structure.
        schedule
            Lengths, thermostat and seeds.
        model
            Model to use instead of ``foundation``.
        point
            Composition on a grid, if it is on one.
        mobile
            The mobile ion; found among the usual ones if not given.
        prev_dir
            Folder of a killed job with the same input, whose trajectories are gone on with.
        origin
            Document that the structure is from, such as a phase diagram, for the provenance.
        phase
            What tells this phase from others of its formula.

        Raises
        ------
        TransportError
            If the temperatures or the mobile ion are unfit.
        StructureError
            If the structure is disordered.
        ModelCoverageError
            If the model was not made for an element.
        DynamicsError
            If a run cannot start.
        """
        check_request(temperatures_k, supercell, schedule, mobile)
        mobile = identify_mobile(structure, mobile)
        cell, atoms = build_supercell(structure, supercell)
        formula = point.formula if point is not None else cell.composition.reduced_formula
        loaded = load_model(self.foundation if model is None else model, device=self.device, dtype=self.dtype)
        protocols = [schedule.protocol(t, i, formula) for t in temperatures_k for i in range(schedule.n_seeds)]
        folder = take_over(prev_dir, TRAJECTORIES)

        def advance(segment: int, systems: list[Atoms], pieces: list[MDProtocol]) -> list[MDRun]:
            place = folder if schedule.target is None else folder / f"segment-{segment:03d}"
            return run_md(systems, pieces, loaded, place, engine=self.engine, watchdog=self.watchdog)

        runs = run_to_target(
            atoms, protocols, schedule.target, advance, lambda alike: meets_target(alike, cell, mobile, schedule)
        )
        inputs = [document for document in (origin, model) if document is not None]
        return DiffusionMDDoc(
            **describe_job(inputs, seed=schedule.seed, caveats=loaded.caveats),
            point=point,
            formula=formula,
            phase=phase,
            supercell=cell,
            supercell_size=supercell,
            mobile=mobile,
            schedule=schedule,
            runs=[collect_run(run, schedule.lengths.discard_ps(run.last.protocol.temperature_k)) for run in runs],
            model=ModelIdentity(name=loaded.name, sha256=loaded.sha256),
        )


@dataclass
class TransportMaker(Maker):
    """Job that turns the MD of one composition into diffusivities, an Arrhenius line and conductivities.

    Parameters
    ----------
    name
        Name of the job.
    trust_gates
        What must hold before a diffusivity is called converged.
    table
        Temperatures at which conductivities are read off the Arrhenius line.
    seed
        Seed of the bootstrap.
    """

    name: str = "analyse transport"
    trust_gates: TrustGates = field(default_factory=TrustGates)
    table: TableTemperatures = field(default_factory=TableTemperatures)
    seed: int = 0
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=TransportDoc)
    def make(self, md: DiffusionMDDoc) -> TransportDoc:
        """Analyse all temperatures of a composition.

        Parameters
        ----------
        md
            MD at all temperatures.

        Raises
        ------
        TransportError
            If no run got far enough to be analysed.
        """
        fields = describe_job([md], seed=self.seed)
        return summarise_transport(md, fields, self.trust_gates, self.table, self.seed)


@dataclass
class MechanismMaker(Maker):
    """Job that finds sites, jumps and percolating paths in the MD of one composition.

    Parameters
    ----------
    name
        Name of the job.
    hub
        Kind of site between whose visits ways are counted, such as "4h" for the lithium halides; the host's kind with
        the most jumps to its own if None.
    seed
        Seed of resampling.
    """

    name: str = "analyse mechanism"
    hub: str | None = None
    seed: int = 0
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=MechanismDoc)
    def make(self, md: DiffusionMDDoc, host: Structure | None = None) -> MechanismDoc:
        """Follow the ions at all temperatures of a composition.

        Parameters
        ----------
        md
            MD at all temperatures.
        host
            Structure with all positions of the mobile ion, such as :func:`~disolyte.systems.disordered_structure`
            gives; the simulated ordering itself if not given.

        Raises
        ------
        TransportError
            If no run was completed, or the host has no site called ``hub``.
        StructureError
            If host and simulated cell do not match.
        """
        return describe_mechanism(md, host, self.hub, describe_job([md], seed=self.seed), self.seed)


@dataclass
class DiffusionMaker(Maker):
    """Flow from an ordered structure to its ionic conductivity: MD at several temperatures, then its analysis.

    The defaults are the published protocol for the lithium halides: 2×2×2 supercells, 800 to 1100 K, NVT with
    Berendsen's thermostat, 500 ps of which 100 ps are thrown away (below 800 K: 1 ns and 200 ps).
    With ``schedule.target`` runs stop early, or go on, by the error of the diffusivity.

    Parameters
    ----------
    name
        Name of the flow.
    temperatures_k
        Temperatures of the runs.
    supercell
        Repeats of the structure.
    schedule
        Lengths, thermostat, seeds, and how often frames are recorded.
    mobile
        The mobile ion; found among the usual ones if None.
    md_maker
        Maker of the MD job, with model, engine and device.
    transport_maker
        Maker of the analysis.
    mechanism_maker
        Maker of the analysis of sites, jumps and paths; None leaves it out.
    """

    name: str = "diffusion"
    temperatures_k: tuple[float, ...] = (800.0, 900.0, 1000.0, 1100.0)
    supercell: tuple[int, int, int] = (2, 2, 2)
    schedule: MDSchedule = field(default_factory=MDSchedule)
    mobile: MobileIon | None = None
    md_maker: DiffusionMDMaker = field(default_factory=DiffusionMDMaker)
    transport_maker: TransportMaker = field(default_factory=TransportMaker)
    mechanism_maker: MechanismMaker | None = None

    def __post_init__(self) -> None:
        """Take lists for tuples, which is what JSON makes of them."""
        self.temperatures_k = tuple(self.temperatures_k)
        self.supercell = tuple(self.supercell)  # type: ignore[assignment]

    def make(
        self,
        structure: Structure,
        model: ModelDoc | None = None,
        point: GridPoint | None = None,
        prev_dir: str | Path | None = None,
        host: Structure | None = None,
        origin: StageDoc | None = None,
        phase: str = "",
    ) -> Flow:
        """Flow whose output is a :class:`~disolyte.diffusion.schema.TransportDoc`.

        Parameters
        ----------
        structure
            Ordered structure, or a reference to one.
        model
            Trained model, or a reference to one; the MD maker's foundation if not given.
        point
            Composition on a grid, if it is on one.
        prev_dir
            Folder of a killed MD job with the same input, whose trajectories are gone on with.
        host
            Structure with all positions of the mobile ion, whose Wyckoff positions name the sites; used by
            ``mechanism_maker``.
        origin
            Document that the structure is from, or a reference to one, for the provenance.
        phase
            What tells this phase from others of its formula, such as "α"; results of a composition, phase and model
            replace older ones of the same.

        Raises
        ------
        TransportError
            If temperatures, supercell or mobile ion are unfit.
        StructureError
            If the structure is disordered.
        """
        check_request(self.temperatures_k, self.supercell, self.schedule, self.mobile)
        if len(phase) > LONGEST_PHASE:
            raise TransportError(f"phase={phase[:20]!r}… has {len(phase)} characters; give at most {LONGEST_PHASE}")
        if isinstance(structure, Structure):
            identify_mobile(structure, self.mobile)
        md = self.md_maker.make(
            structure,
            temperatures_k=self.temperatures_k,
            supercell=self.supercell,
            schedule=self.schedule,
            model=model,
            point=point,
            mobile=self.mobile,
            prev_dir=prev_dir,
            origin=origin,
            phase=phase,
        )
        analysis = self.transport_maker.make(md.output)
        jobs: list[Flow | Job] = [md, analysis]
        if self.mechanism_maker is not None:
            jobs.append(self.mechanism_maker.make(md.output, host=host))
        title = self.name if point is None else f"{self.name} {point.formula}"
        return Flow(jobs, output=analysis.output, name=title)
