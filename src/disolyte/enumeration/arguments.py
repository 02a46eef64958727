"""Checks of plain arguments."""

from __future__ import annotations

from enum import StrEnum
from operator import index
from typing import TypeVar

from disolyte.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)


def check_choice(choices: type[Choice], name: str, value: str) -> Choice:
    """One of several words.

    Raises
    ------
    InputError
        If it is none of them.
    """
    try:
        return choices(value)
    except ValueError as error:
        raise InputError(f"{name} {value!r} is unknown: choose {' or '.join(choices)}") from error


def check_count(name: str, value: int) -> int:
    """Whole number from 1 up.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        count = index(value)
    except TypeError as error:
        raise InputError(f"{name} is {value!r}; it must be a whole number") from error
    if count < 1:
        raise InputError(f"{name} is {count}; it must be at least 1")
    return count


def check_seed(seed: int) -> int:
    """Seed: a whole number from 0 up.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        number = index(seed)
    except TypeError as error:
        raise InputError(f"seed is {seed!r}; it must be a whole number, so that the result can be had again") from error
    if number < 0:
        raise InputError(f"seed is {number}; it must be at least 0")
    return number
