"""Labels from CHGNet's r2SCAN weights: a fast stand-in for DFT, and never more than that.

The weights come in chgnet's wheel ("r2scan": 0.3.0 transferred to the MP-r2SCAN data). The model predicts eV/atom, eV/Å
and GPa, positive under tension; here they become eV per cell, eV/Å and eV/Å³.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Structure

from disolyte.errors import MissingExtraError, ModelIntegrityError, ModelNotFoundError
from disolyte.labelling.labels import Failure, Label
from disolyte.labelling.schema import RejectionKind
from disolyte.units import EV_PER_ANG3_PER_KBAR

SURROGATE_CAVEAT: Final = "labels from the CHGNet r2SCAN surrogate, not from DFT"
"""Caveat of every document that rests on these labels."""

R2SCAN_SHA256: Final = "8eba3db0f35a2788bb3ae22885ad340591e27996f213c6643af522a633b50dad"
"""Hash of the file with the r2SCAN weights in chgnet 0.4.2."""

SURROGATE_METHOD: Final = f"CHGNet r2SCAN surrogate (weights {R2SCAN_SHA256[:12]})"
"""Label method of these labels."""

EV_PER_ANG3_PER_GPA: Final = 10.0 * EV_PER_ANG3_PER_KBAR
"""1 GPa = 10 kbar, in eV/Å³."""


def predict_r2scan(
    structures: Sequence[Structure], *, device: str = "cpu", batch_size: int = 4
) -> list[Label | Failure]:
    """Label structures with CHGNet's r2SCAN weights.

    Parameters
    ----------
    structures
        Ordered structures.
    device
        torch device.
    batch_size
        Structures in one pass. On a CPU small batches are the fastest.

    Returns
    -------
    list of Label or Failure
        One per structure, in order.

    Raises
    ------
    MissingExtraError
        If chgnet is not installed.
    ModelNotFoundError
        If the installed chgnet holds no r2SCAN weights.
    ModelIntegrityError
        If the weights are not the known ones.
    """
    model = load_r2scan(device)
    results: dict[int, Label | Failure] = {}
    graphs: dict[int, Any] = {}
    for index, structure in enumerate(structures):
        try:
            graphs[index] = model.graph_converter(structure)
        except ValueError as error:  # isolated atoms, empty neighbour lists
            results[index] = Failure(RejectionKind.CALCULATION_FAILED, f"CHGNet cannot describe the structure: {error}")
    order = sorted(graphs, key=lambda index: len(structures[index]))  # alike sizes share a pass
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Converting a tensor with requires_grad")
            predictions = model.predict_graph([graphs[index] for index in batch], task="efs", batch_size=batch_size)
        for index, prediction in zip(batch, [predictions] if len(batch) == 1 else predictions, strict=True):
            results[index] = _to_label(prediction, n_atoms=len(structures[index]))
    return [results[index] for index in range(len(structures))]


def _to_label(prediction: dict[str, Any], *, n_atoms: int) -> Label | Failure:
    label = Label(
        energy_ev=float(prediction["e"]) * n_atoms,
        forces_ev_per_ang=np.asarray(prediction["f"], dtype=float).reshape(n_atoms, 3),
        stress_ev_per_ang3=_symmetric(np.asarray(prediction["s"], dtype=float)) * EV_PER_ANG3_PER_GPA,
    )
    if not label.is_finite:
        return Failure(RejectionKind.NOT_FINITE, "CHGNet predicted NaN or infinity; look at the shortest distance")
    return label


def _symmetric(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """Symmetric part: single precision leaves the two triangles slightly apart."""
    return 0.5 * (tensor + tensor.T)


@functools.lru_cache(maxsize=1)
def load_r2scan(device: str = "cpu") -> Any:
    """Load CHGNet's r2SCAN model after checking the hash of its weights.

    Raises
    ------
    MissingExtraError, ModelNotFoundError, ModelIntegrityError
        See :func:`predict_r2scan`.
    """
    check_r2scan_weights(_weights_path())
    from chgnet.model.model import CHGNet

    with contextlib.redirect_stdout(io.StringIO()):  # the constructor prints
        return CHGNet.load(model_name="r2scan", use_device=device, verbose=False)


def check_r2scan_weights(path: Path) -> None:
    """Compare a weights file with the known hash; it is a pickle, so this comes before reading it.

    Raises
    ------
    ModelNotFoundError
        If there is no such file.
    ModelIntegrityError
        If the hash is another one.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"no r2SCAN weights at {path}; install chgnet>=0.4.2,<0.5, whose wheel holds them")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != R2SCAN_SHA256:
        raise ModelIntegrityError(
            f"{path} has SHA-256 {found[:12]}…, the r2SCAN weights of chgnet 0.4.2 have {R2SCAN_SHA256[:12]}…; "
            "reinstall chgnet>=0.4.2,<0.5"
        )


def _weights_path() -> Path:
    spec = find_spec("chgnet")
    if spec is None or spec.origin is None:
        raise MissingExtraError("chgnet", "surrogate")
    name = "chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar"
    return Path(spec.origin).parent / "pretrained" / "r2scan" / name
