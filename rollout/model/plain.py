"""Frozen dataclasses to plain JSON values and back, and the one canonical form that is hashed."""

import hashlib
import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """`value` as dicts, lists, strings, numbers, booleans and None; times as ISO 8601."""
    if value is None or type(value) in {str, int, float, bool}:
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(v) for v in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


def from_plain(kind: type[T], value: Any) -> T:
    """The inverse of `to_plain` for dataclass `kind`. TypeError or ValueError name what does not fit."""
    result: T = _build(kind, value)
    return result


@lru_cache(maxsize=256)
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, value: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _build_union(args, value)
    if origin is tuple:
        return tuple(_build(args[0], v) for v in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {_build(args[0], k): _build(args[1], v) for k, v in value.items()}
    if not isinstance(kind, type):
        return value
    if is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{k: _build(hints[k], v) for k, v in value.items()})
    if issubclass(kind, Enum):
        return kind(value)
    if issubclass(kind, (datetime, date)):
        return kind.fromisoformat(value)
    return float(value) if kind is float else value


def _build_union(args: tuple[Any, ...], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str) and str in args:
        return value
    if isinstance(value, list):
        args = tuple(a for a in args if get_origin(a) is tuple) or args
    chosen = next(a for a in args if a is not types.NoneType and (a is not str or len(args) == 1))
    return _build(chosen, value)


def _not_plain(value: object) -> Any:
    plain = to_plain(value)
    if plain is value:
        raise TypeError(f"{type(value).__name__} has no plain form")
    return plain


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_not_plain)


def canonical(value: object) -> bytes:
    """The one byte form of a value: sorted keys, no blanks, UTF-8."""
    return _ENCODER.encode(value).encode()


def sha256(value: object) -> str:
    """Hex SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()
