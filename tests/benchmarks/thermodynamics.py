"""Every composition of a system enumerated, ranked, relaxed and drawn, through jobflow.

python tests/benchmarks/thermodynamics.py FOLDER liybc:disolyte-small nasicon:CHGNet lpsgo:CHGNet monte-carlo

writes the documents as JSON, the figures as PNG, and the timings of the jobs to FOLDER. The force field behind a system
is a name that atomate2 knows, or that of a model that disolyte ships. ``monte-carlo`` swaps the ions of Na3Zr2Si2PO12
on a 4×4×4 supercell with screened point charges.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyEncoder

from disolyte import (
    EnumerationMaker,
    HullSelectionMaker,
    ModelSource,
    MonteCarloDoc,
    MonteCarloMaker,
    PhaseDiagramDoc,
    PhaseDiagramMaker,
    RankedEnergiesDoc,
    RankingMaker,
    SelectionDoc,
    get_system,
)
from disolyte.enumeration.holding import find_holding_spaces
from disolyte.models.sources import SHIPPED
from disolyte.systems import disordered_structure
from disolyte.thermodynamics import Relaxation, RelaxationProtocol
from disolyte.thermodynamics.montecarlo import ElectrostaticEnergy, Schedule

PER_CELL = 24
"""Orderings of each cell: one half of lowest Ewald energy, the other as unlike as possible."""

PROTOCOL = RelaxationProtocol(kind=Relaxation.CELL, max_force_ev_per_ang=0.1, max_steps=60)


def energy_source(name: str):
    if name.startswith(SHIPPED.split("-")[0]):
        return ModelSource(name=name)
    from atomate2.forcefields.jobs import ForceFieldStaticMaker

    return ForceFieldStaticMaker(force_field_name=name, calculator_kwargs={"use_device": "cpu"})


def study(key: str, model_name: str, n_relaxed: int = 2) -> tuple[Flow, list, object, object]:
    """Flow of one system, its rankings, selection and phase diagram."""
    system, source = get_system(key), energy_source(model_name)
    enumerate_maker = EnumerationMaker(n_lowest=PER_CELL // 2, n_diverse=PER_CELL // 2)
    rank = RankingMaker(foundation=source, n_candidates=n_relaxed, relaxation=PROTOCOL)
    jobs, rankings = [], []
    for point in system.points():
        disordered, charges = disordered_structure(system, point), system.charges_at(point.coordinates)
        holding = find_holding_spaces(disordered, system.supercells, oxidation_states=charges)
        enumeration = enumerate_maker.make(
            disordered,
            point=point,
            supercells=[system.supercells[index] for index in list(holding)[:2]],
            oxidation_states=charges,
            system_key=key,
        )
        ranking = rank.make(enumeration.output)
        ranking.append_name(f" {point.formula}")
        jobs += [enumeration, ranking]
        rankings.append(ranking)
    ends = [point.formula for point in system.end_member_points()]
    selection = HullSelectionMaker(n_select=3 * len(rankings)).make([job.output for job in rankings], ends)
    # The candidates are relaxed already: their lattice constants are read, their energies taken once more.
    diagram = PhaseDiagramMaker().make(selection.output, source, rankings=[job.output for job in rankings])
    return Flow([*jobs, selection, diagram], name=f"thermodynamics {key}"), rankings, selection, diagram


def main(folder: Path, *tasks: str) -> None:
    for task in tasks:
        key, _, model_name = task.partition(":")
        target = folder / key
        target.mkdir(parents=True, exist_ok=True)
        if key == "monte-carlo":
            monte_carlo(target)
            continue
        flow, rankings, selection, diagram = study(key, model_name)
        store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
        started = time.monotonic()
        run_locally(flow, store=store, ensure_success=True, root_dir=target)
        wall_s = time.monotonic() - started
        docs = {"selection": (selection, SelectionDoc), "diagram": (diagram, PhaseDiagramDoc)}
        docs |= {f"ranking-{i}": (job, RankedEnergiesDoc) for i, job in enumerate(rankings)}
        read = {
            name: schema.model_validate(store.get_output(job.uuid, load=True)) for name, (job, schema) in docs.items()
        }
        for name, doc in read.items():
            (target / f"{name}.json").write_text(json.dumps(doc, cls=MontyEncoder))
        report(target, read, wall_s)


def monte_carlo(target: Path) -> None:
    """Sodium and vacancies, silicon and phosphorus on 896 sites."""
    from disolyte.plots import plot_monte_carlo

    system = get_system("nasicon")
    point = system.point("Na3Zr2Si2PO12")
    maker = MonteCarloMaker(energy=ElectrostaticEnergy(permittivity=10.0), schedule=Schedule(n_sweeps=500))
    job = maker.make(disordered_structure(system, point), point=point)
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    started = time.monotonic()
    run_locally(Flow([job]), store=store, ensure_success=True, root_dir=target)
    doc = MonteCarloDoc.model_validate(store.get_output(job.uuid, load=True))
    (target / "monte-carlo.json").write_text(json.dumps(doc, cls=MontyEncoder))
    lines = [f"{time.monotonic() - started:.0f} s for {doc.n_swapped} sites", f"R-hat {doc.r_hat:.3f}", *doc.reasons]
    lines += [str(chain) for chain in doc.chains] + [str(site) for site in doc.site_occupancies]
    (target / "table.txt").write_text("\n".join(lines) + "\n")
    plot_monte_carlo(doc).savefig(target / "monte-carlo.png")


def report(target: Path, read: dict, wall_s: float) -> None:
    """Table, figures."""
    from disolyte.plots import plot_hull, plot_lattice_constants

    diagram, selection = read["diagram"], read["selection"]
    n_ranked = sum(doc.n_ranked for name, doc in read.items() if name.startswith("ranking"))
    lines = [f"{n_ranked} orderings ranked, wall time {wall_s:.0f} s, agreement {diagram.agreement}"]
    for row, state in zip(diagram.hull.rows, diagram.ground_states, strict=True):
        lattice = state.lattice
        lines.append(
            f"{row.formula:34s} E_f {1e3 * row.formation_energy_ev_per_atom:7.1f} "
            f"E_hull {1e3 * row.e_hull_ev_per_atom:6.1f} meV/atom {1e3 * row.e_hull_ev_per_fu:7.1f} meV/f.u. "
            f"{'stable' if row.is_stable else '      '} {lattice.a_ang:.3f} {lattice.b_ang:.3f} {lattice.c_ang:.3f} "
            f"{lattice.alpha_deg:.2f} {lattice.beta_deg:.2f} {lattice.gamma_deg:.2f} {lattice.volume_ang3_per_fu:.2f}"
        )
    (target / "table.txt").write_text("\n".join(lines) + "\n")
    plot_hull(selection).savefig(target / "selection.png")
    plot_hull(diagram).savefig(target / "hull.png")
    plot_lattice_constants(diagram).savefig(target / "lattice.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
