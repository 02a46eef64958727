"""Labels of CHGNet for the small reference model."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from pymatgen.io.ase import AseAtomsAdaptor

CHGNET_VERSION = "0.3.0"

_BATCHES_IN_MEMORY = 4
"""CHGNet keeps what it computes of all structures of one call, 15 MB for each."""


def label_with_chgnet(frames: list[Atoms], *, version: str = CHGNET_VERSION, batch_size: int = 16) -> list[Atoms]:
    """Copies of ``frames`` with ``REF_energy`` (eV), ``REF_forces`` (eV/Å), ``REF_stress`` (3×3, eV/Å³, ASE's sign)."""
    from chgnet.model import CHGNet

    network = CHGNet.load(model_name=version, use_device="cpu", verbose=False)
    predictions: list[Any] = []
    chunk = batch_size * _BATCHES_IN_MEMORY
    for start in range(0, len(frames), chunk):
        structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in frames[start : start + chunk]]
        predicted: Any = network.predict_structure(structures, task="efs", batch_size=batch_size)
        predictions += predicted if isinstance(predicted, list) else [predicted]
    labelled = []
    for atoms, prediction in zip(frames, predictions, strict=True):
        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        copy.info["REF_energy"] = float(prediction["e"]) * len(atoms)
        copy.info["REF_stress"] = np.asarray(prediction["s"], dtype=np.float64) * units.GPa
        copy.arrays["REF_forces"] = np.asarray(prediction["f"], dtype=np.float64)
        labelled.append(copy)
    return labelled
