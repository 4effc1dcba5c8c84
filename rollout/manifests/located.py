"""Reading values out of a TOML file so that what does not fit is told with file, line, key and what was expected."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, TypeVar

from rollout.errors import UsageError
from rollout.model.policy import Amount

E = TypeVar("E", bound=StrEnum)
Convert = Callable[[Any], object]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST_DAYS = 36_500
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_HEADER = re.compile(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}\s*(?:#.*)?")


class Unfit(Exception):
    """A value does not fit; the text says what was expected, and reads well after the word "expected"."""


def near(word: str, known: Iterable[str]) -> str:
    """A question that names what was probably meant, or all that is known; empty where nothing is known."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(names)}" if names else ""


@dataclass(frozen=True)
class Place:
    """A table of a TOML file; `table` is its dotted path, `index` its number among tables of the same array."""

    file: str
    text: str
    table: str = ""
    index: int = 0

    def at(self, table: str, index: int = 0) -> "Place":
        """Another table of the same file."""
        return Place(self.file, self.text, table, index)

    def error(self, key: str, problem: str) -> UsageError:
        """The one error of this file, with the line where it can be found."""
        name = f"{self.table}.{key}" if self.table and key else self.table or key
        line = self._line(key)
        where = f"{self.file}:{line}" if line else self.file
        return UsageError(f"{where}: {name}: {problem}" if name else f"{where}: {problem}", then=f"correct {self.file}")

    def _line(self, key: str) -> int | None:
        """Number of the line that sets `key` in this table, else of the table's header."""
        header, seen, table = None, -1, ""
        wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else None
        for number, line in enumerate(self.text.splitlines(), 1):
            found = _HEADER.fullmatch(line)
            if found:
                table = found[2]
                seen += table == self.table
                header = number if table == self.table and seen == self.index else header
            elif wanted and table == self.table and max(seen, 0) == self.index and wanted.match(line):
                return number
        return header


def read_table(raw: Mapping[str, Any], fields: Mapping[str, tuple[str, Convert]], place: Place) -> dict[str, Any]:
    """Arguments for a dataclass: `fields` gives for every known key the argument's name and its converter."""
    arguments: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in fields:
            raise place.error(key, f"unknown key; {near(key, fields)}")
        name, convert = fields[key]
        try:
            arguments[name] = convert(value)
        except Unfit as problem:
            raise place.error(key, f"{shown(value)} does not fit: expected {problem}") from None
    return arguments


def shown(value: object) -> str:
    """A value as a person wrote it, cut where it is long."""
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def duration(value: Any) -> float:
    """Seconds of `30s`, `10m`, `4h`, `2d` or a sum such as `1h30m`; longer than nothing, at most 36500d."""
    expected = "a duration such as 30s, 10m, 4h or 2d"
    if not isinstance(value, str):
        raise Unfit(expected)
    parts = _DURATION.findall(value)
    if not parts or _DURATION.sub("", value).strip():
        raise Unfit(expected)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise Unfit("a duration longer than nothing")
    if seconds > _LONGEST_DAYS * _SECONDS["d"]:
        raise Unfit(f"a duration of at most {_LONGEST_DAYS}d")
    return seconds


def duration_or_none(value: Any) -> float:
    """Like `duration`; `0s` is allowed."""
    return 0.0 if isinstance(value, str) and re.fullmatch(r"0+\s*(ms|s|m|h|d)", value) else duration(value)


def days(value: Any) -> int:
    """Whole days of a duration."""
    seconds = duration(value)
    if seconds % _SECONDS["d"]:
        raise Unfit("whole days, such as 30d")
    return int(seconds // _SECONDS["d"])


def whole(least: int, most: int | None = None) -> Convert:
    """A converter for whole numbers from `least` to `most`."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
            raise Unfit(f"a whole number from {least} to {most}" if most is not None else f"a whole number of at least {least}")
        return value

    return convert


def share(value: Any) -> float:
    """A percentage such as `2%`, as a number from 0 to 1."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if not found or float(found[1]) > 100:
        raise Unfit('a share such as "2%"')
    return float(found[1]) / 100


def percent(value: Any) -> float:
    """A percentage such as `20%` or `150%`, as a number."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise Unfit('a percentage such as "20%"')
    return float(found[1]) / 100


def between(low: float, high: float) -> Convert:
    """A converter for a number of at least `low` and at most `high`."""

    def convert(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise Unfit(f"a number from {low:g} to {high:g}")
        return float(value)

    return convert


def amount(least: int) -> Convert:
    """A converter for a number of services of at least `least`, or a share such as `20%`."""

    def convert(value: Any) -> Amount:
        found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        if found and 0 < float(found[1]) <= 100:
            return Amount(percent=float(found[1]))
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise Unfit(f'a whole number of at least {least}, or a share such as "20%"')
        return Amount(count=value)

    return convert


def one_of(kind: type[E]) -> Convert:
    """A converter for the members of an enumeration."""

    def convert(value: Any) -> E:
        try:
            return kind(value)
        except ValueError:
            hint = near(value, kind) if isinstance(value, str) else ""
            raise Unfit(f"one of {', '.join(kind)}" + (f" ({hint})" if "mean" in hint else "")) from None

    return convert


def truth(value: Any) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        raise Unfit("true or false")
    return value


def words(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise Unfit("a text in quotes")
    return value


def day(value: Any) -> date:
    """A date as TOML writes it, without quotes."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Unfit("a date without quotes, such as 2024-07-31")
    return value


def moment(value: Any) -> datetime:
    """A time with its zone, in UTC; a bare date is its first moment in UTC."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    raise Unfit("a date, or a time with its zone, without quotes, such as 2024-06-04 or 2024-06-04T09:00:00Z")
