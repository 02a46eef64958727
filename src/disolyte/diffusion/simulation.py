"""What surrounds the MD of one composition: checks before it, the cell, and the frames that are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.blobs import Blob
from disolyte.diffusion.analysis import analyse_displacements
from disolyte.diffusion.displacements import MIN_FRAMES
from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.lengthening import LengthenedRun
from disolyte.diffusion.schedule import MDSchedule, MobileIon, find_mobile_ion
from disolyte.diffusion.schema import RunFrames, RunRecord
from disolyte.errors import StructureError, TransportError


def identify_mobile(structure: Structure, mobile: MobileIon | None) -> MobileIon:
    """Mobile ion of an ordered structure: the given one once it is found in it, else the usual one.

    Raises
    ------
    TransportError
        If the ion is not in the structure, or none is given and none of the usual ones is.
    StructureError
        If the structure is disordered.
    """
    if not structure.is_ordered:
        raise StructureError(
            f"{structure.composition.formula} has partial occupancies; MD needs an ordering, such as EnumerationMaker "
            "makes"
        )
    elements = [element.symbol for element in structure.composition.elements]
    if mobile is None:
        return find_mobile_ion(elements)
    if mobile.element not in elements:
        raise TransportError(f"no mobile ions: {mobile.element} is not in {structure.composition.formula}")
    return mobile


def check_request(
    temperatures_k: Sequence[float], supercell: Sequence[int], schedule: MDSchedule, mobile: MobileIon | None
) -> None:
    """Check what can be checked before a structure is known.

    Parameters
    ----------
    temperatures_k, supercell, schedule, mobile
        As given to :class:`~disolyte.diffusion.makers.DiffusionMaker`.

    Raises
    ------
    TransportError
        For temperatures that are not positive or repeated, a bad supercell, runs too short for a single diffusivity, or
        a neutral mobile ion.
    """
    if mobile is not None and mobile.charge == 0:
        raise TransportError(f"the mobile ion {mobile.element} has charge 0 and carries no current; give its charge")
    if not temperatures_k or any(not np.isfinite(t) or t <= 0 for t in temperatures_k):
        raise TransportError(f"temperatures_k must be one or more temperatures above 0 K, not {list(temperatures_k)}")
    if len(set(temperatures_k)) < len(temperatures_k):
        raise TransportError(f"temperatures_k {list(temperatures_k)} repeat; for several runs raise schedule.n_seeds")
    if len(supercell) != 3 or any(int(n) != n or n < 1 for n in supercell):
        raise TransportError(f"supercell must be three whole numbers from 1 up, not {tuple(supercell)}")
    for temperature_k in temperatures_k:
        lengths = schedule.lengths
        kept_fs = 1000 * (lengths.length_ps(temperature_k) - lengths.discard_ps(temperature_k))
        if kept_fs / schedule.record_interval_fs < MIN_FRAMES:
            raise TransportError(
                f"{kept_fs / 1000:g} ps at {temperature_k:g} K with a frame every {schedule.record_interval_fs:g} fs "
                f"leave fewer than {MIN_FRAMES} frames; run longer, or record more often"
            )


def build_supercell(structure: Structure, supercell: Sequence[int]) -> tuple[Structure, Atoms]:
    """Supercell without charges and site properties, as a structure and as ASE atoms in the same order."""
    symbols = [site.specie.symbol for site in structure]
    bare = Structure(structure.lattice, symbols, structure.frac_coords)
    bare.make_supercell([int(n) for n in supercell])
    atoms = Atoms(list(bare.atomic_numbers), bare.cart_coords, cell=bare.lattice.matrix, pbc=True)
    return bare, atoms


def production(run: LengthenedRun, discard_ps: float) -> NDArray[np.bool_]:
    """Frames after equilibration, shape (n_frames,)."""
    return run.times_fs >= discard_ps * 1000 - 1e-6


def meets_target(runs: list[LengthenedRun], cell: Structure, mobile: MobileIon, schedule: MDSchedule) -> bool:
    """Whether the runs of one temperature are known well enough, or can no longer become so.

    Runs that broke, and a framework that melted, do not get better by going on.
    """
    if schedule.target is None or not all(run.last.verdict.completed for run in runs):
        return True
    protocol = runs[0].last.protocol
    kept = [
        run.joined(lambda segment: segment.positions_ang())[
            production(run, schedule.lengths.discard_ps(protocol.temperature_k))
        ]
        for run in runs
    ]
    if min(len(positions) for positions in kept) < MIN_FRAMES:
        return False
    result = analyse_displacements(
        kept,
        [site.specie.symbol for site in cell],
        cell.lattice.matrix,
        mobile=mobile.element,
        charge=mobile.charge,
        frame_interval_fs=protocol.record_every * protocol.time_step_fs,
        temperature_k=protocol.temperature_k,
    )
    is_known = result.diffusivity_relative_error <= schedule.target.relative_error
    return not result.framework_is_bounded or (result.verdict is Verdict.CONVERGED and is_known)


def collect_run(run: LengthenedRun, discard_ps: float) -> RunFrames:
    """Frames of one run after ``discard_ps``, and how it went."""
    times_fs, last = run.times_fs, run.last
    kept = production(run, discard_ps)
    positions = run.joined(lambda segment: segment.positions_ang())[kept]
    interval_fs = last.protocol.record_every * last.protocol.time_step_fs
    drift = None
    if kept.sum() > 1:
        energies = run.joined(lambda segment: segment.energies_ev)[kept]
        drift = float(np.polyfit(times_fs[kept] / 1000, energies, 1)[0] / len(last.numbers))
    temperatures = run.joined(lambda segment: segment.temperatures_k)[kept]
    record = RunRecord(
        temperature_k=last.protocol.temperature_k,
        seed=run.segments[0].protocol.seed,
        verdict=last.verdict,
        engine=str(last.engine),
        n_steps=sum(segment.protocol.n_steps for segment in run.segments),
        n_segments=len(run.segments),
        time_step_fs=last.protocol.time_step_fs,
        frame_interval_fs=interval_fs,
        discarded_ps=discard_ps,
        n_frames=len(positions),
        mean_temperature_k=float(temperatures.mean()) if len(positions) else None,
        energy_drift_ev_per_atom_per_ps=drift,
        wall_s=sum(segment.wall_s for segment in run.segments),
    )
    return RunFrames(record=record, positions_ang=Blob.from_array(positions.astype(np.float32)))
