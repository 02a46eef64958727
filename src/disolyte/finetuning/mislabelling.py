r"""Whether labels can be those of the frames: held against what the foundation predicts for them.

A foundation knows the sign and the size of forces and stresses, and which frames are high in energy, long before it is
fine-tuned. Wrong signs, wrong units and labels of other frames show at once in correlation and scale:

- forces: correlation over all components, and the ratio of root mean squares;
- stresses: the same over the deviations of each component from its mean over the frames, since functionals differ in
  their equilibrium volume;
- energies: the same over what the composition does not explain (least squares over the elements), per atom.

All splits are looked at: validation frames decide which epoch is kept, test frames what is reported. Where most frames
fit, those that do not are found one by one; see :mod:`disolyte.finetuning.odd_frames`.

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
from disolyte.finetuning.odd_frames import LabelledPair, check_single_frames
from disolyte.models.loaded import LoadedModel

LEAST_CORRELATION: Final = 0.5
LARGEST_RATIO: Final = 5.0
SURE_CORRELATION: Final = 0.8
LARGEST_SURE_RATIO: Final = 2.5
"""Of labels that correlate so well the foundation knows the size, too."""
STANDARD_ERRORS: Final = 3.0
LEAST_VALUES: Final = 30
"""Of fewer numbers nothing is concluded."""
QUIET: Final = {"force": 0.05, "stress": 1e-3, "energy": 2e-3}
"""Root mean square of a prediction, eV/Å, eV/Å³ and eV/atom, below which it is noise and nothing is concluded."""


def check_against_foundation(
    foundation: LoadedModel,
    train: Sequence[Atoms],
    valid: Sequence[Atoms] = (),
    test: Sequence[Atoms] = (),
    *,
    batch_size: int = 16,
) -> None:
    """Refuse labels whose sign, unit or frame is wrong.

    Parameters
    ----------
    foundation
        Model that is to be fine-tuned.
    train, valid, test
        Frames of each split.
    batch_size
        Frames in one pass.

    Raises
    ------
    DatasetError
        Naming the split, the quantity, the values, the limits and the likely mistake.
    """
    splits = {
        name: LabelledPair.predict(foundation, frames, batch_size=batch_size)
        for name, frames in (("training", train), ("validation", valid), ("test", test))
        if len(frames)
    }
    check_single_frames(splits)
    for name, pair in splits.items():
        forces, predicted = np.concatenate(pair.forces), np.concatenate(pair.predicted_forces)
        _compare(name, "force", forces, predicted, "the forces of other frames or atoms")
        stresses = pair.stresses - pair.stresses.mean(axis=0)
        expected = pair.predicted_stresses - pair.predicted_stresses.mean(axis=0)
        _compare(name, "stress", stresses.reshape(-1), expected.reshape(-1), "the stresses of other frames")
        labels, energies, freedom = _beyond_composition(pair)
        if freedom >= LEAST_VALUES:
            _compare(name, "energy", labels, energies, "the energies of other frames, or energies per atom")


def _compare(
    split: str, quantity: str, labels: NDArray[np.float64], predicted: NDArray[np.float64], mistake: str
) -> None:
    label_rms, predicted_rms = (float(np.sqrt(np.mean(np.square(values)))) for values in (labels, predicted))
    if labels.size < LEAST_VALUES or predicted_rms < QUIET[quantity]:
        return
    if label_rms == 0.0:
        raise DatasetError(
            f"all {quantity} labels of the {split} frames are equal, where the foundation sees differences; label the "
            "frames again"
        )
    ratio = label_rms / predicted_rms
    correlation = float(np.mean(labels * predicted)) / (label_rms * predicted_rms)
    error = (1 - correlation**2) / np.sqrt(labels.size)
    largest = LARGEST_SURE_RATIO if abs(correlation) > SURE_CORRELATION and quantity != "energy" else LARGEST_RATIO
    found = None
    if correlation + STANDARD_ERRORS * error < -LEAST_CORRELATION:
        found = "their sign is wrong" + (" (VASP's is positive under compression)" if quantity == "stress" else "")
    elif not 1 / largest < ratio < largest:
        found = "their unit is wrong" + (" (kBar are 1602 times eV/Å³, GPa 160 times)" if quantity == "stress" else "")
    elif correlation + STANDARD_ERRORS * error < LEAST_CORRELATION:
        found = f"they are {mistake}"
    if found:
        raise DatasetError(
            f"{quantity} labels of the {split} frames do not fit their frames: against the foundation's predictions "
            f"their correlation is {correlation:.2f} (at least {LEAST_CORRELATION:g}) and their size {ratio:.3g} times "
            f"(1/{largest:g} to {largest:g}); as it seems, {found}. Correct the labels, or, if they are right and the "
            "foundation knows nothing of this material, set FinetuneOptions(checks_labels=False)"
        )


def _beyond_composition(pair: LabelledPair) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Two energies per atom less their least-squares fits to the composition, and the degrees of freedom left."""
    fits = [np.linalg.lstsq(pair.shares, energies, rcond=1e-8) for energies in (pair.energies, pair.predicted_energies)]
    labels, predicted = pair.energies - pair.shares @ fits[0][0], pair.predicted_energies - pair.shares @ fits[1][0]
    return labels, predicted, len(labels) - int(fits[0][2])
