"""Which engine a run uses."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from disolyte.dynamics.protocol import Engine
from disolyte.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from disolyte.models import LoadedModel


KNOWN_VERSIONS: Final = frozenset({(0, 3), (0, 6)})
"""Versions of torch-sim that the engine was tried with: 0.3, the last for Python 3.11, and 0.6 for later ones."""


def choose_engine(engine: Engine, systems: Sequence[Atoms], model: LoadedModel | Calculator) -> Engine:
    """Engine that a run will use.

    ``AUTO`` takes torch-sim if a known version is installed, there are several systems or the model is on a GPU, the
    model is ours and all systems are periodic in three directions; else ASE. With the small reference model on one
    core, a cell-step of 20 atoms takes as long on both for a single cell, and a quarter of that on torch-sim for 32.
    For a single system on a CPU, ASE's bitwise restart decides.

    Raises
    ------
    InputError
        If there is no such engine, or torch-sim is asked for what it cannot do here, or its version is not known.
    MissingExtraError
        If torch-sim is asked for and not installed.
    """
    if engine not in set(Engine):
        raise InputError(f"there is no engine {str(engine)!r}: choose one of {', '.join(Engine)}")
    engine = Engine(engine)
    if engine is Engine.ASE:
        return engine
    obstacle = _obstacle(systems, model)
    version = torch_sim_version()
    known = version is not None and version[:2] in KNOWN_VERSIONS
    if engine is Engine.AUTO:
        pays_off = len(systems) > 1 or getattr(model, "device", "cpu") != "cpu"
        return Engine.TORCH_SIM if pays_off and known and obstacle is None else Engine.ASE
    if obstacle is not None:
        raise InputError(f"engine 'torch-sim': {obstacle}")
    if version is None:
        raise MissingExtraError("torch_sim", "torchsim")
    if not known:
        there = ".".join(map(str, version))
        raise InputError(
            f"torch-sim {there} was not tried; install torch-sim-atomistic 0.6 (0.3 on Python 3.11) or use engine 'ase'"
        )
    return engine


def torch_sim_version() -> tuple[int, ...] | None:
    """Version of the installed torch-sim; None if there is none."""
    try:
        return tuple(int(part) for part in metadata.version("torch-sim-atomistic").split(".")[:3] if part.isdigit())
    except metadata.PackageNotFoundError:
        return None


def _obstacle(systems: Sequence[Atoms], model: LoadedModel | Calculator) -> str | None:
    if isinstance(model, Calculator):
        return f"it cannot drive the ASE calculator {type(model).__name__}; give a LoadedModel or use engine 'ase'"
    if not all(np.all(atoms.pbc) for atoms in systems):
        return "it needs systems periodic in three directions; use engine 'ase'"
    return None
