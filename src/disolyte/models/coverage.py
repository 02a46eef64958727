"""Whether a model covers a system, told before any job exists and without loading the model."""

from __future__ import annotations

from collections.abc import Iterable

from ase.data import chemical_symbols

from disolyte.errors import ModelCoverageError, ModelIntegrityError
from disolyte.models.architecture import model_sha256
from disolyte.models.schema import PackedModel
from disolyte.models.sources import SHIPPED_SHA256, ModelSource, expected_content_sha256, find_model_file


def check_coverage(source: ModelSource, elements: Iterable[str]) -> None:
    """Refuse elements which a model stored without code was not made for, and a corrupt one.

    A pickled model is only known once it is loaded: its jobs check it then.

    Parameters
    ----------
    source
        The model.
    elements
        Symbols of the elements that it is to describe.

    Raises
    ------
    ModelCoverageError
        If the model does not know an element.
    ModelNotFoundError, ModelIntegrityError
        If the file is missing or does not match its hash.
    """
    elements = set(elements)
    if not source.is_shipped and not (source.path or "").endswith(".npz"):
        return
    path = find_model_file(source).path
    packed = PackedModel.read(path)
    try:
        found = model_sha256(packed.architecture, packed.weights.to_bytes())
    except ModelIntegrityError as error:
        raise ModelIntegrityError(f"{path} cannot be read: {error}; fetch or install it again") from error
    expected = expected_content_sha256(source) or packed.sha256
    if found != expected:
        raise ModelIntegrityError(
            f"the model at {path} has SHA-256 {found}, expected {expected}: it is corrupt; fetch or install it again"
        )
    known = [chemical_symbols[number] for number in packed.architecture["atomic_numbers"]]
    if missing := sorted(elements - set(known)):
        fit = [f"ModelSource(name={name!r}) (shipped, not for science)" for name in _shipped_for(elements)]
        others = " or ".join([*fit, "ModelSource(name='medium') (MACE-MP-0a, 89 elements)"])
        raise ModelCoverageError(
            f"model {source.name!r} was not made for {', '.join(missing)}; it knows {', '.join(known)}. "
            f"Choose one that covers them: {others}"
        )


def _shipped_for(elements: set[str]) -> list[str]:
    """Names of the models in this package that cover the elements."""
    return [name for name in SHIPPED_SHA256 if elements <= set(known_elements(ModelSource(name=name)))]


def known_elements(source: ModelSource) -> list[str]:
    """Symbols of the elements that a model stored without code was made for.

    Raises
    ------
    ModelNotFoundError, ModelIntegrityError
        If a file is missing or cannot be read.
    """
    packed = PackedModel.read(find_model_file(source).path)
    return [chemical_symbols[number] for number in packed.architecture["atomic_numbers"]]
