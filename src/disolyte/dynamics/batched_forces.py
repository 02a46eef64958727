"""A MACE model behind torch-sim's model interface, with neighbour lists that live for several steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from ase import Atoms
from torch_sim.models.interface import ModelInterface

from disolyte.models.graphs import find_neighbours

if TYPE_CHECKING:
    from torch_sim.state import SimState

    from disolyte.models import LoadedModel

_SKIN_ANG: Final = 0.8
"""Neighbours are listed this much beyond the cutoff, and again once an atom has moved half of it."""


class BatchedForces(ModelInterface):
    """Energies and forces of all systems of a batch in one pass.

    Positions, cells and results are float64, whatever the precision of the network, and may leave the cell: drift and
    rounding are then those of ASE.

    Parameters
    ----------
    model
        The model.
    structures
        Systems of the batch; elements and cells are taken from here.
    """

    def __init__(self, model: LoadedModel, structures: list[Atoms]) -> None:
        super().__init__()
        self._network: torch.nn.Module = model.module
        self._device = torch.device(model.device)
        self._dtype = torch.float64
        self._compute_stress = False
        self._compute_forces = True
        self._r_max_ang = model.r_max_ang
        self._network_dtype = next(model.module.parameters()).dtype
        self._structures = structures
        self._graph = self._fixed_part()
        self._listed_at: torch.Tensor | None = None

    def _fixed_part(self) -> dict[str, torch.Tensor]:
        sizes = torch.tensor([len(atoms) for atoms in self._structures])
        numbers = torch.tensor(np.concatenate([atoms.numbers for atoms in self._structures]))
        species = torch.as_tensor(self._network.atomic_numbers).cpu()
        cell = torch.tensor(np.concatenate([np.array(atoms.cell) for atoms in self._structures]))
        fixed = {
            "ptr": torch.cat([torch.zeros(1, dtype=torch.int64), torch.cumsum(sizes, 0)]),
            "batch": torch.repeat_interleave(torch.arange(len(sizes)), sizes),
            "node_attrs": (numbers[:, None] == species[None, :]).to(self._network_dtype),
            "cell": cell.to(self._network_dtype),
            "head": torch.zeros(len(sizes), dtype=torch.int64),
        }
        return {key: tensor.to(self._device) for key, tensor in fixed.items()}

    def _list_neighbours(self, positions: torch.Tensor) -> None:
        """List pairs within cutoff and skin, and the whole cells that wrap each atom back at this moment."""
        edges, offsets, home, start = [], [], [], 0
        coordinates = positions.detach().cpu().numpy()
        for atoms in self._structures:
            moved = Atoms(atoms.numbers, coordinates[start : start + len(atoms)], cell=atoms.cell, pbc=True)
            found = find_neighbours(moved, self._r_max_ang + _SKIN_ANG)
            edges.append(found.edges + start)
            offsets.append((found.offsets, found.offsets @ found.cell_ang))
            home.append(found.positions_ang - moved.positions)
            start += len(atoms)
        self._edges = torch.tensor(np.concatenate(edges, axis=1), dtype=torch.int64, device=self._device)
        units, shifts = (np.concatenate(parts) for parts in zip(*offsets, strict=True))
        self._unit_shifts = torch.tensor(units, dtype=self._network_dtype, device=self._device)
        self._shifts = torch.tensor(shifts, dtype=self._network_dtype, device=self._device)
        self._home = torch.tensor(np.concatenate(home), device=self._device)
        self._listed_at = positions.clone()

    def forward(self, state: SimState, **_: object) -> dict[str, torch.Tensor]:
        """Energies (n_systems,) and forces (n_atoms, 3), eV and eV/Å.

        Parameters
        ----------
        state
            Batch of the systems that the model was set up for, with unwrapped positions.
        """
        positions = state.positions
        moved = None if self._listed_at is None else (positions - self._listed_at).square().sum(dim=1).max()
        if moved is None or moved > (_SKIN_ANG / 2) ** 2:
            self._list_neighbours(positions)
        home = (positions + self._home).to(self._network_dtype)
        vectors = home[self._edges[1]] - home[self._edges[0]] + self._shifts
        near = vectors.square().sum(dim=1) < self._r_max_ang**2
        graph = {
            **self._graph,
            "positions": home,
            "edge_index": self._edges[:, near],
            "shifts": self._shifts[near],
            "unit_shifts": self._unit_shifts[near],
        }
        output = self._network(graph, training=False, compute_force=True, compute_stress=False)
        return {
            "energy": output["energy"].detach().to(torch.float64),
            "forces": output["forces"].detach().to(torch.float64),
        }
