"""Send every job to the kind of worker its role asks for, also the jobs that do not exist yet.

In jobflow, a job that makes other jobs hands its own manager configuration on to them, over whatever they were
given, unless ``pass_manager_config`` is off. :func:`assign_workers` therefore switches that off everywhere and leaves
one *dynamic* update per Maker class behind; jobflow carries these to every job of every replacement, detour and
addition. Which Maker classes can make jobs is read from the makers that sit in the fields of the flow's makers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar

from jobflow import Flow, Job, Maker

from disolyte.errors import WorkerError
from disolyte.workers.roles import Role

FOREIGN_ROLES: Final[dict[str, Role]] = {
    "atomate2.vasp.jobs.base.BaseVaspMaker": Role.DFT,
    "atomate2.aims.jobs.base.BaseAimsMaker": Role.DFT,
    "atomate2.cp2k.jobs.base.BaseCp2kMaker": Role.DFT,
    "atomate2.forcefields.utils.ForceFieldMixin": Role.GPU,
}
"""Roles of Makers that state none, by the dotted name of a base class."""


FlowOrJob = TypeVar("FlowOrJob", Flow, Job)


def role_of(maker: Maker | type[Maker] | None) -> Role:
    """Role of the jobs which a Maker makes.

    A Maker states it as the class attribute ``role``; for atomate2's, :data:`FOREIGN_ROLES` is asked; all else is
    light work on a CPU.

    Examples
    --------
    >>> role_of(None)
    <Role.CPU: 'cpu'>
    """
    if maker is None:
        return Role.CPU
    cls = maker if isinstance(maker, type) else type(maker)
    stated = getattr(cls, "role", None)
    if stated is not None:
        return Role(stated)
    for base in cls.__mro__:
        role = FOREIGN_ROLES.get(f"{base.__module__}.{base.__qualname__}")
        if role is not None:
            return role
    return Role.CPU


def nested_makers(maker: Maker) -> Iterator[Maker]:
    """Yield a Maker and all Makers in its fields, however deep."""
    yield maker
    if not is_dataclass(maker):
        return
    for field in fields(maker):
        yield from _makers_in(getattr(maker, field.name))


def _makers_in(value: Any) -> Iterator[Maker]:
    if isinstance(value, Maker):
        yield from nested_makers(value)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _makers_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _makers_in(item)


def assign_workers(
    flow: FlowOrJob,
    workers: Mapping[Any, Mapping[str, Any]],
    *,
    by_name: Mapping[str, Role | str] | None = None,
) -> FlowOrJob:
    """Give every job of a flow, and every job it will ever make, the manager configuration of its role.

    Parameters
    ----------
    flow
        A job or flow. It is changed in place and returned.
    workers
        Manager configuration for each role, e.g. ``{"cpu": {"_category": "cpu"}, "gpu": {"_category": "gpu"}}`` on
        FireWorks, or ``{"gpu": {"worker": "a100", "resources": {...}}}`` on jobflow-remote.
    by_name
        Roles for jobs whose name holds the given text, over the role of their Maker.

    Returns
    -------
    Flow | Job
        ``flow``.

    Raises
    ------
    WorkerError
        If a role is unknown, or a job needs a role that has no worker.
    """
    configurations = {_role(role): dict(config) for role, config in workers.items()}
    makes: dict[Callable[..., Any], Role] = _make_functions(flow)
    overrides: dict[str, Role] = {text: _role(role) for text, role in (by_name or {}).items()}
    for role in {Role.CPU, *makes.values(), *overrides.values()}:
        if role not in configurations:
            given = ", ".join(sorted(configurations)) or "none"
            raise WorkerError(f"jobs of this flow need the role '{role}', but workers are given for: {given}; add it")

    def route(role: Role, **filters: Any) -> None:
        config = {"manager_config": configurations[role], "pass_manager_config": False}
        flow.update_config(config, dynamic=True, **filters)

    route(Role.CPU)
    for make, role in makes.items():
        route(role, function_filter=make)
    for text, role in overrides.items():
        route(role, name_filter=text)
    return flow


def _role(role: Role | str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise WorkerError(f"unknown role {role!r}; roles are: {', '.join(Role)}") from None


def _make_functions(flow: Flow | Job) -> dict[Callable[..., Any], Role]:
    """Roles of all ``make`` functions that can become jobs, CPU ones left out: that is the default."""
    makes: dict[Callable[..., Any], Role] = {}
    for job, _ in flow.iterflow() if isinstance(flow, Flow) else [(flow, [])]:
        makers = [*(nested_makers(job.maker) if job.maker is not None else ()), *_makers_in(job.function_args)]
        for maker in [*makers, *_makers_in(job.function_kwargs)]:
            make, role = type(maker).make, role_of(maker)
            if role is not Role.CPU and hasattr(make, "original"):
                makes[make] = role
    return makes
