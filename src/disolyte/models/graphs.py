"""Structures as the graphs that MACE reads, built directly from neighbour lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Neighbours:
    """Directed edges of one structure; :math:`r_j - r_i + S h` is the vector of an edge."""

    positions_ang: NDArray[np.float64]
    """Positions wrapped into the cell, shape (n, 3)."""
    cell_ang: NDArray[np.float64]
    """Lattice vectors h as rows, shape (3, 3), vacuum put in where the structure is not periodic."""
    edges: NDArray[np.int64]
    """Indices i, j, shape (2, n_edges)."""
    offsets: NDArray[np.float64]
    """Whole cells S, shape (n_edges, 3)."""


def find_neighbours(atoms: Atoms, r_max_ang: float) -> Neighbours:
    """All pairs closer than ``r_max_ang``, periodic images included.

    Positions are wrapped into the cell first: in float32 an atom that has travelled a long way would lose digits.
    """
    from matscipy.neighbours import neighbour_list

    positions = atoms.get_positions()
    cell, pbc = np.array(atoms.cell), np.array(atoms.pbc, dtype=bool)
    if not pbc.all():
        cell[~pbc] = _vacuum(atoms, reach_ang=np.ptp(positions, axis=0).max(initial=0.0) + 5 * r_max_ang)[~pbc]
    fractional = positions @ np.linalg.inv(cell)
    positions -= np.where(pbc, np.floor(fractional), 0.0) @ cell
    first, second, offsets = neighbour_list("ijS", cutoff=r_max_ang, positions=positions, cell=cell, pbc=pbc)
    keep = ~((first == second) & (offsets == 0).all(axis=1))
    return Neighbours(positions, cell, np.stack([first[keep], second[keep]]), offsets[keep].astype(float))


def _vacuum(atoms: Atoms, reach_ang: float) -> NDArray[np.float64]:
    """Lattice vectors of length ``reach_ang`` along those of the completed cell."""
    complete = atoms.cell.complete()
    return np.array(complete) / complete.lengths()[:, None] * reach_ang


def batch_graphs(
    structures: Sequence[Atoms],
    *,
    r_max_ang: float,
    species_index: NDArray[np.int64],
    n_species: int,
    device: str,
    dtype: torch.dtype,
) -> dict[str, torch.Tensor]:
    """One batch of disconnected graphs, as :meth:`mace.modules.ScaleShiftMACE.forward` takes it.

    Parameters
    ----------
    structures
        Structures whose elements are all known to the model.
    r_max_ang
        Cutoff of the model.
    species_index
        Index in the model of each atomic number, shape (119,).
    n_species
        Number of elements of the model.
    device, dtype
        Where and in which precision the tensors are made.
    """
    import torch

    parts = [find_neighbours(atoms, r_max_ang) for atoms in structures]
    sizes = np.array([len(atoms) for atoms in structures])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    species = species_index[np.concatenate([atoms.numbers for atoms in structures])]
    tensors = {
        "positions": np.concatenate([part.positions_ang for part in parts]),
        "cell": np.concatenate([part.cell_ang for part in parts]),
        "node_attrs": np.eye(n_species)[species],
        "shifts": np.concatenate([part.offsets @ part.cell_ang for part in parts]),
        "unit_shifts": np.concatenate([part.offsets for part in parts]),
    }
    indices = {
        "edge_index": np.concatenate(
            [part.edges + start for part, start in zip(parts, starts[:-1], strict=True)], axis=1
        ),
        "batch": np.repeat(np.arange(len(sizes)), sizes),
        "ptr": starts,
        "head": np.zeros(len(sizes)),
    }
    return {
        **{key: torch.as_tensor(array, dtype=dtype, device=device) for key, array in tensors.items()},
        **{key: torch.as_tensor(array, dtype=torch.int64, device=device) for key, array in indices.items()},
    }
