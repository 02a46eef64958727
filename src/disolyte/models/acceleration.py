"""Faster kernels for a model on a GPU, taken only if they give the same forces."""

from __future__ import annotations

import copy
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from ase import Atoms

from disolyte.models.architecture import default_dtype
from disolyte.models.loaded import LoadedModel

if TYPE_CHECKING:
    import torch

AGREEMENT_EV_PER_ANG: Final = 1e-3
"""Largest difference in a force between two kernels, or precisions, that counts as agreement; plus a part in 10⁴."""


def in_double_precision(model: LoadedModel) -> LoadedModel:
    """Return a copy in float64 on the CPU, to compare with."""
    module = copy.deepcopy(model.module).cpu()
    return LoadedModel(module, name=model.name, sha256=model.sha256, caveats=model.caveats, dtype="float64")


def force_difference(model: LoadedModel, other: LoadedModel, frame: Atoms) -> tuple[float, float]:
    """Largest difference in a force component of two models on one frame, and what is allowed, eV/Å.

    Parameters
    ----------
    model, other
        Models to compare.
    frame
        The frame.

    Returns
    -------
    difference_ev_per_ang, allowed_ev_per_ang : float
        NaN where a force is not finite.
    """
    first, second = (one.evaluate([frame], stress=False)["forces"].detach().cpu().double() for one in (model, other))
    allowed = AGREEMENT_EV_PER_ANG + 1e-4 * float(second.abs().max())
    return float((first - second).abs().max()), allowed


def accelerate(model: LoadedModel, frame: Atoms) -> LoadedModel:
    """Run the model on cuEquivariance's kernels where that can be trusted.

    That is on an NVIDIA GPU, with cuEquivariance installed, and if its forces agree with e3nn's on ``frame``. Anything
    else gives the model itself, with a warning if the kernels are there but differ or cannot be had for this model.

    Parameters
    ----------
    model
        The model.
    frame
        Structure with finite forces on which the two are compared.
    """
    if not has_kernels(model.device):
        return model
    try:
        fast = LoadedModel(
            convert_to_cuequivariance(model.module, model.device),
            name=model.name,
            sha256=model.sha256,
            caveats=model.caveats,
            device=model.device,
            dtype=model.dtype,
        )
        difference, allowed = force_difference(fast, model, frame)
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, ImportError, NotImplementedError) as error:
        warnings.warn(f"cuEquivariance cannot run {model.name!r} ({error}); e3nn is used", stacklevel=2)
        return model
    if not difference <= allowed:
        message = f"its forces differ from e3nn's by {difference:.2g} eV/Å, {allowed:.2g} eV/Å are allowed"
        warnings.warn(f"cuEquivariance is not used for {model.name!r}: {message}", stacklevel=2)
        return model
    return fast


def has_kernels(device: str) -> bool:
    """Whether cuEquivariance is installed, with its CUDA kernels, and ``device`` is an NVIDIA GPU."""
    packages = ("cuequivariance_torch", "cuequivariance_ops_torch")
    return device.startswith("cuda") and all(find_spec(package) is not None for package in packages)


def convert_to_cuequivariance(module: torch.nn.Module, device: str) -> torch.nn.Module:
    """Return the same model on cuEquivariance's kernels."""
    from mace.cli.convert_e3nn_cueq import run

    with default_dtype(str(next(module.parameters()).dtype).removeprefix("torch.")), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # e3nn's and mace's, about themselves
        return run(module, device=device.partition(":")[0], return_model=True).to(device).eval()
