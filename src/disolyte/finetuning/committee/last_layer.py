r"""A committee without training: one model whose last linear layers are drawn from what the data leave open.

The energy of MACE is linear in the weights :math:`w` of its last layers, :math:`E = \sum_k w_k \phi_k`, and so are
forces and stresses. With the features :math:`\phi` of the energy per atom of the training frames as rows of
:math:`\Phi`, a Gaussian of covariance :math:`\alpha^2 (\Phi^T \Phi / n + \lambda)^{-1}` holds the weights that explain
these energies about as well. Heads drawn from it disagree where a frame has features that the training frames hardly
had (Bigi et al., Mach. Learn.: Sci. Technol. 5, 045018 (2024), doi:10.1088/2632-2153/ad805f). The features themselves
are taken as right: what the layers before do not see, no head sees.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from disolyte.errors import InputError
from disolyte.models.loaded import LoadedModel

if TYPE_CHECKING:
    import torch


def describe_energies(model: LoadedModel, frames: Sequence[Atoms], *, batch_size: int = 16) -> NDArray[np.float64]:
    """Derivative of each frame's energy per atom by the weights of the last layers.

    Parameters
    ----------
    model
        A single-head MACE model.
    frames
        Structures.
    batch_size
        Frames in one pass.

    Returns
    -------
    ndarray
        Shape (n_frames, n_weights); eV/atom for a weight of one.
    """
    layers = last_layers(model.module)
    factors = [_input_factors(layer) for layer in layers]
    scale = float(model.module.get_buffer("scale_shift.scale").reshape(-1)[0])
    seen: list[Any] = [None] * len(layers)
    hooks = [layer.register_forward_hook(_keeper(seen, index)) for index, layer in enumerate(layers)]
    rows = []
    try:
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            model.evaluate(batch, stress=False, forces=False)
            inputs = [
                part.cpu().numpy().astype(float)[:, f != 0] * f[f != 0] for part, f in zip(seen, factors, strict=True)
            ]
            ends = np.cumsum([len(atoms) for atoms in batch])[:-1]
            rows += [part.mean(axis=0) for part in np.split(np.concatenate(inputs, axis=1), ends)]
    finally:
        for hook in hooks:
            hook.remove()
    return scale * np.array(rows)


def draw_offsets(
    features: NDArray[np.float64], errors_ev_per_atom: NDArray[np.float64], *, n_heads: int, ridge: float, seed: int
) -> NDArray[np.float64]:
    """Offsets of the last layers' weights for each head; their mean is zero, so that the mean is the model itself.

    Parameters
    ----------
    features
        Of the training frames, shape (n_frames, n_weights); see :func:`describe_energies`.
    errors_ev_per_atom
        Errors of the model on the training frames, shape (n_frames,): the spread of the heads there is as large.
    n_heads
        Number of heads.
    ridge
        Smallest curvature of the fit, as a part of the mean one.
    seed
        Seed of the draw.

    Returns
    -------
    ndarray
        Shape (n_heads, n_weights).
    """
    curvature = features.T @ features / len(features)
    n_weights = len(curvature)
    curvature += ridge * np.trace(curvature) / n_weights * np.eye(n_weights)
    root = np.linalg.cholesky(np.linalg.inv(curvature))
    drawn = np.random.default_rng(seed).normal(size=(n_heads, n_weights)) @ root.T
    drawn -= drawn.mean(axis=0)
    drawn *= np.sqrt(n_heads / (n_heads - 1))  # what the mean took from the variance
    spread = np.sqrt(np.mean((features @ root) ** 2) * n_weights)
    return drawn * np.sqrt(np.mean(errors_ev_per_atom**2)) / spread


def attach_heads(model: LoadedModel, offsets: NDArray[np.float64]) -> list[LoadedModel]:
    """Copies of a model with ``offsets``, shape (n_heads, n_weights), added to the weights of their last layers.

    Raises
    ------
    InputError
        If the offsets are those of another model.
    """
    import torch

    heads = []
    for number, offset in enumerate(offsets):
        module = copy.deepcopy(model.module)
        weights = [layer.get_parameter("weight") for layer in last_layers(module)]
        n_weights = sum(weight.numel() for weight in weights)
        if len(offset) != n_weights:
            raise InputError(
                f"{len(offset)} offsets for the {n_weights} weights of the last layers of {model.name!r}; the heads "
                "belong to another model"
            )
        start = 0
        with torch.no_grad():
            for weight in weights:
                part = torch.as_tensor(offset[start : start + weight.numel()], dtype=weight.dtype, device=weight.device)
                weight.add_(part.reshape(weight.shape))
                start += weight.numel()
        digest = hashlib.sha256(model.sha256.encode() + np.ascontiguousarray(offset, dtype=np.float64).tobytes())
        heads.append(
            LoadedModel(
                module,
                name=f"{model.name}, head {number + 1}",
                sha256=digest.hexdigest(),
                caveats=model.caveats,
                device=model.device,
                dtype=model.dtype,
            )
        )
    return heads


def last_layers(module: torch.nn.Module) -> list[torch.nn.Module]:
    """Last linear layer of each readout of a MACE model."""
    return [
        readout.get_submodule("linear_2" if hasattr(readout, "linear_2") else "linear")
        for readout in module.get_submodule("readouts").children()
    ]


def _input_factors(layer: torch.nn.Module) -> NDArray[np.float64]:
    """Factor on each input of a linear layer beside its weight; zero where the input is not read."""
    import torch

    probe = copy.deepcopy(layer)
    weight = probe.get_parameter("weight")
    with torch.no_grad():
        weight.fill_(1.0)
        irreps: Any = probe.irreps_in
        unit = torch.eye(irreps.dim, dtype=weight.dtype, device=weight.device)
        output = probe(unit).cpu().numpy().astype(float)
    return output[:, 0]


def _keeper(seen: list[Any], index: int) -> Any:
    def keep(_: Any, inputs: Any, __: Any) -> None:
        seen[index] = inputs[0].detach()

    return keep
