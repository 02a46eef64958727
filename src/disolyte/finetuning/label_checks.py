"""Whether a single labelled frame can be trained on, by its own numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from disolyte.errors import DatasetError

NET_FORCE_EV_PER_ANG: Final = 0.5
"""Largest sum of all forces of a cell: that of the gate which datasets pass."""
LEAST_VOLUME_ANG3: Final = 1.0
"""Smallest volume per atom; hydrogen under the pressure of Jupiter has about as much."""
LEAST_HEIGHT_ANG: Final = 0.5
"""Smallest distance of opposite faces of a cell: neighbours in flatter ones cannot be counted."""
SHORTEST_ANG: Final = 0.5
"""Atoms that are nearer are on top of each other; the molecule H2 has 0.74 Å."""
ASYMMETRY: Final = (1e-3, 0.02)
"""Largest difference of opposite stress components: eV/Å³, and part of the largest component."""


def check_labels(atoms: Atoms) -> None:
    """Refuse a frame with a broken cell, colliding atoms, or labels that are missing, not numbers or misshapen.

    Raises
    ------
    DatasetError
        Naming the frame's formula and what is wrong with it.
    """
    formula = atoms.get_chemical_formula()
    if not ("REF_energy" in atoms.info and "REF_forces" in atoms.arrays and "REF_stress" in atoms.info):
        raise DatasetError(f"a frame of {formula} lacks REF_energy, REF_forces or REF_stress; label it again")
    parts = {
        "energy": (atoms.info["REF_energy"], ()),
        "forces": (atoms.arrays["REF_forces"], (len(atoms), 3)),
        "stress": (atoms.info["REF_stress"], None),
        "positions": (atoms.positions, (len(atoms), 3)),
        "cell": (np.array(atoms.cell), (3, 3)),
    }
    for name, (content, shape) in parts.items():
        try:
            values = np.asarray(content, dtype=float)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"the {name} of a frame of {formula} is {content!r}, no number; label it again"
            ) from error
        if shape is not None and values.shape != shape:
            raise DatasetError(
                f"the {name} of a frame of {formula} has shape {values.shape}, not {shape}; label it again"
            )
        if not np.isfinite(values).all():
            raise DatasetError(f"a frame of {formula} has a {name} value that is NaN or infinite; label it again")
    _check_stress(atoms, formula)
    _check_geometry(atoms, formula)
    net = float(np.linalg.norm(np.sum(atoms.arrays["REF_forces"], axis=0)))
    if net > NET_FORCE_EV_PER_ANG:
        raise DatasetError(
            f"the forces of a frame of {formula} add up to {net:.2g} eV/Å, more than {NET_FORCE_EV_PER_ANG:g}: they "
            "are those of other frames, or not in eV/Å; label it again"
        )


def _check_stress(atoms: Atoms, formula: str) -> None:
    stress = np.asarray(atoms.info["REF_stress"], dtype=float)
    if stress.size != 9:
        raise DatasetError(
            f"REF_stress of a frame of {formula} has {stress.size} components, 9 are needed: the order of six differs "
            "between codes. Write the 3 × 3 tensor (ase.stress.voigt_6_to_full_3x3_stress), or let 'disolyte dataset "
            "import' do it"
        )
    stress = stress.reshape(3, 3)
    difference = float(np.abs(stress - stress.T).max())
    limit = ASYMMETRY[0] + ASYMMETRY[1] * float(np.abs(stress).max())
    if difference > limit:
        raise DatasetError(
            f"REF_stress of a frame of {formula} is not symmetric: opposite components differ by {difference:.2g} "
            f"eV/Å³, at most {limit:.2g}; label it again"
        )


def _check_geometry(atoms: Atoms, formula: str) -> None:
    volume = abs(float(np.linalg.det(atoms.cell)))
    faces = [np.linalg.norm(np.cross(atoms.cell[i - 2], atoms.cell[i - 1])) for i in range(3)]
    height = volume / max(faces) if max(faces) > 0 else 0.0
    if volume < LEAST_VOLUME_ANG3 * len(atoms) or height < LEAST_HEIGHT_ANG:
        raise DatasetError(
            f"the cell of a frame of {formula} has {volume / len(atoms):.2g} Å³ per atom (at least "
            f"{LEAST_VOLUME_ANG3:g}) and a height of {height:.2g} Å (at least {LEAST_HEIGHT_ANG:g}); correct the cell"
        )
    if not atoms.pbc.all():
        raise DatasetError(f"a frame of {formula} is not periodic in all directions; set pbc=True, or leave it out")
    if len(near := neighbor_list("d", atoms, SHORTEST_ANG)):
        raise DatasetError(
            f"two atoms of a frame of {formula} are {near.min():.2g} Å apart, less than {SHORTEST_ANG:g}: they "
            "collide; leave the frame out"
        )
