"""What a reference model is put through before it is shipped: hot dynamics, rankings beside CHGNet's, speed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ase import Atoms
from scipy.stats import kendalltau

from disolyte.dynamics import MDProtocol, MDRun, Thermostat, Watchdog, run_md
from disolyte.finetuning.reference.active import quench
from disolyte.finetuning.reference.labels import label_with_chgnet
from disolyte.finetuning.reference.orderings import SystemOrderings
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import load_model
from disolyte.models.sources import SHIPPED, ModelSource
from disolyte.systems import GridPoint

HOT: Final[tuple[tuple[str, dict[str, float]], ...]] = (
    ("liybc", {"x": 0.0, "y": 1.0}),
    ("nasicon", {"x": 0.0}),
    ("nasicon", {"x": 2.0}),
    ("nasicon", {"x": 3.0}),
    ("li3ps4-beta", {}),
    ("li3ps4-gamma", {}),
    ("lpsgo", {"x": 0.5}),
    ("li4geo4-cmcm", {}),
    ("argyrodite", {"y": 0.0}),
)
"""Systems and compositions of the dynamics trial."""

RANKED: Final[tuple[tuple[str, dict[str, float]], ...]] = (
    ("liybc", {"x": 0.5, "y": 0.75}),
    ("nasicon", {"x": 1.0}),
    ("nasicon", {"x": 2.0}),
    ("lpsgo", {"x": 0.25}),
    ("lpsgo", {"x": 0.5}),
    ("li3ps4-beta", {}),
    ("argyrodite", {"y": 0.5}),
)
"""Systems and compositions of the ranking trial."""

PROTOCOL: Final = MDProtocol(
    temperature_k=800.0, n_steps=5000, time_step_fs=2.0, thermostat=Thermostat.BUSSI, record_every=50
)
FRAMEWORK_MSD_ANG2: Final = 5.0
"""Largest mean square displacement of the framework; tetrahedra may turn."""

_COLD_KT_EV: Final = (0.3, 1.0)
_N_RANKED: Final = 30
_FEWEST_ATOMS: Final = 32
_ALIKE_EV: Final = 1e-4
_SEED: Final = 4711
_N_TIMINGS: Final = 7


@dataclass(frozen=True)
class HotRun:
    """How one cell fared in molecular dynamics."""

    system: str
    formula: str
    n_atoms: int
    time_ps: float
    """Time until its end."""
    verdict: str
    framework_msd_ang2: float
    """Mean square displacement of all but the mobile ions from the first to the last frame."""
    mobile_msd_ang2: float


@dataclass(frozen=True)
class RankAgreement:
    """How the static energies of orderings compare with CHGNet's."""

    system: str
    formula: str
    n_orderings: int
    kendall_tau: float
    spread_ev_per_atom: float
    """Standard deviation of CHGNet's energies."""
    rmse_ev_per_atom: float
    """Root mean square difference of the energies relative to their means."""


@dataclass(frozen=True)
class Trials:
    """Outcome of all trials."""

    hot_runs: list[HotRun]
    rankings: list[RankAgreement]
    cost_ratio: float
    """Time of a batch of halide cells over that of the small reference model, on one machine in one run."""


def run_trials(model: LoadedModel, orderings: SystemOrderings, work: Path) -> Trials:
    """Put ``model`` through all trials; dynamics already done in ``work`` is not repeated."""
    return Trials(
        hot_runs=run_hot(model, orderings, work),
        rankings=[rank(model, orderings, key, coordinates) for key, coordinates in RANKED],
        cost_ratio=cost_ratio(model, orderings),
    )


def run_hot(model: LoadedModel, orderings: SystemOrderings, work: Path) -> list[HotRun]:
    """Dynamics of :data:`HOT` by :data:`PROTOCOL`, all cells in one batch."""
    rng = np.random.default_rng(_SEED)
    cells = [
        orderings.draw_at(
            key, _point(orderings, key, coordinates), rng, kt_ev=_COLD_KT_EV[0], fewest_atoms=_FEWEST_ATOMS
        )
        for key, coordinates in HOT
    ]
    mobile = {orderings.systems[key].mobile_ion for key, _ in HOT}
    watchdog = Watchdog(framework_msd_ang2=FRAMEWORK_MSD_ANG2, mobile_elements=tuple(sorted(mobile)))
    protocols = [PROTOCOL.model_copy(update={"seed": _SEED + i}) for i in range(len(cells))]
    folder = work / f"md-{model.sha256[:12]}"
    runs = run_md(quench(model, cells, n_steps=100), protocols, model, folder, watchdog=watchdog)
    return [
        _judge(atoms, run, orderings.systems[atoms.info["system"]].mobile_ion)
        for atoms, run in zip(cells, runs, strict=True)
    ]


def _judge(atoms: Atoms, run: MDRun, mobile_ion: str) -> HotRun:
    positions = run.positions_ang()
    moved = positions[-1] - positions[0]
    mobile = np.array(atoms.get_chemical_symbols()) == mobile_ion
    moved = moved - moved[~mobile].mean(axis=0)
    squared = np.sum(moved**2, axis=1)
    return HotRun(
        system=atoms.info["system"],
        formula=atoms.info["composition"],
        n_atoms=len(atoms),
        time_ps=1e-3 * float(run.times_fs[-1]),
        verdict=run.verdict.reason.value,
        framework_msd_ang2=float(squared[~mobile].mean()),
        mobile_msd_ang2=float(squared[mobile].mean()),
    )


def rank(model: LoadedModel, orderings: SystemOrderings, key: str, coordinates: dict[str, float]) -> RankAgreement:
    """Rank distinct orderings of low electrostatic energy by model and by CHGNet."""
    rng = np.random.default_rng(_SEED)
    point = _point(orderings, key, coordinates)
    drawn = [orderings.draw_at(key, point, rng, kt_ev=rng.uniform(*_COLD_KT_EV)) for _ in range(4 * _N_RANKED)]
    formulas = [atoms.get_chemical_formula() for atoms in drawn]
    drawn = [
        atoms for atoms, formula in zip(drawn, formulas, strict=True) if formula == max(formulas, key=formulas.count)
    ]
    predicted = model.predict(drawn).energies_ev
    distinct = np.flatnonzero(np.diff(np.sort(predicted), prepend=-np.inf) > _ALIKE_EV)
    chosen = rng.permutation(np.argsort(predicted)[distinct])[:_N_RANKED]
    n_atoms = len(drawn[0])
    theirs = np.array([a.info["REF_energy"] for a in label_with_chgnet([drawn[i] for i in chosen])]) / n_atoms
    ours = predicted[chosen] / n_atoms
    return RankAgreement(
        system=key,
        formula=point.formula,
        n_orderings=len(chosen),
        kendall_tau=float(kendalltau(ours, theirs).statistic),
        spread_ev_per_atom=float(theirs.std()),
        rmse_ev_per_atom=float(np.std(ours - theirs)),
    )


def cost_ratio(model: LoadedModel, orderings: SystemOrderings) -> float:
    """Time for the forces of twelve halide cells over that of the small reference model, the best of several each."""
    rng = np.random.default_rng(_SEED)
    cells = [orderings.draw_at("liybc", _point(orderings, "liybc", HOT[0][1]), rng, kt_ev=1.0) for _ in range(12)]
    small = load_model(ModelSource(name=SHIPPED))
    best = {"model": np.inf, "small": np.inf}
    for _ in range(_N_TIMINGS):
        for name, timed in (("model", model), ("small", small)):
            begin = time.perf_counter()
            timed.evaluate(cells, stress=False)
            best[name] = min(best[name], time.perf_counter() - begin)
    return float(best["model"] / best["small"])


def _point(orderings: SystemOrderings, key: str, coordinates: dict[str, float]) -> GridPoint:
    return orderings.systems[key].point_at(coordinates)
