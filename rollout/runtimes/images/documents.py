"""JSON documents of an image, read strictly: what two parsers could take differently is refused."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from rollout.runtimes.images.reason import Reason, Refused, plainly, shown

_Json = dict[str, Any]
_NAMES = {str: "text", list: "a list", dict: "an object", int: "a number"}


def parsed(data: bytes, where: str = "") -> Any:
    """The document. Refused where it is not JSON, has a key twice, or text that is no text; `where` it stands, for the error."""
    try:
        document = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(document, ensure_ascii=False).encode()
    except Refused as refused:
        raise Refused(refused.reason, f"{refused.told}{_inside(where)}") from refused
    except RecursionError:
        raise Refused(Reason.NOT_JSON, f"is nested too deep{_inside(where)}") from None
    except ValueError as error:
        raise Refused(Reason.NOT_JSON, f"is not JSON{_inside(where)}: {plainly(str(error))}") from error
    return document


def _inside(where: str) -> str:
    return f" in {where}" if where else ""


def _unique(pairs: Sequence[tuple[str, Any]]) -> _Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in [name for name, _ in pairs[:number]])
        raise Refused(Reason.MALFORMED, f"has {shown(twice)} twice")
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


class Doc:
    """An object of a document, and where it stands, for errors."""

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise Refused(Reason.MALFORMED, f"has something else than an object{_inside(where)}")
        self._value: _Json = value
        self._where = where

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def text(self, key: str) -> str:
        """The text; empty where it is absent or null. Refused for a NUL in it: no process could be given that."""
        text: str = self._of(key, str, "")
        if "\0" in text:
            raise Refused(Reason.MALFORMED, f"has a NUL in {self._at(key)}")
        return text

    def number(self, key: str) -> int:
        """The whole number, not negative."""
        number: int = self._of(key, int, -1)
        if number < 0 or isinstance(number, bool):
            raise Refused(Reason.MALFORMED, f"has no number of 0 or more in {self._at(key)}")
        return number

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts; empty where it is absent or null."""
        found: list[object] = self._of(key, list, [])
        return tuple(Doc({key: one if one is not None else 0}, self._where).text(key) for one in found)

    def inner(self, key: str) -> "Doc":
        """The object within; an empty one where it is absent or null."""
        return Doc(self._of(key, dict, {}), self._at(key))

    def many(self, key: str) -> list["Doc"]:
        """The objects of a list; none where it is absent or null."""
        found: list[object] = self._of(key, list, [])
        return [Doc(one, f"{self._at(key)}[{number}]") for number, one in enumerate(found)]

    def keys(self) -> Mapping[str, Any]:
        """All that it has."""
        return self._value

    def _at(self, key: str) -> str:
        return f"{self._where} {key}".strip()

    def _of(self, key: str, kind: type, absent: Any) -> Any:
        value = self._value.get(key)
        if value is None:
            return absent
        if not isinstance(value, kind):
            raise Refused(Reason.MALFORMED, f"has something else than {_NAMES[kind]} in {self._at(key)}")
        return value
