"""The systems that come with disolyte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from disolyte.errors import InputError
from disolyte.systems.lithium_orthosalts import alpha_li3ps4, beta_li3ps4, cmcm_li4geo4, gamma_li3ps4, lpsgo
from disolyte.systems.liybc import liybc
from disolyte.systems.nasicon import nasicon
from disolyte.systems.schema import DisorderedSystem

_SYSTEMS: Final[dict[str, Callable[[], DisorderedSystem]]] = {
    "nasicon": nasicon,
    "lpsgo": lpsgo,
    "liybc": liybc,
    "li3ps4-alpha": alpha_li3ps4,
    "li3ps4-beta": beta_li3ps4,
    "li3ps4-gamma": gamma_li3ps4,
    "li4geo4-cmcm": cmcm_li4geo4,
}


def available_systems() -> list[str]:
    """Keys of the systems that come with disolyte."""
    return list(_SYSTEMS)


def get_system(key: str) -> DisorderedSystem:
    """System by its key.

    Raises
    ------
    InputError
        If there is no such system.

    Examples
    --------
    >>> get_system("liybc").title
    'Li3In(x)Y(1-x)Br(6y)Cl(6-6y)'
    """
    if key not in _SYSTEMS:
        raise InputError(f"there is no system {key!r}; disolyte ships {', '.join(available_systems())}")
    return _SYSTEMS[key]()
