"""Real MD of Li3InCl6 with the small reference model, to diffusivities, E_a and figures.

Run ``python tests/benchmarks/conductivity.py FOLDER [--length-ps 60] [--seed 0]``. Four temperatures, 80 atoms; 60 ps
take about half an hour on one core. Run again with the same folder after a kill: it goes on. The figures land in the
folder.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte import DiffusionMaker, MechanismDoc, ModelSource, OrderingSpace, Results, TransportDoc, get_system
from disolyte.diffusion import LengthRule, MDSchedule
from disolyte.diffusion.makers import MechanismMaker
from disolyte.diffusion.references import published_lines
from disolyte.dynamics import Thermostat
from disolyte.models import SHIPPED
from disolyte.plots import plot_arrhenius, plot_density, plot_isosurface, plot_jump_network, plot_msd, plot_planar_table
from disolyte.systems import disordered_structure

TEMPERATURES_K = (600.0, 660.0, 730.0, 800.0)


def run(folder: Path, length_ps: float, seed: int) -> Results:
    """Run the flow, or go on with what ``folder`` holds of its MD."""
    system = get_system("liybc")
    point = system.point("Li3InCl6")
    host = disordered_structure(system, point)
    space = OrderingSpace.from_structure(host)
    structure = space.to_structure(space.lowest_energy(1).occupations[0])
    maker = DiffusionMaker(
        temperatures_k=TEMPERATURES_K,
        supercell=(2, 1, 2),
        schedule=MDSchedule(
            lengths=LengthRule.uniform(length_ps, 1.5),
            time_step_fs=2.0,
            thermostat=Thermostat.BUSSI,
            record_interval_fs=20.0,
            seed=seed,
        ),
        mechanism_maker=MechanismMaker(),
    )
    maker.md_maker.foundation = ModelSource(name=SHIPPED)
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    flow = maker.make(structure, point=point, host=host)
    run_locally(flow, store=store, root_dir=folder, ensure_success=True)
    return Results(store)


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--length-ps", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = run(folder, arguments.length_ps, arguments.seed)
    transport = results.latest(TransportDoc, load=True)
    for one in transport.runs:
        low, high = one.diffusivity_ci95_cm2_per_s
        print(
            f"{one.temperature_k:g} K: {one.verdict.value}, D {one.diffusivity_cm2_per_s:.2e} cm2/s, 95 % within "
            f"{low:.1e} and {high:.1e}; {'; '.join(one.reasons)}"
        )
    if transport.arrhenius is not None:
        print(
            f"E_a {transport.activation_energy_ev:.3f} ± {transport.activation_energy_std_ev:.3f} eV, "
            f"plain fit {transport.arrhenius.plain_activation_energy_ev:.3f} eV: {transport.verdict.value}"
        )
    mechanism = results.latest(MechanismDoc, load=True)
    hottest = mechanism.temperatures[-1].temperature_k
    figures = {
        "msd": plot_msd(transport),
        "arrhenius": plot_arrhenius([transport], references=published_lines("Li3InCl6")),
        "planes": plot_planar_table(transport),
        "density": plot_density(mechanism, hottest),
        "isosurface": plot_isosurface(mechanism, hottest),
        "network": plot_jump_network(mechanism, hottest),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png")


if __name__ == "__main__":
    main()
