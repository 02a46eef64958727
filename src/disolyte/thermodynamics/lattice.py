"""Lattice constants of a supercell's structure, in the setting of the parent.

Orderings of one composition come in supercells of different shape, and relaxation distorts each in its own way. Lattice
constants of compositions can be compared once all are told in the parent's cell: the relaxed vectors L of the supercell
S are those of a strained parent, S⁻¹L. What is left of the distortion by the ordering is averaged over the symmetry of
the parent's lattice, as it is in a crystal of many domains.
"""

from __future__ import annotations

import numpy as np
import spglib
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.thermodynamics.schema import LatticeConstants, ParentSetting


def lattice_constants(
    structure: Structure, *, n_formula_units: float, parent: ParentSetting | None
) -> LatticeConstants:
    r"""Lattice constants of the strained parent.

    The metric tensor :math:`G = L L^T` of the strained parent is averaged over the rotations W of the parent's lattice,
    :math:`\bar G = \frac{1}{|W|} \sum_W W^T G W`: a hexagonal parent keeps a = b and γ = 120°.

    Parameters
    ----------
    structure
        Ordered structure in a supercell of the parent.
    n_formula_units
        Formula units in the structure.
    parent
        The supercell and the parent's lattice. Without it the structure's own cell is told, as it is.
    """
    vectors = np.array(structure.lattice.matrix)
    if parent is not None:
        vectors = np.linalg.inv(np.array(parent.supercell, dtype=float)) @ vectors
        rotations = _lattice_rotations(np.array(parent.lattice_ang))
    else:
        rotations = np.eye(3, dtype=int)[None]
    metric = vectors @ vectors.T
    metric = np.einsum("wji,jk,wkl->il", rotations, metric, rotations) / len(rotations)
    a, b, c = np.sqrt(np.diag(metric))
    cosines = (metric[1, 2] / (b * c), metric[0, 2] / (a * c), metric[0, 1] / (a * b))
    alpha, beta, gamma = (float(np.degrees(np.arccos(cosine))) for cosine in cosines)
    return LatticeConstants(
        a_ang=float(a),
        b_ang=float(b),
        c_ang=float(c),
        alpha_deg=alpha,
        beta_deg=beta,
        gamma_deg=gamma,
        volume_ang3_per_fu=structure.volume / n_formula_units,
        setting="parent" if parent is not None else "supercell",
    )


def _lattice_rotations(lattice_ang: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rotations that map the lattice on itself, in its own basis, shape (n, 3, 3)."""
    symmetry = spglib.get_symmetry((lattice_ang.tolist(), [[0.0, 0.0, 0.0]], [1]), symprec=1e-3)
    return np.eye(3, dtype=np.int64)[None] if symmetry is None else np.asarray(symmetry["rotations"], dtype=np.int64)
