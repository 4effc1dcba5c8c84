"""Frozen dataclasses to plain JSON values and back, and the one canonical form that is hashed."""

import hashlib
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """`value` as dicts, lists, strings, numbers, booleans and None; times as ISO 8601.

    What a dataclass is not made of (`init=False`) is left out: it follows from the rest.
    """
    if value is None or type(value) in {str, int, float, bool}:
        return value
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return {name: to_plain(item) for name, item in zip(names, value, strict=True)}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_plain(v) for v in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return value


@lru_cache(maxsize=64)
def iso(at: datetime) -> str:
    """The time as text; found once for the many values that a tick stamps with the same one."""
    return at.isoformat()


def from_plain(kind: type[T], value: Any) -> T:
    """The inverse of `to_plain` for dataclass `kind`. TypeError or ValueError name what does not fit."""
    result: T = _builder(cast(Any, kind))(value)
    return result


Build = Callable[[Any], Any]


def _same(value: Any) -> Any:
    return value


@lru_cache(maxsize=256)
def _builder(kind: Any) -> Build:
    """What makes a value of this type: found out once, since a plan has 100,000 moves."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _union(args)
    if origin is tuple:
        build = _builder(args[0])
        return lambda value: tuple([build(v) for v in value])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = _builder(args[0]), _builder(args[1])
        return lambda value: {key(k): item(v) for k, v in value.items()}
    if not isinstance(kind, type):
        return _same
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _dataclass(kind)
    if issubclass(kind, (datetime, date)):
        return kind.fromisoformat
    return kind if issubclass(kind, Enum) or kind is float else _same


def _dataclass(kind: type) -> Build:
    builders = {name: _builder(hint) for name, hint in get_type_hints(kind).items()}
    special = [(name, build) for name, build in builders.items() if build is not _same]

    def build(value: Any) -> Any:
        built = dict(value)
        for name, make in special:
            if name in built:
                built[name] = make(built[name])
        return kind(**built)

    return build


def _union(args: tuple[Any, ...]) -> Build:
    known = tuple(a for a in args if a is not types.NoneType)
    one = next((a for a in known if a is not str), str)
    many = next((a for a in known if get_origin(a) is tuple), one)
    single, several, text = _builder(one), _builder(many), str in known

    def build(value: Any) -> Any:
        if value is None or (text and isinstance(value, str)):
            return value
        return several(value) if isinstance(value, list) else single(value)

    return build


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
