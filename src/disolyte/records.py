"""The base of all typed records: settings of Makers, arguments of jobs, documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from monty.json import jsanitize
from pydantic import BaseModel


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
