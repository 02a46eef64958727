"""MACE models as an architecture in JSON and weights in NumPy arrays: no pickle is written or read.

A pickled model runs whatever code its author put into it. Here the architecture is a dictionary of names and numbers
(the arguments of :class:`mace.modules.ScaleShiftMACE`), the weights are an ``.npz`` archive read with
``allow_pickle=False``, and one SHA-256 covers both.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import ModelIntegrityError

if TYPE_CHECKING:
    import torch

_IRREPS: Final = ("hidden_irreps", "MLP_irreps", "edge_irreps")
_CLASSES: Final = ("interaction_cls", "interaction_cls_first", "readout_cls")
_ARRAYS: Final = ("atomic_energies", "atomic_inter_scale", "atomic_inter_shift")
_UNSUPPORTED: Final = ("cueq_config", "oeq_config", "embedding_specs")


def describe_architecture(module: torch.nn.Module) -> dict[str, Any]:
    """Arguments that rebuild ``module``, as JSON-ready names and numbers.

    Raises
    ------
    ModelIntegrityError
        If the model is not a ScaleShiftMACE, or uses parts that are not described by names and numbers.
    """
    from mace.modules import gate_dict
    from mace.tools.scripts_utils import extract_config_mace_model

    if type(module).__name__ != "ScaleShiftMACE":
        raise ModelIntegrityError(
            f"the model is a {type(module).__name__}; only ScaleShiftMACE models (MACE-MP and those trained by "
            "mace_run_train with its default --model) can be used"
        )
    config = extract_config_mace_model(module)
    for key in _UNSUPPORTED:
        if config.pop(key, None) is not None:
            raise ModelIntegrityError(
                f"the model uses {key}, which cannot be stored as names and numbers; convert it to e3nn"
            )
    for key in _IRREPS:
        config[key] = None if config[key] is None else str(config[key])
    for key in _CLASSES:
        config[key] = config[key].__name__
    for key in _ARRAYS:
        config[key] = np.asarray(config[key], dtype=float).tolist()
    gate = config["gate"]
    config["gate"] = next((name for name, function in gate_dict.items() if function is gate), None)
    if gate is not None and config["gate"] is None:
        raise ModelIntegrityError(f"the model's gate {gate!r} has no name in mace.modules.gate_dict")
    config["atomic_numbers"] = [int(z) for z in config["atomic_numbers"]]
    config["num_polynomial_cutoff"] = int(config["num_polynomial_cutoff"])
    config["avg_num_neighbors"] = float(config["avg_num_neighbors"])
    config["radial_MLP"] = [int(width) for width in config["radial_MLP"]]
    config["heads"] = list(config["heads"])
    config["model"] = "ScaleShiftMACE"
    config["dtype"] = str(next(module.parameters()).dtype).removeprefix("torch.")
    return config


def build_module(architecture: dict[str, Any], weights: bytes) -> torch.nn.Module:
    """Model from its architecture and weights, in evaluation mode on the CPU.

    Raises
    ------
    ModelIntegrityError
        If weights and architecture do not belong together.
    """
    with _quiet():
        import mace.modules as mace_modules
        import torch
        from e3nn import o3
        from mace.modules import blocks

    arguments = {key: value for key, value in architecture.items() if key not in ("model", "dtype")}
    for key in _IRREPS:
        arguments[key] = None if arguments[key] is None else o3.Irreps(arguments[key])
    for key in _CLASSES:
        arguments[key] = _class_named(blocks, arguments[key])
    for key in _ARRAYS:
        arguments[key] = np.asarray(arguments[key])
    gate = arguments["gate"]
    arguments["gate"] = None if gate is None else mace_modules.gate_dict[gate]
    state = {name: torch.from_numpy(array) for name, array in unpack_weights(weights).items()}
    with default_dtype(architecture["dtype"]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # e3nn's, about its own TorchScript
        module = mace_modules.ScaleShiftMACE(**arguments)
        try:
            module.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise ModelIntegrityError(f"the weights do not fit the model's architecture: {error}") from error
    return module.eval()


def _class_named(blocks: Any, name: str) -> type:
    """Look up a building block of mace by name: nothing else can be named."""
    found = getattr(blocks, name, None)
    if not (isinstance(found, type) and name.endswith("Block")):
        raise ModelIntegrityError(
            f"the architecture names {name!r}, which is no building block of the installed mace-torch"
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the screen what mace and e3nn say of themselves when they are imported first."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def default_dtype(dtype: str) -> Iterator[None]:
    """Set torch's default floating-point type for a while; mace's constructors take theirs from it."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def pack_weights(module: torch.nn.Module) -> bytes:
    """Parameters and buffers of ``module`` as an ``.npz`` archive: equal bytes for equal weights."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def unpack_weights(weights: bytes) -> dict[str, NDArray[Any]]:
    """Arrays by name from :func:`pack_weights`.

    Raises
    ------
    ModelIntegrityError
        If the bytes are not such an archive.
    """
    try:
        with np.load(io.BytesIO(weights), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise ModelIntegrityError(
            f"the weights ({len(weights)} bytes) are not a readable .npz archive: {error}"
        ) from error


def model_sha256(architecture: dict[str, Any], weights: bytes) -> str:
    """Hash of architecture and weights, whatever the compression."""
    digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    for name, array in sorted(unpack_weights(weights).items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
