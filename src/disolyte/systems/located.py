"""YAML as plain data that remembers its lines, from files that people exchange.

Only mappings, lists, text, numbers, truth values and null are read. Tags, anchors, aliases, duplicate keys, deep
nesting and endless numbers are refused, each with its line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from disolyte.errors import InputError

MAX_BYTES: Final = 1_000_000
"""Largest file. A system of a thousand sites has a tenth of this."""

MAX_DEPTH: Final = 12
"""Deepest nesting of mappings and lists."""

FieldPath = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class LocatedData:
    """Data of a YAML file, and where each value stands.

    Parameters
    ----------
    path
        The file.
    data
        Its content.
    lines
        Line of each value, from 1; of a mapping's value, the line of its key.
    """

    path: Path
    data: Any
    lines: dict[FieldPath, int]

    def describe(self, field_path: FieldPath) -> str:
        """File, line and field of a value, for messages; of the nearest value above it if there is none."""
        known = self._known(field_path)
        place = f"{self.path}, line {self.lines[known]}"
        return f"{place}, {format_field(known)}" if known else place

    def line(self, field_path: FieldPath) -> int:
        """Line of a value, or of the nearest above it."""
        return self.lines[self._known(field_path)]

    def _known(self, field_path: FieldPath) -> FieldPath:
        known: FieldPath = ()
        for part in field_path:
            if (*known, part) in self.lines:
                known = (*known, part)
        return known


def format_field(field_path: FieldPath) -> str:
    """Field as text.

    Examples
    --------
    >>> format_field(("end_members", 1, "x"))
    'end_members[1].x'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field_path)
    return text.removeprefix(".")


def load_located(path: Path) -> LocatedData:
    """Read a YAML file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it is missing, too large, no text, no YAML, or holds what is not read; the message names the line.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = _read_text(path)
    try:
        _refuse_tricks(path, YAML(typ="safe", pure=True).parse(text))
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            f"{path}, line {mark.line + 1 if mark else 1}: this is no YAML: {error.problem or error.context}"
        ) from error
    except YAMLError as error:
        raise InputError(f"{path} is no YAML: {str(error).splitlines()[0]}") from error
    if node is None:
        raise InputError(f"{path} is empty")
    lines: dict[FieldPath, int] = {(): node.start_mark.line + 1}
    return LocatedData(path, _to_plain(node, (), path, lines), lines)


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{path} has {size} bytes; at most {MAX_BYTES} are read")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error


def _refuse_tricks(path: Path, events: Any) -> None:
    """Refuse what plain data has no need of, before any of it is built."""
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        place = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise InputError(f"{place}: anchors and aliases (& and *) are not read: write the value out")
        if getattr(event, "tag", None) is not None:
            raise InputError(f"{place}: the tag {event.tag!s} is not read: leave it out")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise InputError(f"{place}: nesting deeper than {MAX_DEPTH} levels is not read")


def _to_plain(node: Any, field_path: FieldPath, path: Path, lines: dict[FieldPath, int]) -> Any:
    kind = node.tag.removeprefix(_TAG)
    if kind == "map":
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key.value, str):
                raise InputError(f"{path}, line {key.start_mark.line + 1}: a key must be text")
            where = (*field_path, key.value)
            if key.value in result:
                raise InputError(
                    f"{path}, line {key.start_mark.line + 1}, {format_field(where)}: the key stands here for the "
                    f"second time; the first is in line {lines[where]}"
                )
            lines[where] = key.start_mark.line + 1
            result[key.value] = _to_plain(value, where, path, lines)
        return result
    if kind == "seq":
        for index, value in enumerate(node.value):
            lines[(*field_path, index)] = value.start_mark.line + 1
        return [_to_plain(value, (*field_path, index), path, lines) for index, value in enumerate(node.value)]
    return _to_scalar(kind, node, f"{path}, line {node.start_mark.line + 1}, {format_field(field_path)}")


def _to_scalar(kind: str, node: Any, place: str) -> Any:
    text = node.value
    if kind in {"int", "float"}:
        return _to_number(kind, text, place)
    if kind == "bool":
        return text.lower() == "true"
    return None if kind == "null" else text


def _to_number(kind: str, text: str, place: str) -> int | float:
    shown = text if len(text) <= 30 else f"{text[:30]}…"
    plain = text.replace("_", "")
    try:
        if kind == "int":
            return int(plain, 0 if plain.lstrip("+-")[:2].lower() in {"0x", "0o", "0b"} else 10)
        value = float(plain)
    except ValueError as error:
        raise InputError(f"{place}: {shown!r} cannot be read as a number: {str(error)[:80]}") from error
    if not math.isfinite(value):
        raise InputError(f"{place}: {shown!r} is not finite")
    return value
