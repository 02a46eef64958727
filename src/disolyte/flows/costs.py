"""What a flow will be made of, before anything is submitted: jobs, roles, atoms, and a rough cost.

Jobs that the flow holds are counted as they are. Those that its jobs will make are estimated from the settings of the
makers, and marked so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from functools import singledispatch
from typing import Any, Final

import numpy as np
from jobflow import Flow, Job, Maker
from pydantic import Field
from pymatgen.core import Structure

from disolyte.diffusion.makers import DiffusionMDMaker
from disolyte.enumeration.composition import Rounding
from disolyte.enumeration.holding import find_holding_spaces
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.labelling.makers import LabelMaker
from disolyte.models import ModelSource
from disolyte.records import Record
from disolyte.sampling.makers import SamplingMaker
from disolyte.thermodynamics.makers import HullSelectionMaker, PhaseDiagramMaker, RankingMaker
from disolyte.thermodynamics.schema import Relaxation, RelaxationProtocol
from disolyte.workers.folder import StageCost
from disolyte.workers.roles import Role
from disolyte.workers.routing import nested_makers, role_of

LIGHT_JOB_S: Final = 2.0
"""What a job takes that only counts, sorts and writes."""
ATOM_EVALUATIONS_PER_S: Final = {("cuda", False): 2e4, ("cuda", True): 1e5, ("cpu", False): 3e2, ("cpu", True): 4e3}
"""Energies and forces by device and whether the model is a shipped, small one: atoms times evaluations in a second."""
TRAINING_FACTOR: Final = 4.0
"""Cost of a training step against that of energies and forces."""
DFT_FRAME_S: Final = 1800.0
"""A SCAN calculation of :data:`DFT_FRAME_ATOMS` on one DFT worker of some 64 cores; it grows as atoms to 2.5."""
DFT_FRAME_ATOMS: Final = 80.0
BASIS: Final = (
    "Costs are rough: 20,000 atom evaluations a second by MACE on a GPU, 300 on a CPU core, 4,000 by shipped models; "
    "30 min for SCAN on 80 atoms with 64 cores, as atoms to the power of 2.5."
)


class PlannedJobs(Record):
    """Jobs of one kind."""

    name: str = Field(description="Name of the jobs.")
    stage: str = Field(description="Stage of the pipeline.")
    role: Role = Field(description="Kind of machine that they need.")
    n_jobs: int = Field(description="How many.")
    is_estimate: bool = Field(default=False, description="Whether other jobs will make them: a number from settings.")
    n_atoms: float | None = Field(default=None, description="Atoms of each structure in them.")
    seconds: float = Field(default=LIGHT_JOB_S, description="Rough time on one worker, all jobs together.")


class Plan(Record):
    """All jobs of a flow."""

    jobs: list[PlannedJobs] = Field(description="Jobs by kind, in the order in which they begin.")
    roundings: list[str] = Field(default_factory=list, description="What rounded cells hold, of each composition.")

    @property
    def roles(self) -> list[Role]:
        """Roles that the flow needs."""
        return [role for role in Role if any(jobs.role is role for jobs in self.jobs)]

    def stage_costs(self) -> dict[str, StageCost]:
        """Jobs and time of each stage."""
        costs: dict[str, StageCost] = {}
        for jobs in self.jobs:
            known = costs.get(jobs.stage, StageCost(n_jobs=0, seconds=0.0))
            costs[jobs.stage] = StageCost(n_jobs=known.n_jobs + jobs.n_jobs, seconds=known.seconds + jobs.seconds)
        return costs


@dataclass
class Amounts:
    """What the jobs so far will have made, and what the current one is given."""

    n_atoms: float = 0.0
    cell_atoms: list[float] = field(default_factory=list)
    n_orderings: int = 0
    n_candidates: int = 0
    n_structures: int = 0
    n_frames: int = 0
    trains_small_model: bool | None = None
    roundings: list[str] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)


def plan_flow(flow: Flow | Job) -> Plan:
    """Count the jobs of a flow, and estimate those they will make.

    Parameters
    ----------
    flow
        The flow; it is left as it is.
    """
    amounts = Amounts()
    rows: dict[tuple[str, str, Role, bool], PlannedJobs] = {}
    for job, _ in flow.iterflow() if isinstance(flow, Flow) else [(flow, [])]:
        for row in _jobs_of(job, amounts):
            key = (row.name, row.stage, row.role, row.is_estimate)
            known = rows.get(key)
            rows[key] = row if known is None else _add(known, row)
    return Plan(jobs=list(rows.values()), roundings=amounts.roundings)


def _jobs_of(job: Job, amounts: Amounts) -> list[PlannedJobs]:
    maker = job.maker
    if maker is None:
        return [PlannedJobs(name=job.name, stage="other", role=Role.CPU, n_jobs=1)]
    amounts.arguments = {**{str(i): value for i, value in enumerate(job.function_args)}, **job.function_kwargs}
    return _estimate(maker, amounts)


def _add(one: PlannedJobs, other: PlannedJobs) -> PlannedJobs:
    n_jobs = one.n_jobs + other.n_jobs
    atoms = [row.n_atoms * row.n_jobs for row in (one, other) if row.n_atoms is not None]
    return one.model_copy(
        update={
            "n_jobs": n_jobs,
            "n_atoms": sum(atoms) / n_jobs if atoms else None,
            "seconds": one.seconds + other.seconds,
        }
    )


def _row(maker: Any, n_jobs: int = 1, **fields: Any) -> PlannedJobs:
    package, _, rest = type(maker).__module__.partition(".")
    stage = rest.partition(".")[0] if package == "disolyte" else "other"
    # Jobs of one kind carry the composition in their names.
    name = next((item.default for item in dataclass_fields(maker) if item.name == "name"), maker.name)
    return PlannedJobs(name=str(name), stage=stage, role=role_of(maker), n_jobs=n_jobs, **fields)


def _rate(maker: Any, amounts: Amounts) -> float:
    """Atom evaluations a second of a maker's model on its device; once a model is trained, it is that one."""
    device = "cuda" if str(getattr(maker, "device", "cpu")).startswith("cuda") else "cpu"
    is_small = amounts.trains_small_model
    return ATOM_EVALUATIONS_PER_S[device, _is_small(maker) if is_small is None else is_small]


def _is_small(maker: Any) -> bool:
    source = getattr(maker, "foundation", None)
    return isinstance(source, ModelSource) and source.is_shipped


def _relaxations(protocol: RelaxationProtocol) -> int:
    """Evaluations that a relaxation takes: half the steps allowed."""
    return 1 if protocol.kind is Relaxation.STATIC else max(1, protocol.max_steps // 2)


@singledispatch
def _estimate(maker: Maker, amounts: Amounts) -> list[PlannedJobs]:
    """Rows of a job and of those it will make."""
    heavy = hasattr(maker, "device") and amounts.n_atoms
    return [_row(maker, n_atoms=amounts.n_atoms if heavy else None)]


@_estimate.register
def _(maker: EnumerationMaker, amounts: Amounts) -> list[PlannedJobs]:
    structure = next(value for value in amounts.arguments.values() if isinstance(value, Structure))
    supercells = amounts.arguments.get("supercells") or [(1, 1, 1)]
    n_sites = structure.composition.num_atoms
    sizes = [n_sites * abs(float(np.linalg.det(_matrix(supercell)))) for supercell in supercells]
    amounts.cell_atoms += sizes
    amounts.n_atoms = float(np.mean(amounts.cell_atoms))
    amounts.n_orderings = (maker.n_lowest + maker.n_diverse) * len(sizes)
    if maker.rounding == Rounding.NEAREST:
        amounts.roundings += _roundings(maker, structure, supercells, amounts.arguments)
    return [_row(maker, n_atoms=float(np.mean(sizes)))]


def _roundings(
    maker: EnumerationMaker, structure: Structure, supercells: list[Any], arguments: Mapping[str, Any]
) -> list[str]:
    spaces = find_holding_spaces(
        structure,
        supercells,
        symprec=maker.symprec,
        rounding=maker.rounding,
        pool=maker.pool,
        oxidation_states=arguments.get("oxidation_states"),
    )
    point = arguments.get("point")
    name = point.formula if point is not None else structure.composition.element_composition.reduced_formula
    return [
        f"{name}: occupancies rounded, cell {supercells[index]} holds {space.cell.formula}"
        for index, space in spaces.items()
        if space.occupancy_changes
    ]


@_estimate.register
def _(maker: RankingMaker, amounts: Amounts) -> list[PlannedJobs]:
    amounts.n_candidates += maker.n_candidates
    evaluations = amounts.n_orderings + maker.n_candidates * _relaxations(maker.relaxation)
    n_atoms = amounts.n_atoms
    return [_row(maker, n_atoms=n_atoms, seconds=LIGHT_JOB_S + evaluations * n_atoms / _rate(maker, amounts))]


@_estimate.register
def _(maker: HullSelectionMaker, amounts: Amounts) -> list[PlannedJobs]:
    amounts.n_structures = maker.n_select
    return [_row(maker)]


@_estimate.register
def _(maker: SamplingMaker, amounts: Amounts) -> list[PlannedJobs]:
    n_batches = -(-amounts.n_structures // maker.batch_size)
    sampler = maker.sampler
    amounts.n_frames = maker.n_wanted or amounts.n_structures * sampler.frames.n_frames
    evaluations = amounts.n_structures * sampler.protocol.n_steps
    seconds = LIGHT_JOB_S * n_batches + evaluations * amounts.n_atoms / _rate(sampler, amounts)
    sampling = _row(sampler, n_batches, n_atoms=amounts.n_atoms, seconds=seconds, is_estimate=True)
    return [_row(maker), sampling, _row(maker.join, is_estimate=True)]


@_estimate.register
def _(maker: LabelMaker, amounts: Amounts) -> list[PlannedJobs]:
    n_chunks = -(-amounts.n_frames // maker.chunk_size)
    static, role = maker.static_maker, role_of(maker.static_maker)
    frame_s = DFT_FRAME_S * (amounts.n_atoms / DFT_FRAME_ATOMS) ** 2.5
    if role is not Role.DFT:
        frame_s = amounts.n_atoms / ATOM_EVALUATIONS_PER_S["cpu", True]

    def made(name: str, n_jobs: int, **fields: Any) -> PlannedJobs:
        seconds = fields.pop("seconds", LIGHT_JOB_S * n_jobs)
        known = {"role": Role.CPU, **fields}
        return PlannedJobs(name=name, stage="labelling", n_jobs=n_jobs, is_estimate=True, seconds=seconds, **known)

    work = {"role": role, "n_atoms": amounts.n_atoms, "seconds": LIGHT_JOB_S * n_chunks + frame_s * amounts.n_frames}
    if getattr(static, "labels_batches", False):
        return [_row(maker), made(static.name, n_chunks, **work), made("merge labels", 1)]
    return [
        _row(maker),
        made("label chunk", n_chunks),
        made(static.name, amounts.n_frames, **work),
        made("collect labels", n_chunks),
        made("merge labels", 1),
    ]


@_estimate.register
def _(maker: FinetuneMaker, amounts: Amounts) -> list[PlannedJobs]:
    n_frames = amounts.n_frames + maker.replay.n_frames
    amounts.trains_small_model = _is_small(maker)
    # Training mostly ends early, by patience.
    epochs = max(1, maker.options.max_num_epochs // 2)
    seconds = LIGHT_JOB_S + TRAINING_FACTOR * epochs * n_frames * amounts.n_atoms / _rate(maker, amounts)
    return [_row(maker, n_atoms=amounts.n_atoms, seconds=seconds)]


@_estimate.register
def _(maker: PhaseDiagramMaker, amounts: Amounts) -> list[PlannedJobs]:
    evaluations = (amounts.n_candidates + amounts.n_structures) * _relaxations(maker.relaxation)
    seconds = LIGHT_JOB_S + evaluations * amounts.n_atoms / _rate(maker, amounts)
    return [_row(maker, n_atoms=amounts.n_atoms, seconds=seconds)]


@_estimate.register
def _(maker: DiffusionMDMaker, amounts: Amounts) -> list[PlannedJobs]:
    asked = amounts.arguments
    schedule, n_atoms = asked["schedule"], amounts.n_atoms * float(np.prod(asked["supercell"]))
    lengths_ps = [schedule.lengths.length_ps(temperature_k) for temperature_k in asked["temperatures_k"]]
    evaluations = schedule.n_seeds * sum(lengths_ps) * 1000 / schedule.time_step_fs
    return [_row(maker, n_atoms=n_atoms, seconds=LIGHT_JOB_S + evaluations * n_atoms / _rate(maker, amounts))]


def set_foundation(maker: Maker, source: ModelSource) -> None:
    """Set the foundation model of a maker and of all makers in its fields; other force fields are left as they are."""
    for nested in nested_makers(maker):
        if isinstance(getattr(nested, "foundation", None), ModelSource):
            nested.foundation = source  # type: ignore[attr-defined]


def set_device(maker: Maker, device: str) -> None:
    """Set the torch device of a maker and of all makers in its fields."""
    for nested in nested_makers(maker):
        if hasattr(nested, "device"):
            nested.device = device


def _matrix(supercell: Any) -> Any:
    matrix = np.asarray(supercell, dtype=float)
    return np.diag(np.broadcast_to(matrix, 3)) if matrix.ndim < 2 else matrix
