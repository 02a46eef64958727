"""What a training was asked to use against what it uses."""

from __future__ import annotations

from typing import Any

from disolyte.errors import FinetuningError


def compare_settings(asked: dict[str, Any], effective: dict[str, Any]) -> None:
    """Refuse a run that uses other settings than asked.

    Raises
    ------
    FinetuningError
        Naming each setting with both values.
    """
    different = [
        f"{key}: asked {value!r}, used {effective.get(key)!r}"
        for key, value in asked.items()
        if not _same(value, effective.get(key))
    ]
    if different:
        raise FinetuningError(
            "training runs with other settings than asked (" + "; ".join(different) + "), so that no model is made. "
            "The installed mace-torch may treat these options differently: disolyte is made for >=0.3.16,<0.4"
        )


def _same(asked: object, used: object) -> bool:
    if isinstance(asked, float) and isinstance(used, int | float):
        return abs(asked - used) <= 1e-6 * max(abs(asked), 1e-12)
    return asked == used
