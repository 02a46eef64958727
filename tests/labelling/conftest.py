"""Frames with labels of which everything is known."""

import numpy as np
import pytest

from disolyte.blobs import Blob
from disolyte.labelling.labels import Label, build_label_doc
from disolyte.sampling.schema import FrameBatch

ATOM_ENERGIES_EV = {3: -1.5, 17: -4.0, 35: -3.0, 49: -2.5}


def make_frame(*, numbers, family, composition, md_step, seed):
    """One cubic frame: atoms on a grid of 2.6 Å, rattled."""
    rng = np.random.default_rng(seed)
    n = len(numbers)
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.array([[i, j, k] for i in range(side) for j in range(side) for k in range(side)], dtype=float)[:n]
    return FrameBatch(
        numbers=Blob.from_array(np.array(numbers, dtype=np.int16)),
        positions_ang=Blob.from_array(2.6 * grid + rng.normal(0, 0.05, (n, 3))),
        cells_ang=Blob.from_array(np.eye(3)[None] * 2.6 * side),
        n_atoms=Blob.from_array(np.array([n], dtype=np.int32)),
        family=[family],
        composition=[composition],
        md_step=[md_step],
        strain=[[0.0] * 6],
    )


def make_label(numbers, seed):
    """Energy of the free atoms plus 20 meV/atom of noise; forces that sum to zero; a symmetric stress."""
    rng = np.random.default_rng(1000 + seed)
    energy = sum(ATOM_ENERGIES_EV[number] for number in numbers) + 0.02 * len(numbers) * rng.standard_normal()
    forces = rng.standard_normal((len(numbers), 3))
    stress = 0.01 * rng.standard_normal((3, 3))
    return Label(energy, forces - forces.mean(axis=0), stress + stress.T)


COMPOSITIONS = {
    "Li3InCl6": [3] * 3 + [49] + [17] * 6,
    "Li3InBr6": [3] * 3 + [49] + [35] * 6,
    "LiCl": [3, 17] * 4,
}


def make_doc(families=4, frames=5, *, change=None, method="VASP SCAN, ENCUT 520 eV", is_surrogate=False):
    """Label document with ``families`` per composition and ``frames`` per family.

    ``change(index, label)`` may replace the label of frame ``index``.
    """
    batches, labels = [], []
    for composition, numbers in COMPOSITIONS.items():
        for family in range(families):
            for step in range(frames):
                index = len(batches)
                label = make_label(numbers, index)
                labels.append(change(index, label) if change else label)
                name = f"{composition}-{family:03d}"
                batches.append(
                    make_frame(numbers=numbers, family=name, composition=composition, md_step=100 * step, seed=index)
                )
    return build_label_doc(
        FrameBatch.concatenate(batches), labels, label_method=method, is_surrogate=is_surrogate, record={"caveats": []}
    )


@pytest.fixture(name="make_doc")
def make_doc_fixture():
    """The function that makes label documents."""
    return make_doc
