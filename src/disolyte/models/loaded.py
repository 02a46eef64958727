"""A model ready to be used: energies, forces and stresses of many structures, or an ASE calculator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from disolyte.errors import InputError, ModelCoverageError
from disolyte.models.graphs import batch_graphs

if TYPE_CHECKING:
    import torch
    from ase.calculators.calculator import Calculator


@dataclass(frozen=True)
class Predictions:
    """What a model says of a list of structures, in their order."""

    energies_ev: NDArray[np.float64]
    """Potential energies, shape (n,)."""
    forces_ev_per_ang: list[NDArray[np.float64]]
    """Forces, one array of shape (n_atoms, 3) per structure."""
    stresses_ev_per_ang3: NDArray[np.float64]
    """Stresses in ASE's sign, shape (n, 3, 3)."""


class LoadedModel:
    """One head of a MACE model on a device.

    Parameters
    ----------
    module
        Single-head ``ScaleShiftMACE``; it is moved to ``device`` and cast to ``dtype``.
    name
        Name under which documents and messages speak of it.
    sha256
        Hash that identifies it.
    caveats
        What a reader of any number from it must know.
    device
        torch device, e.g. ``"cpu"`` or ``"cuda"``.
    dtype
        ``"float32"`` or ``"float64"``.

    Attributes
    ----------
    module
        The torch module, for engines that drive it themselves.
    elements
        Symbols of the elements it was made for, by atomic number.
    r_max_ang
        Cutoff.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        name: str,
        sha256: str,
        caveats: Iterable[str] = (),
        device: str = "cpu",
        dtype: str = "float32",
    ) -> None:
        import torch

        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype {dtype!r} is not known; use 'float32' or 'float64'")
        self.name = name
        self.sha256 = sha256
        self.caveats = list(caveats)
        self.device = device
        self.dtype = dtype
        self._torch_dtype = getattr(torch, dtype)
        self.module = module.to(device=device, dtype=self._torch_dtype).eval()
        self.module.requires_grad_(requires_grad=False)
        numbers = self.module.get_buffer("atomic_numbers").tolist()
        self.elements = tuple(chemical_symbols[z] for z in sorted(numbers))
        self.r_max_ang = float(self.module.get_buffer("r_max"))
        self._species_index = np.full(len(chemical_symbols), -1, dtype=np.int64)
        self._species_index[numbers] = np.arange(len(numbers))

    def __repr__(self) -> str:
        """Name, hash, device and precision."""
        return f"LoadedModel({self.name!r}, sha256={self.sha256[:12]}…, device={self.device!r}, dtype={self.dtype!r})"

    def check_elements(self, structures: Iterable[Atoms]) -> None:
        """Refuse elements which the model was not made for.

        Raises
        ------
        ModelCoverageError
            Naming the elements, the model's elements and the remedy.
        """
        present = {symbol for atoms in structures for symbol in set(atoms.get_chemical_symbols())}
        if missing := sorted(present - set(self.elements)):
            raise ModelCoverageError(
                f"model {self.name!r} was not made for {', '.join(missing)}; it knows {', '.join(self.elements)}. "
                "Choose a foundation model that covers them, e.g. ModelSource(name='medium') (MACE-MP-0a, 89 elements)"
            )

    def predict(self, structures: Sequence[Atoms], batch_size: int = 32) -> Predictions:
        """Energies, forces and stresses of many structures.

        Structures of like size share a batch, so that memory is bounded by the largest ``batch_size`` of them.

        Parameters
        ----------
        structures
            Structures of any sizes.
        batch_size
            Structures in one pass.

        Raises
        ------
        ModelCoverageError
            If an element is unknown to the model.
        """
        self.check_elements(structures)
        energies = np.empty(len(structures))
        forces: list[NDArray[np.float64]] = [np.empty((0, 3))] * len(structures)
        stresses = np.empty((len(structures), 3, 3))
        order = np.argsort([len(atoms) for atoms in structures], kind="stable")
        for start in range(0, len(order), batch_size):
            chunk = order[start : start + batch_size]
            output = self.evaluate([structures[i] for i in chunk], stress=True)
            energies[chunk] = _numpy(output["energy"])
            stresses[chunk] = _numpy(output["stress"])
            ends = np.cumsum([len(structures[i]) for i in chunk])
            for i, part in zip(chunk, np.split(_numpy(output["forces"]), ends[:-1]), strict=True):
                forces[i] = part
        return Predictions(energies, forces, stresses)

    def predict_energies(self, structures: Sequence[Atoms], max_atoms: int = 512) -> NDArray[np.float64]:
        """Energies alone of many structures, in a fraction of the time that forces and stresses take with them.

        Parameters
        ----------
        structures
            Structures of any sizes.
        max_atoms
            Atoms in one pass, all structures together; a larger structure has a pass of its own.

        Returns
        -------
        ndarray
            Potential energies, eV, shape (n,).

        Raises
        ------
        ModelCoverageError
            If an element is unknown to the model.
        """
        self.check_elements(structures)
        energies = np.empty(len(structures))
        for batch in batch_by_atoms([len(atoms) for atoms in structures], max_atoms):
            output = self.evaluate([structures[i] for i in batch], stress=False, forces=False)
            energies[batch] = _numpy(output["energy"])
        return energies

    def evaluate(self, structures: Sequence[Atoms], *, stress: bool, forces: bool = True) -> dict[str, torch.Tensor]:
        """One pass of the network over all ``structures`` at once.

        Parameters
        ----------
        structures
            Structures whose elements the model knows.
        stress
            Whether to compute stresses.
        forces
            Whether to compute forces; stresses need them.

        Returns
        -------
        dict
            ``energy`` (n,) and, if asked for, ``forces`` (all atoms, 3) and ``stress`` (n, 3, 3), as torch tensors.
        """
        import torch

        graph = batch_graphs(
            structures,
            r_max_ang=self.r_max_ang,
            species_index=self._species_index,
            n_species=len(self.elements),
            device=self.device,
            dtype=self._torch_dtype,
        )
        # TorchScript's optimiser takes seconds at the first calls, changes last digits with them, and gains nothing.
        with torch.jit.optimized_execution(False), torch.set_grad_enabled(forces):  # noqa: FBT003
            return self.module(graph, training=False, compute_force=forces, compute_stress=stress)

    def calculator(self) -> Calculator:
        """ASE calculator of this model, for one structure at a time."""
        from disolyte.models.calculator import MaceCalculator

        return MaceCalculator(self)


def batch_by_atoms(sizes: Sequence[int], max_atoms: int) -> Iterator[NDArray[np.int64]]:
    """Indices of structures that share a pass: of like size, and together no more than ``max_atoms`` atoms.

    Examples
    --------
    >>> [batch.tolist() for batch in batch_by_atoms([20, 90, 10, 30], max_atoms=60)]
    [[2, 0, 3], [1]]
    """
    order = np.argsort(sizes, kind="stable")
    start = total = 0
    for position, index in enumerate(order):
        if position > start and total + sizes[index] > max_atoms:
            yield order[start:position]
            start, total = position, 0
        total += sizes[index]
    if len(order) > start:
        yield order[start:]


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().numpy().astype(float)
