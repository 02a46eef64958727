r"""Whether forces and stresses are the derivatives of the energies: what wrong units, signs and orders of atoms break.

Two frames *a* and *b* of one structure family hold the same atoms. On a parabola, and nearly so for close frames of a
crystal, their energies differ by

.. math::
    E_a - E_b = -\tfrac12 \sum_i (\mathbf{F}_i^a + \mathbf{F}_i^b) \cdot \Delta\mathbf{r}_i
                + \tfrac12 (V_a \sigma_a + V_b \sigma_b) : \varepsilon,

with displacements at constant cell and the strain :math:`\varepsilon` between the cells (the trapezoidal rule). Both
slopes of this line are 1 for a parabola; for MD frames at 800 K with labels of CHGNet and of MACE the slope of the
forces is 0.6 to 0.8 and that of the stresses 0.4 to 0.6. A wrong sign makes a slope negative; shuffled forces, energies
per atom and wrong units bring it near zero or far above one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.labelling.labels import LabelledFrame
from disolyte.labelling.schema import LabelConsistency

LARGEST_DISPLACEMENT_ANG: Final = 1.5
MINIMUM_PAIRS: Final = 20
MINIMUM_STRAIN: Final = 0.003


def measure_consistency(frames: Sequence[LabelledFrame]) -> LabelConsistency:
    """Fit the slopes over all close pairs of frames of each family.

    Parameters
    ----------
    frames
        Labelled frames; atoms of a family in the same order.

    Returns
    -------
    LabelConsistency
        Slopes, as far as there are pairs to fit them.
    """
    families: dict[str, list[LabelledFrame]] = {}
    for frame in frames:
        families.setdefault(frame.family, []).append(frame)
    rows = [row for members in families.values() for pair in combinations(members, 2) if (row := _work(*pair))]
    if len(rows) < MINIMUM_PAIRS:
        return LabelConsistency(n_pairs=len(rows))
    energies, by_forces, by_stress, strains = np.array(rows).T
    with_stress = float(np.sqrt(np.mean(strains**2))) > MINIMUM_STRAIN
    works = np.stack([by_forces, by_stress] if with_stress else [by_forces], axis=1)
    slopes, errors = _fit_slopes(works, energies)
    stress = {"stress_slope": slopes[1], "stress_slope_error": errors[1]} if with_stress else {}
    return LabelConsistency(n_pairs=len(rows), force_slope=slopes[0], force_slope_error=errors[0], **stress)


def _work(first: LabelledFrame, second: LabelledFrame) -> tuple[float, float, float, float] | None:
    """Energy difference, work of the forces and of the stresses, eV, and the strain; None if they are not close."""
    if len(first) != len(second) or (first.numbers != second.numbers).any():
        return None
    cells = first.cell_ang, second.cell_ang
    fractions = [np.linalg.solve(frame.cell_ang.T, frame.positions_ang.T).T for frame in (first, second)]
    steps = fractions[0] - fractions[1]
    steps -= np.round(steps)
    if np.abs(steps @ (0.5 * (cells[0] + cells[1]))).max() > LARGEST_DISPLACEMENT_ANG:
        return None
    strain = np.linalg.solve(cells[1], cells[0]) - np.eye(3)
    strain = 0.5 * (strain + strain.T)
    by_forces, by_stress = 0.0, 0.0
    for frame in (first, second):
        by_forces -= 0.5 * float(np.sum(frame.label.forces_ev_per_ang * (steps @ frame.cell_ang)))
        volume = abs(float(np.linalg.det(frame.cell_ang)))
        by_stress += 0.5 * volume * float(np.sum(frame.label.stress_ev_per_ang3 * strain))
    difference = first.label.energy_ev - second.label.energy_ev
    return difference, by_forces, by_stress, float(np.linalg.norm(strain))


def _fit_slopes(works: NDArray[np.float64], energies: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    """Least squares without a constant: exchanging the frames of a pair changes all signs."""
    slopes = np.linalg.lstsq(works, energies, rcond=None)[0]
    residuals = energies - works @ slopes
    variance = float(residuals @ residuals) / max(1, len(energies) - len(slopes))
    covariance = variance * np.linalg.pinv(works.T @ works)
    return slopes.tolist(), np.sqrt(np.diag(covariance)).tolist()
