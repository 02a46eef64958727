"""Labels of CHGNet for the small reference model."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from pymatgen.io.ase import AseAtomsAdaptor

CHGNET_VERSION = "0.3.0"


def label_with_chgnet(frames: list[Atoms], *, version: str = CHGNET_VERSION, batch_size: int = 4) -> list[Atoms]:
    """Copies of ``frames`` with ``REF_energy`` (eV), ``REF_forces`` (eV/Å), ``REF_stress`` (3×3, eV/Å³, ASE's sign).

    CHGNet takes some 0.2 GB for each structure of a batch.
    """
    from chgnet.model import CHGNet

    network = CHGNet.load(model_name=version, use_device="cpu", verbose=False)
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in frames]
    predictions: Any = network.predict_structure(structures, task="efs", batch_size=batch_size)
    labelled = []
    for atoms, prediction in zip(frames, predictions, strict=True):
        copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        copy.info["REF_energy"] = float(prediction["e"]) * len(atoms)
        copy.info["REF_stress"] = np.asarray(prediction["s"], dtype=np.float64) * units.GPa
        copy.arrays["REF_forces"] = np.asarray(prediction["f"], dtype=np.float64)
        labelled.append(copy)
    return labelled
