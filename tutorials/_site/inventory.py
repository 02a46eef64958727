"""What the package holds: modules, classes, and their names."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

ROOT = "disolyte"
STAGES = (
    "systems", "enumeration", "models", "thermodynamics", "dynamics", "sampling", "labelling", "finetuning",
    "diffusion", "flows",
)  # fmt: skip
"""In the order of the pipeline."""


def modules_of(package: str) -> Iterator[ModuleType]:
    """A package and all modules below it that can be imported by name."""
    top = importlib.import_module(package)
    yield top
    for info in pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}."):
        if not info.name.rpartition(".")[2].startswith("__"):
            yield importlib.import_module(info.name)


def public_classes(package: str, base: type) -> list[type]:
    """Public subclasses of ``base`` that are defined in a package, in the order of the code."""
    found = [
        value
        for module in modules_of(package)
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
        if not name.startswith("_")
    ]
    return sorted(set(found), key=lambda value: (_stage(value), found.index(value)))


def _stage(value: type) -> int:
    stage = value.__module__.split(".")[1]
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def offered(package: str) -> list[Any]:
    """Functions and classes of a package's ``__all__`` that are neither Makers nor records of documents."""
    top = importlib.import_module(package)
    return [getattr(top, name) for name in getattr(top, "__all__", ())]


def home(value: Any) -> str:
    """Where something is defined, as a dotted name."""
    return f"{value.__module__}.{value.__qualname__}"


def link(value: type) -> str:
    """A cross-reference by bare name."""
    return f":class:`~{home(value)}`"
