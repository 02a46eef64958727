"""Load a model by name, path or document."""

from __future__ import annotations

import pickle
import warnings
from typing import TYPE_CHECKING, Final

from disolyte.errors import InputError, ModelIntegrityError
from disolyte.models.architecture import build_module, default_dtype
from disolyte.models.loaded import LoadedModel
from disolyte.models.schema import ModelDoc, PackedModel
from disolyte.models.sources import SHIPPED_SHA256, ModelFile, ModelSource, expected_content_sha256, find_model_file

if TYPE_CHECKING:
    import torch

SMALL_MODEL_CAVEAT: Final = "energies from the small reference model, not for science"
"""Caveat of everything that rests on one of the models shipped in this package."""


_MOST_BUILT: Final = 4
_built: dict[tuple[object, ...], LoadedModel] = {}
"""The models built last in this process, by content and use."""


def load_model(
    source: ModelSource | ModelDoc, *, device: str = "cpu", dtype: str = "float32", head: str | None = None
) -> LoadedModel:
    """Load one head of a model.

    Loading the same content again gives the same object: do not change its weights.

    Parameters
    ----------
    source
        Where it comes from: a name, a path, or the document of a trained model (then nothing but the document is
        needed).
    device
        torch device, e.g. ``"cpu"`` or ``"cuda"``.
    dtype
        Precision to compute in, ``"float32"`` or ``"float64"``.
    head
        Head to use. Default: the target head of a document, the only head of any other model.

    Raises
    ------
    ModelNotFoundError
        If its file is neither here nor to be had.
    ModelIntegrityError
        If its content does not match its hash, or is no model.
    InputError
        If there is no such head, or there are several and none is named.
    """
    if isinstance(source, ModelDoc):
        return _load_document(source, head, device, dtype)
    file = find_model_file(source)
    head = head or source.head
    if file.is_pickle:
        module = select_head(_unpickle(file), head, name=source.name)
        return LoadedModel(module, name=source.name, sha256=file.sha256, device=device, dtype=dtype)
    packed = PackedModel.read(file.path)
    expected = expected_content_sha256(source)
    if expected is not None and expected != packed.sha256:
        raise ModelIntegrityError(f"{file.path} holds a model of SHA-256 {packed.sha256}, asked for is {expected}")
    caveats = [SMALL_MODEL_CAVEAT] if source.name in SHIPPED_SHA256 else []
    return _build(packed, head, source.name, packed.sha256, caveats, device, dtype)


def _load_document(document: ModelDoc, head: str | None, device: str, dtype: str) -> LoadedModel:
    """Load the target head of a document under the document's hash, or another head under a hash of its own."""
    if head in (None, document.head) or document.multi_head is None:
        packed = document.single_head
        if packed.sha256 != document.sha256:
            raise ModelIntegrityError(
                f"the document of model {document.name!r} is that of SHA-256 {document.sha256}, its weights are of "
                f"{packed.sha256}: they were mixed up; fetch the document again"
            )
        return _build(packed, head, document.name, document.sha256, document.caveats, device, dtype)
    return _build(document.multi_head, head, document.name, None, document.caveats, device, dtype)


def _build(
    packed: PackedModel, head: str | None, name: str, sha256: str | None, caveats: list[str], device: str, dtype: str
) -> LoadedModel:
    """Build a model, or take the one built before from the same content: building costs more than a hundred steps.

    Without ``sha256`` it gets that of the head's own architecture and weights.
    """
    weights = packed.checked_weights()
    key = (packed.sha256, head, name, sha256, tuple(caveats), device, dtype)
    if key not in _built:
        module = select_head(build_module(packed.architecture, weights), head, name=name)
        sha256 = sha256 or PackedModel.from_module(module).sha256
        model = LoadedModel(module, name=name, sha256=sha256, caveats=caveats, device=device, dtype=dtype)
        while len(_built) >= _MOST_BUILT:
            _built.pop(next(iter(_built)))
        _built[key] = model
    return _built[key]


def select_head(module: torch.nn.Module, head: str | None, *, name: str) -> torch.nn.Module:
    """Single-head model of ``head``.

    Mace takes its last head without a word where a name is misspelt; here that is an error.

    Raises
    ------
    InputError
        If there is no such head, or there are several and none is named.
    """
    heads = list(getattr(module, "heads", None) or ["Default"])
    if head is not None and head not in heads:
        raise InputError(f"model {name!r} has no head {head!r}; its heads are: {', '.join(heads)}")
    if len(heads) == 1:
        return module
    if head is None:
        raise InputError(f"model {name!r} has the heads {', '.join(heads)}; say which with head=...")
    from mace.tools.scripts_utils import remove_pt_head

    with default_dtype(str(next(module.parameters()).dtype).removeprefix("torch.")), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning)  # e3nn's and mace's, about themselves
        return remove_pt_head(module, head).eval()


def _unpickle(file: ModelFile) -> torch.nn.Module:
    """Read a pickled model which :func:`find_model_file` has let through."""
    import mace  # noqa: F401  before e3nn, which fails on torch >= 2.6 otherwise
    import torch

    try:
        content = torch.load(file.path, map_location="cpu", weights_only=False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, ImportError, ValueError, OSError) as error:
        raise ModelIntegrityError(
            f"{file.path} cannot be read as a mace model ({type(error).__name__}: {error}); fetch it again"
        ) from error
    if type(content).__name__ != "ScaleShiftMACE":
        raise ModelIntegrityError(
            f"{file.path} holds a {type(content).__name__}, not a ScaleShiftMACE (MACE-MP and its like); "
            "a compiled model cannot be used, pass the '.model' file beside it"
        )
    return content
