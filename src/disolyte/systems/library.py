"""The systems that come with disolyte."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from disolyte.errors import InputError
from disolyte.systems.lithium_orthosalts import alpha_li3ps4, beta_li3ps4, cmcm_li4geo4, gamma_li3ps4, lpsgo
from disolyte.systems.liybc import liybc
from disolyte.systems.nasicon import nasicon
from disolyte.systems.schema import CHARGE_TOLERANCE_E, DisorderedSystem
from disolyte.systems.structure_files import read_structure_file

_SYSTEMS: Final[dict[str, Callable[[], DisorderedSystem]]] = {
    "nasicon": nasicon,
    "lpsgo": lpsgo,
    "liybc": liybc,
    "li3ps4-alpha": alpha_li3ps4,
    "li3ps4-beta": beta_li3ps4,
    "li3ps4-gamma": gamma_li3ps4,
    "li4geo4-cmcm": cmcm_li4geo4,
}

MOBILE_ELEMENTS: Final = frozenset({"Li", "Na", "K", "Rb", "Ag"})
"""Elements taken as the mobile ion where a structure holds just one of them."""


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


def load_system(
    source: str | os.PathLike[str],
    *,
    mobile_ion: str | None = None,
    oxidation_states: Mapping[str, float] | None = None,
    merge_within_ang: float = 0.0,
    charge_tolerance_e: float | None = None,
) -> DisorderedSystem:
    """System by its key, from a YAML file, or from a structure file with partial occupancies.

    Parameters
    ----------
    source
        Key or path.
    mobile_ion
        Of a structure file: element whose diffusion is studied; its only alkali metal or silver if not given.
    oxidation_states
        Of a structure file: oxidation state of each element, where the file does not state them.
    merge_within_ang, charge_tolerance_e
        Of a structure file: see :meth:`DisorderedSystem.from_disordered_structure`.

    Raises
    ------
    InputError
        If there is no such system or file, or the file cannot be used.
    """
    path = Path(source).expanduser()
    if not path.is_file() and not path.suffix and len(path.parts) == 1:
        return get_system(str(source))
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    if path.suffix.lower() in {".yaml", ".yml"}:
        return DisorderedSystem.from_yaml(path)
    structure = read_structure_file(path)
    return DisorderedSystem.from_disordered_structure(
        path,
        mobile_ion=mobile_ion or _only_mobile_ion([element.symbol for element in structure.elements], path),
        oxidation_states=oxidation_states,
        key=path.stem,
        merge_within_ang=merge_within_ang,
        charge_tolerance_e=CHARGE_TOLERANCE_E if charge_tolerance_e is None else charge_tolerance_e,
    )


def _only_mobile_ion(elements: list[str], path: Path) -> str:
    found = sorted(set(elements) & MOBILE_ELEMENTS)
    if len(found) != 1:
        raise InputError(
            f"{path} holds {', '.join(found) if found else 'none'} of {', '.join(sorted(MOBILE_ELEMENTS))}: say which "
            "ion is mobile (mobile_ion)"
        )
    return found[0]
