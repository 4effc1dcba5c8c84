"""Typed reading of the values that a file may have for the fields of a service. ValueError says what is expected."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from typing import TypeVar

from rollout.model import limits

E = TypeVar("E", bound=StrEnum)
Reader = Callable[[object], object]


def text(value: object) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ValueError(f"must be a string, not {told(value)}")
    return value


def whole(value: object) -> int:
    """A whole number; `true` is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"must be a whole number, not {told(value)}")
    return value


def seconds(value: object) -> float:
    """A number of seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number of seconds, not {told(value)}")
    return float(value)


def number(value: object) -> float:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number, not {told(value)}")
    return float(value)


def stop_signal(value: object) -> str:
    """A signal by its name or number."""
    return limits.stop_signal(str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value))


def flag(value: object) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {told(value)}")
    return value


def strings(value: object) -> tuple[str, ...]:
    """A list of strings."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must be a list of strings, not {told(value)}")
    return tuple(value)


def command(value: object) -> str | tuple[str, ...]:
    """A string (run by the shell) or a list of strings (argv)."""
    return value if isinstance(value, str) else strings(value)


def pairs(value: object) -> Mapping[str, str]:
    """A table of strings; numbers and booleans are written as people mean them."""
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a table, not {told(value)}")
    table = {}
    for key, item in value.items():
        if isinstance(item, bool):
            table[str(key)] = str(item).lower()
        elif isinstance(item, (str, int, float)):
            table[str(key)] = str(item)
        else:
            raise ValueError(f"{key} must be a string")
    return table


def port(value: object) -> int | None:
    """A port, or `env` (None): the program obeys the variable PORT."""
    return None if value == "env" else whole(value)


def one_of(kind: type[E], value: object) -> E:
    """A member of `kind` in any letter case, with `-` and `_` alike."""
    word = text(value).strip().lower().replace("-", "_")
    found = _members(kind).get(word)
    if not isinstance(found, kind):
        raise ValueError(f"{value!r} is none of {', '.join(kind)}")
    return found


@cache
def _members(kind: type[StrEnum]) -> Mapping[str, StrEnum]:
    return {member.value: member for member in kind}


def choice(kind: type[E]) -> Reader:
    """A reader of members of `kind`."""
    return lambda value: one_of(kind, value)


def told(value: object) -> str:
    """What kind of value stands there: never the value, which may be a secret."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
