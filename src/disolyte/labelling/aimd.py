"""Molecular dynamics with the code that makes the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.blobs import Blob
from disolyte.dynamics import Engine, MDProtocol, run_md
from disolyte.errors import LabellingError
from disolyte.labelling.label_settings import task_settings
from disolyte.labelling.schema import AimdDoc
from disolyte.labelling.tasks import reported_failure
from disolyte.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc


def run_aimd(
    atoms: Atoms,
    protocol: MDProtocol,
    calculator: Calculator,
    directory: Path,
    *,
    n_cores: int,
    label_method: str,
    is_surrogate: bool,
    record: dict[str, Any],
) -> AimdDoc:
    """Run, or go on with, molecular dynamics with an ASE calculator.

    Parameters
    ----------
    atoms
        First structure.
    protocol
        Protocol.
    calculator
        ASE calculator of the labels' code.
    directory
        Folder for the trajectory.
    n_cores
        Cores that the calculator uses.
    label_method, is_surrogate
        What the calculator is.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the document.

    Returns
    -------
    AimdDoc
        The run.
    """
    (run,) = run_md([atoms], [protocol], calculator, directory, engine=Engine.ASE)
    return AimdDoc(
        numbers=Blob.from_array(atoms.numbers),
        cell_ang=np.array(atoms.cell).tolist(),
        positions_ang=Blob.from_array(run.positions_ang()),
        energies_ev=Blob.from_array(np.asarray(run.energies_ev)),
        temperatures_k=Blob.from_array(np.asarray(run.temperatures_k)),
        frame_interval_fs=protocol.record_every * protocol.time_step_fs,
        n_steps=int(run.steps[-1]) if run.n_frames else 0,
        protocol=protocol,
        verdict="completed" if run.verdict.completed else str(run.verdict),
        wall_s=float(run.wall_s),
        n_cores=n_cores,
        label_method=label_method,
        is_surrogate=is_surrogate,
        **record,
    )


def aimd_from_task(task: TaskDoc, protocol: MDProtocol, *, record: dict[str, Any]) -> AimdDoc:
    """Molecular dynamics from a VASP task document whose ionic steps were kept.

    Parameters
    ----------
    task
        Task document.
    protocol
        Protocol that the inputs were made from.
    record
        ``uuid``, ``provenance`` and ``caveats`` of the document.

    Returns
    -------
    AimdDoc
        The run; atoms are in VASP's order.

    Raises
    ------
    LabellingError
        If the run failed or its steps are not in the document.
    """
    failure = reported_failure(task)
    calculation = task.calcs_reversed[0] if task.calcs_reversed else None
    steps = getattr(getattr(calculation, "output", None), "ionic_steps", None) or []
    if failure is not None or not steps:
        reason = failure.reason if failure is not None else "the task document holds no ionic steps"
        raise LabellingError(f"the AIMD run left no trajectory: {reason}; look into {task.dir_name}")
    structures = [step.structure for step in steps]
    kinetic = np.array([float(getattr(step, "kinetic", None) or np.nan) for step in steps])
    n_atoms = len(structures[0])
    stats = (task.run_stats or {}).get("overall")
    return AimdDoc(
        numbers=Blob.from_array(np.array(structures[0].atomic_numbers)),
        cell_ang=structures[0].lattice.matrix.tolist(),
        positions_ang=Blob.from_array(unwrap(structures)),
        energies_ev=Blob.from_array(np.array([float(step.e_fr_energy) for step in steps])),
        temperatures_k=Blob.from_array(2 * kinetic / (3 * max(1, n_atoms - 1) * BOLTZMANN_EV_PER_K)),
        frame_interval_fs=protocol.time_step_fs,
        n_steps=len(steps),
        protocol=protocol,
        verdict="completed"
        if len(steps) >= protocol.n_steps
        else f"ended after {len(steps)} of {protocol.n_steps} steps",
        wall_s=float(getattr(stats, "elapsed_time", None) or np.nan),
        n_cores=int(getattr(stats, "cores", None) or 1),
        label_method=task_settings(task).label_method,
        is_surrogate=False,
        **record,
    )


def unwrap(structures: Sequence[Structure]) -> NDArray[np.float64]:
    """Cartesian positions (n_frames, n_atoms, 3) without jumps across the cell's border, Å.

    Frames must be close enough that no atom moves half a cell between two of them; the cell is constant.
    """
    fractions = np.array([structure.frac_coords for structure in structures])
    moves = np.diff(fractions, axis=0)
    moves -= np.round(moves)
    paths = np.concatenate([fractions[:1], fractions[:1] + np.cumsum(moves, axis=0)])
    return np.asarray(paths @ structures[0].lattice.matrix, dtype=float)
