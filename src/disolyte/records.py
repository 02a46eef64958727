"""The base of all typed records: settings of Makers, arguments of jobs, documents."""

from __future__ import annotations

from typing import Any

from monty.json import jsanitize
from pydantic import BaseModel


class Record(BaseModel):
    """A pydantic model that survives every way jobs travel.

    FireWorks stores a job through its ``as_dict``, which knows no pydantic models and would write their text instead;
    monty reads them back by module and class.
    """

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON, with the module and class that monty needs to read them back."""
        return jsanitize(self, strict=True, enum_values=True)
