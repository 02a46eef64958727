"""Whether a model covers a system, told before any job exists and without loading the model."""

from __future__ import annotations

from collections.abc import Iterable

from ase.data import chemical_symbols

from disolyte.errors import ModelCoverageError, ModelIntegrityError
from disolyte.models.architecture import model_sha256
from disolyte.models.schema import PackedModel
from disolyte.models.sources import ModelSource, expected_content_sha256, find_model_file


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
    if missing := sorted(set(elements) - set(known)):
        raise ModelCoverageError(
            f"model {source.name!r} was not made for {', '.join(missing)}; it knows {', '.join(known)}. "
            "Choose a foundation that covers them, e.g. ModelSource(name='medium') (MACE-MP-0a, 89 elements)"
        )
