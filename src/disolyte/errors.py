"""Every exception a user of disolyte meets.

Each message names the offending value, the limit it breaks and the remedy. All derive from
:class:`DisolyteError`, so that one ``except`` catches what this package raises on purpose.
"""

from __future__ import annotations

from typing import Self


class DisolyteError(Exception):
    """Base of all errors raised on purpose by disolyte."""


class InputError(DisolyteError, ValueError):
    """An argument, file or setting given by the user cannot be used.

    Attributes
    ----------
    field_path
        Keys and indices that lead to the culprit within what was given; empty where there is no such place.
    """

    field_path: tuple[str | int, ...] = ()

    def at(self, *field_path: str | int) -> Self:
        """The same error, which knows where its culprit stands."""
        self.field_path = field_path
        return self


class StructureError(InputError):
    """A crystal structure is not what the stage needs (no disorder, overlapping atoms, wrong lattice)."""


class CompositionError(InputError):
    """A composition cannot be realised on the given cell, or lies outside the system's grid."""


class OxidationStateError(InputError):
    """Oxidation states are missing or do not balance."""


class EnumerationError(DisolyteError):
    """The space of orderings is empty or too large for what was asked."""


class ModelNotFoundError(DisolyteError, FileNotFoundError):
    """The weights of a model are neither on this machine nor to be had."""


class ModelIntegrityError(DisolyteError):
    """A model's content does not match the recorded hash, or cannot be read."""


class ModelCoverageError(InputError):
    """The structures hold elements which the model was not made for."""


class DynamicsError(DisolyteError):
    """A molecular-dynamics run cannot start or left the range of physics."""


class LabellingError(DisolyteError):
    """Fewer frames than the stated minimum could be labelled."""


class DatasetError(InputError):
    """Labelled data are unfit for training: empty, corrupt, mislabelled or leaking."""


class FinetuningError(DisolyteError):
    """Training cannot start as asked, failed, or did something else than asked."""


class TransportError(InputError):
    """Displacements or diffusivities from which no transport coefficient can be had."""


class WorkerError(DisolyteError):
    """Unknown role or worker, or a worker process that died."""


class StoreError(DisolyteError):
    """The database cannot be reached, started or written to."""


class RunFolderError(DisolyteError, OSError):
    """The run folder cannot be written to, is full, or is in use by another process."""


class RunFolderInUseError(RunFolderError):
    """Another process owns the run folder."""


class ResultsError(DisolyteError):
    """The store holds no, or no unique, answer to the query."""


class MissingExtraError(DisolyteError, ImportError):
    """An optional dependency is needed and not installed.

    Parameters
    ----------
    package
        Import name of the missing package.
    extra
        The extra of disolyte that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package!r} is not installed; run: pip install 'disolyte[{extra}]'")
        self.package = package
        self.extra = extra
