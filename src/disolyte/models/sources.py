"""Where models come from: shipped, downloaded by name, or a file of the user's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.errors import InputError, ModelIntegrityError, ModelNotFoundError
from disolyte.records import Record

SHIPPED: Final = "disolyte-small"
"""Name of the smallest reference model in this package: for trying out and testing, not for science."""

BROAD: Final = "disolyte-broad"
"""Name of the reference model in this package that knows the elements of all shipped systems; as little for science."""

SHIPPED_SHA256: Final = {
    SHIPPED: "b4b248490d495a27678e4507f197d9bbbec2e7b66aa7214c58021b1eedbec11f",
    BROAD: "b2d7bcd803ca041fb2cd88b9595b6f34c39c850e3bc0bae4135c176b8be0ee54",
}
"""SHA-256 of architecture and weights of each model in this package."""

KNOWN_SHA256: Final = {
    "small": "2ddb079cee0e131eaaf6912ba581b394551ead283e95c99cfe78c605d10b5736",
    "medium": "01bfe22100139f424713cf921144e5509cbe353d67aa9fa1be9c6e1e0ed35845",
    "large": "f80e992b65ab8f88fdf26964511357c022e92704e4d9bcd086652635a8495b32",
    "medium-mpa-0": "75428afe3a1d7d8062e19bcaabd5c433623cabf308242ec9fb493e38604fb638",
}
"""SHA-256 of the released MACE-MP files, as several independent users have published them."""


class ModelSource(Record):
    """Which model to load: by name, or by path.

    Names are ``"disolyte-small"`` and ``"disolyte-broad"`` (shipped with this package) and those of
    :func:`mace.calculators.mace_mp`, of which ``"medium"`` is MACE-MP-0a, the foundation of the published protocol. The
    meaning of "the default MACE-MP" has changed between releases of mace, so that documents state name and SHA-256.

    Named models are looked up in MACE's cache folder and downloaded to it if they are not there. The file's SHA-256 is
    always recorded; it is compared with ``sha256`` if that is given, else with :data:`KNOWN_SHA256` if it is listed.
    The listed hashes were published by users of these files, not by the authors of mace: ``sha256`` overrides them. A
    name that is not listed needs ``sha256`` or ``trust_file=True``, whether its file was there or was downloaded.

    A path ends in ``.npz`` (weights without code, as :meth:`~disolyte.models.schema.PackedModel.write` makes them) or
    is a pickled ``.model`` of mace. Unpickling runs whatever code the file holds: it is done only if the file has the
    given or listed hash, or with ``trust_file=True``.

    Examples
    --------
    >>> ModelSource().name
    'medium'
    >>> ModelSource(path="my.model").name
    'my.model'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="medium", description="Name of the model; the file's name if only a path is given.")
    path: str | None = Field(default=None, description="File to load instead of looking the name up.")
    sha256: str | None = Field(default=None, description="Hash which the file must have; 64 hexadecimal digits.")
    trust_file: bool = Field(default=False, description="Unpickle a file of unknown hash.")
    head: str | None = Field(default=None, description="Head of a model with several.")
    download: bool = Field(default=True, description="Whether a named model may be downloaded.")

    @property
    def is_shipped(self) -> bool:
        """Whether this is a model in this package."""
        return self.path is None and self.name in SHIPPED_SHA256

    @classmethod
    def from_text(cls, text: str, sha256: str | None = None) -> Self:
        """Source that is named in one word, as on a command line: the name of a model of known hash, or a path.

        Parameters
        ----------
        text
            The name or path.
        sha256
            Hash which the file must have.

        Raises
        ------
        InputError
            If it is no such name and no file.
        ModelNotFoundError, ModelIntegrityError
            If the file is not whole, or is pickled and nobody vouches for it.
        """
        if text in {**SHIPPED_SHA256, **KNOWN_SHA256}:
            return cls(name=text, sha256=sha256)
        path = Path(text).expanduser().absolute()
        if not path.is_file():
            known = ", ".join([*SHIPPED_SHA256, *KNOWN_SHA256])
            raise InputError(f"{text!r} is no model of known hash ({known}), and there is no file of that name")
        source = cls.model_validate({"path": str(path), "sha256": sha256})
        find_model_file(source)
        return source

    @model_validator(mode="before")
    @classmethod
    def _name_of_path(cls, values: object) -> object:
        """Name a model given by path after its file."""
        if isinstance(values, dict) and values.get("path") and not values.get("name"):
            return {**values, "path": str(values["path"]), "name": Path(values["path"]).name}
        return values


@dataclass(frozen=True)
class ModelFile:
    """A model's file on this machine, its hash checked."""

    path: Path
    sha256: str

    @property
    def is_pickle(self) -> bool:
        """Whether reading it runs code."""
        return self.path.suffix != ".npz"


def find_model_file(source: ModelSource) -> ModelFile:
    """Locate the file of ``source`` and check its hash.

    Raises
    ------
    InputError
        If the name is unknown, or the given hash no SHA-256.
    ModelNotFoundError
        If it is neither here nor to be had; the message says where to put it.
    ModelIntegrityError
        If its hash is not the expected one, or it would be unpickled without anybody vouching for it.
    """
    if source.is_shipped:
        path = Path(str(resources.files("disolyte.models") / "data" / f"{source.name}.npz"))
        return ModelFile(path, _checked_sha256(path, None))
    expected = source.sha256
    if expected is not None and (len(expected) != 64 or set(expected.lower()) - set("0123456789abcdef")):
        raise InputError(f"sha256 {expected!r} is not 64 hexadecimal digits; make one with: sha256sum FILE")
    if source.path is not None:
        path = Path(source.path).expanduser()
        if not path.is_file():
            raise ModelNotFoundError(f"no model file at {path}; check the path given in ModelSource(path=...)")
        if path.suffix == ".npz":
            return ModelFile(path, _checked_sha256(path, None))
        return _vouched_pickle(path, source, expected)
    return _vouched_pickle(_cached_or_downloaded(source), source, expected or KNOWN_SHA256.get(source.name))


def _vouched_pickle(path: Path, source: ModelSource, expected: str | None) -> ModelFile:
    """Pickled model at ``path``, if it has the expected hash or the user trusts it."""
    sha256 = _checked_sha256(path, expected)
    if expected is None and not source.trust_file:
        asked = "path=..." if source.path is not None else f"name={source.name!r}"
        raise ModelIntegrityError(
            f"{path} is a pickled model of which disolyte knows no hash; unpickling runs the code in it. Its SHA-256 "
            f"is {sha256}: if that is the hash its author states, pass ModelSource({asked}, sha256=...); to read it "
            "regardless, trust_file=True"
        )
    return ModelFile(path, sha256)


def expected_content_sha256(source: ModelSource) -> str | None:
    """SHA-256 of architecture and weights that a model stored without code must have; None if nobody stated one."""
    if source.sha256 is not None:
        return source.sha256.lower()
    return SHIPPED_SHA256[source.name] if source.is_shipped else None


def _checked_sha256(path: Path, expected: str | None) -> str:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if expected is not None and sha256 != expected.lower():
        raise ModelIntegrityError(
            f"{path} has SHA-256 {sha256}, expected {expected}: it is corrupt or another model. Delete it and fetch it "
            "again, or, if it is the file you mean, pass its hash as ModelSource(sha256=...)"
        )
    return sha256


def _cached_or_downloaded(source: ModelSource) -> Path:
    """File of a named MACE-MP model in MACE's cache folder."""
    from mace.calculators.foundations_models import download_mace_mp_checkpoint, mace_mp_urls
    from mace.tools.utils import get_cache_dir

    url = mace_mp_urls.get(source.name)
    if url is None:
        raise InputError(
            f"no model is called {source.name!r}; known: {', '.join([*SHIPPED_SHA256, *mace_mp_urls])}. For a file of "
            "your own pass ModelSource(path=...)"
        )
    file_name = url.rsplit("/", 1)[-1]
    path = Path(get_cache_dir()) / "".join(c for c in file_name if c.isalnum() or c == "_")
    if path.is_file():
        return path
    reason = "downloading is switched off"
    if source.download:
        try:
            return Path(download_mace_mp_checkpoint(source.name))
        except (OSError, RuntimeError) as error:
            reason = f"downloading failed ({error})"
    raise ModelNotFoundError(
        f"foundation model {source.name!r} is not at {path}, and {reason}. Fetch {url} on a machine with network and "
        f"put it there under that name, or pass ModelSource(name={source.name!r}, path='/path/to/{file_name}', "
        f"sha256='...'); the small models shipped with disolyte need no download: ModelSource(name={SHIPPED!r}) or "
        f"ModelSource(name={BROAD!r})"
    )
