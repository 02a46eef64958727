"""What a model sees of a structure, as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.models.loaded import LoadedModel

if TYPE_CHECKING:
    import torch


def describe_structures(model: LoadedModel, structures: Sequence[Atoms], batch_size: int = 32) -> NDArray[np.float64]:
    """Invariant features of MACE's nodes, averaged over the atoms of each element.

    They do not change when a structure is turned, shifted, or when atoms of one element are exchanged.

    Parameters
    ----------
    model
        The model.
    structures
        Structures of any sizes.
    batch_size
        Structures in one pass.

    Returns
    -------
    ndarray
        Shape (n_structures, n_elements × n_features), with the elements that occur, by atomic number; zeros for an
        element that a structure has not.

    Raises
    ------
    ModelCoverageError
        If an element is unknown to the model.
    """
    model.check_elements(structures)
    columns = _invariant_columns(model.module)
    present = sorted({int(number) for atoms in structures for number in np.unique(atoms.numbers)})
    rows = np.zeros((len(structures), len(present), len(columns)))
    for start in range(0, len(structures), batch_size):
        batch = structures[start : start + batch_size]
        features = model.evaluate(batch, stress=False, forces=False)["node_feats"].detach().cpu().numpy()[:, columns]
        ends = np.cumsum([len(atoms) for atoms in batch])[:-1]
        for offset, (atoms, part) in enumerate(zip(batch, np.split(features, ends), strict=True)):
            for number in np.unique(atoms.numbers):
                rows[start + offset, present.index(int(number))] = part[atoms.numbers == number].mean(axis=0)
    return rows.reshape(len(structures), -1)


def _invariant_columns(module: torch.nn.Module) -> list[int]:
    """Columns of the scalars among the node features of all layers."""
    columns: list[int] = []
    start = 0
    for product in module.get_submodule("products").children():
        irreps: Any = product.get_submodule("linear").irreps_out
        for part, (multiplicity, irrep) in zip(irreps.slices(), irreps, strict=True):
            if irrep.l == 0:
                columns += range(start + part.start, start + part.start + multiplicity)
        start += irreps.dim
    return columns
