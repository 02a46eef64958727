"""The base of all typed records: settings of Makers, arguments of jobs, documents."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final

from monty.json import jsanitize
from pydantic import BaseModel

TRUSTED_PACKAGES: Final = (
    "disolyte", "atomate2", "jobflow", "pymatgen", "ase", "emmet", "custodian", "monty", "numpy", "datetime",
)  # fmt: skip
"""Packages whose classes JSON from elsewhere may name: reading it imports them."""


def foreign_module(content: object, trusted: Collection[str] = TRUSTED_PACKAGES) -> str | None:
    """First module that the JSON of an object names and that is of no trusted package; None if there is none."""
    if isinstance(content, dict):
        module = content.get("@module")
        # Of a blob that was not loaded jobflow writes an empty name, which imports nothing.
        if module and str(module).partition(".")[0] not in trusted:
            return str(module)
        content = list(content.values())
    if isinstance(content, list):
        return next((found for value in content if (found := foreign_module(value, trusted)) is not None), None)
    return None


class _OfInstances:
    """A method that instances have and their class has not.

    Jobs hold classes, too (the schema of their output), and monty would call ``as_dict`` on these.
    """

    def __get__(self, record: BaseModel | None, owner: type) -> Callable[[], dict[str, Any]]:
        if record is None:
            raise AttributeError(f"{owner.__name__} has as_dict on instances only")
        return lambda: jsanitize(record, strict=True, enum_values=True)


class Record(BaseModel):
    """A pydantic model that survives every way jobs travel.

    FireWorks stores a job through its ``as_dict``, which knows no pydantic models and would write their text instead.
    The method ``as_dict`` of instances gives all fields as JSON, with the module and class that monty needs to read
    them back.
    """

    as_dict: ClassVar[_OfInstances] = _OfInstances()
