r"""Whether labels can be those of the frames: held against what the foundation predicts for them.

A foundation knows the sign and the size of forces and stresses, and which frames are high in energy, long before it is
fine-tuned. Wrong signs, wrong units and labels of other frames show at once in correlation and scale:

- forces: correlation over all components, and the ratio of root mean squares;
- stresses: the same over the deviations of each component from its mean over the frames, since functionals differ in
  their equilibrium volume;
- energies: the same over what the composition does not explain (least squares over the elements), per atom.

MACE-MP and the models shipped here correlate with SCAN-like labels of frames from MD at 800 K at 0.9 and more, and
agree in scale within a factor of 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.errors import DatasetError
from disolyte.models.loaded import LoadedModel

LEAST_CORRELATION: Final = 0.5
LARGEST_RATIO: Final = 5.0
STANDARD_ERRORS: Final = 3.0
LEAST_VALUES: Final = 30
"""Of fewer numbers nothing is concluded."""
MOST_FRAMES: Final = 100
"""Frames that are predicted: enough to tell."""
QUIET: Final = {"force": 0.05, "stress": 1e-3, "energy": 2e-3}
"""Root mean square of a prediction, eV/Å, eV/Å³ and eV/atom, below which it is noise and nothing is concluded."""


def check_against_foundation(foundation: LoadedModel, frames: Sequence[Atoms]) -> None:
    """Refuse labels whose sign, unit or frame is wrong.

    Parameters
    ----------
    foundation
        Model that is to be fine-tuned.
    frames
        Training frames.

    Raises
    ------
    DatasetError
        Naming the quantity, the values, the limits and the likely mistake.
    """
    chosen = frames[:: max(1, len(frames) // MOST_FRAMES)][:MOST_FRAMES]
    predicted = foundation.predict(chosen, batch_size=16)
    forces = np.concatenate([atoms.arrays["REF_forces"] for atoms in chosen])
    _compare("force", forces, np.concatenate(predicted.forces_ev_per_ang), "the forces of other frames or atoms")
    stresses = np.array([np.reshape(atoms.info["REF_stress"], (3, 3)) for atoms in chosen], dtype=float)
    _compare(
        "stress", _deviations(stresses), _deviations(predicted.stresses_ev_per_ang3), "the stresses of other frames"
    )
    energies = np.array([float(atoms.info["REF_energy"]) for atoms in chosen])
    labels, expected, freedom = _beyond_composition(chosen, energies, predicted.energies_ev)
    if freedom >= LEAST_VALUES:
        _compare("energy", labels, expected, "the energies of other frames, or energies per atom")


def _compare(quantity: str, labels: NDArray[np.float64], predicted: NDArray[np.float64], mistake: str) -> None:
    label_rms, predicted_rms = (float(np.sqrt(np.mean(np.square(values)))) for values in (labels, predicted))
    if labels.size < LEAST_VALUES or predicted_rms < QUIET[quantity]:
        return
    if label_rms == 0.0:
        raise DatasetError(
            f"all {quantity} labels are equal, where the foundation sees differences; label the frames again"
        )
    ratio = label_rms / predicted_rms
    correlation = float(np.mean(labels * predicted)) / (label_rms * predicted_rms)
    error = (1 - correlation**2) / np.sqrt(labels.size)
    found = None
    if correlation + STANDARD_ERRORS * error < -LEAST_CORRELATION:
        found = "their sign is wrong" + (" (VASP's is positive under compression)" if quantity == "stress" else "")
    elif not 1 / LARGEST_RATIO < ratio < LARGEST_RATIO:
        found = "their unit is wrong" + (" (kBar are 1602 times eV/Å³, GPa 160 times)" if quantity == "stress" else "")
    elif correlation + STANDARD_ERRORS * error < LEAST_CORRELATION:
        found = f"they are {mistake}"
    if found:
        raise DatasetError(
            f"{quantity} labels do not fit their frames: against the foundation's predictions their correlation is "
            f"{correlation:.2f} (at least {LEAST_CORRELATION:g}) and their size {ratio:.3g} times (1/{LARGEST_RATIO:g} "
            f"to {LARGEST_RATIO:g}); as it seems, {found}. Correct the labels, or, if they are right and the "
            "foundation knows nothing of this material, set FinetuneOptions(checks_labels=False)"
        )


def _deviations(stresses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviation of each component from its mean over the frames, shape (6 n,): one triangle of each tensor."""
    rows, columns = np.triu_indices(3)
    components = stresses[:, rows, columns]
    return (components - components.mean(axis=0)).reshape(-1)


def _beyond_composition(
    frames: Sequence[Atoms], *energies_ev: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Two energies per atom less their least-squares fits to the composition, and the degrees of freedom left."""
    symbols = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    counts = np.array([[atoms.get_chemical_symbols().count(symbol) for symbol in symbols] for atoms in frames])
    sizes = counts.sum(axis=1)
    shares = counts / sizes[:, None]
    rests = []
    rank = 0
    for energies in energies_ev:
        solution, _, rank, _ = np.linalg.lstsq(shares, energies / sizes, rcond=1e-8)
        rests.append(energies / sizes - shares @ solution)
    return rests[0], rests[1], len(frames) - int(rank)
