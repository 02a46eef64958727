"""The kinds of machine a job can ask for."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """Kind of machine that a Maker's job needs. Makers state it as ``role: ClassVar[Role]``."""

    CPU = "cpu"
    GPU = "gpu"
    DFT = "dft"
