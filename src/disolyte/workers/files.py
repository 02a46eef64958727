"""YAML files, read as plain data alone, and files with a secret in them, which nobody but their owner may read."""

from __future__ import annotations

import json
import os
import stat
from io import StringIO
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from disolyte.errors import InputError

PRIVATE_MODE: Final = 0o600


def read_yaml(file: Path) -> dict[str, Any]:
    """Mapping in a YAML file, read as plain data; an empty mapping where it holds something else.

    Raises
    ------
    InputError
        If it is no YAML.
    """
    try:
        content = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        # An alias inside of what it stands for has no end.
        json.dumps(content, default=str, skipkeys=True)
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is no YAML file: {str(error).splitlines()[0]}; correct it") from error
    return content if isinstance(content, dict) else {}


def write_text(file: Path, text: str, mode: int | None = None) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    file
        The file; a link is followed.
    text
        Its content.
    mode
        Its mode; if None, the one that it has, or the usual one of a new file.
    """
    file = file.resolve()
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    if mode is None and file.exists():
        mode = stat.S_IMODE(file.stat().st_mode)
    temporary.touch(mode=0o666 if mode is None else PRIVATE_MODE)
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    if mode is not None:
        temporary.chmod(mode)
    temporary.replace(file)


def write_yaml(file: Path, content: dict[str, Any], mode: int | None = None) -> None:
    """Write plain data as YAML, whole or not at all."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.width = 10_000
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = StringIO()
    writer.dump(content, stream)
    write_text(file, stream.getvalue(), mode)


def write_private(file: Path, content: dict[str, Any]) -> None:
    """Write plain data as YAML that the owner alone can read: a URI in it may hold a password."""
    write_yaml(file, content, PRIVATE_MODE)


def check_private(file: Path) -> None:
    """Refuse a file with a secret in it that others can read.

    Raises
    ------
    InputError
        If its mode lets group or others read it.
    """
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise InputError(f"{file} holds a password and others can read it; run: chmod 600 {file}")
