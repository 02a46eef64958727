"""From trajectories to what they say of a model's stability."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte.blobs import Blob
from disolyte.dynamics import MDRun
from disolyte.errors import InputError, StructureError
from disolyte.finetuning.stability.contacts import shortest_distances_ang
from disolyte.finetuning.stability.schema import PairApproach, PairFloor, StabilityRun
from disolyte.thermodynamics.schema import SelectedStructure
from disolyte.units import BOLTZMANN_EV_PER_K


def as_systems(structures: Sequence[Structure | SelectedStructure]) -> list[Atoms]:
    """Structures as ASE atoms, with ``family`` and ``composition`` in their ``info``.

    Raises
    ------
    InputError
        If there are none.
    StructureError
        If one is disordered.
    """
    if not structures:
        raise InputError("there are no structures to run: give at least one")
    systems = []
    for index, item in enumerate(structures):
        structure = item if isinstance(item, Structure) else item.structure
        formula = structure.composition.reduced_formula
        family = f"{formula}-{index:03d}" if isinstance(item, Structure) else item.family
        if not structure.is_ordered:
            raise StructureError(f"{family} is disordered; MD needs orderings, such as EnumerationMaker makes")
        bare = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms = Atoms(bare.numbers, bare.positions, cell=np.array(bare.cell), pbc=True)
        atoms.info |= {"family": family, "composition": formula}
        systems.append(atoms)
    return systems


def judge_run(system: Atoms, run: MDRun, floors: Sequence[PairFloor]) -> StabilityRun:
    """What one trajectory says.

    Parameters
    ----------
    system
        Structure it started from, as :func:`as_systems` makes it.
    run
        The trajectory.
    floors
        Distances that pairs of elements should not fall below.
    """
    n_atoms = len(system)
    kinetic_ev = 0.5 * (3 * n_atoms - 3) * BOLTZMANN_EV_PER_K * run.temperatures_k
    times_ps = 1e-3 * run.times_fs
    total = (run.energies_ev + kinetic_ev) / n_atoms
    start, shortest = shortest_distances_ang([system]), shortest_distances_ang(_frames(system, run))
    potential = run.energies_ev / n_atoms
    return StabilityRun(
        family=str(system.info["family"]),
        composition=str(system.info["composition"]),
        n_atoms=n_atoms,
        verdict=run.verdict,
        simulated_ps=1e-3 * run.verdict.step * run.protocol.time_step_fs,
        energy_drift_ev_per_atom_per_ps=float(np.polyfit(times_ps, total, 1)[0]) if len(total) > 2 else None,
        largest_energy_change_ev_per_atom=float(np.abs(potential - potential[0]).max()) if len(potential) else 0.0,
        mean_temperature_k=float(run.temperatures_k.mean()) if len(total) else 0.0,
        pairs=[
            PairApproach(floor=floor, start_ang=start[floor.elements], shortest_ang=shortest[floor.elements])
            for floor in floors
            if floor.elements in shortest
        ],
        energies_ev_per_atom=Blob.from_array(
            np.stack([times_ps, total - total[0]]) if len(total) else np.zeros((2, 0))
        ),
    )


def _frames(system: Atoms, run: MDRun) -> Iterator[Atoms]:
    yield system
    for chunk in run.iter_chunks():
        for positions_ang in chunk.positions_ang:
            yield Atoms(run.numbers, positions_ang, cell=run.cell_ang, pbc=run.pbc)
