"""What goes over the host part's socket: one JSON line there, one back.

A request is `{"version", "method", "arguments"}`; an answer `{"result"}` or `{"error": {"kind", "what", "state", "then"}}`.
Arguments and results are those of the ports, turned to JSON and back by their own types, so that there is no second list of
methods that could differ. Errors travel by kind and are raised again as what they were.
"""

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from rollout import errors
from rollout.errors import RolloutError
from rollout.host.images import ImageShelf
from rollout.host.ports import HostPart
from rollout.host.upkeep_port import Upkeep
from rollout.host.usage import Metered
from rollout.model.plain import from_plain, to_plain

KINDS: dict[str, type[RolloutError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RolloutError)
}
METHODS = {
    name: method
    for port in (HostPart, Upkeep, Metered, ImageShelf)
    for name, method in vars(port).items()
    if inspect.isfunction(method) and not name.startswith("_")
}
OPEN_TO_ALL = {"hello"}
"""What a caller of any version may ask."""


class Refused(RolloutError):
    """The host part is of another version than its caller."""


KINDS["Refused"] = Refused


@lru_cache(maxsize=64)
def types(method: str) -> Mapping[str, Any]:
    """The types of a method's arguments by name, and of its result as `return`."""
    return get_type_hints(METHODS[method])


def request(method: str, version: str, arguments: Mapping[str, object]) -> bytes:
    """The line that asks."""
    return _line({"version": version, "method": method, "arguments": {k: to_plain(v) for k, v in arguments.items()}})


def perform(line: bytes, version: str, desk: object) -> bytes:
    """Do what a line asks; the line that answers. It never raises for what the caller did."""
    try:
        asked = json.loads(line)
        method = str(asked["method"])
        if method not in METHODS:
            raise errors.UsageError(f"the host part knows no {method!r}")
        if asked["version"] != version and method not in OPEN_TO_ALL:
            raise Refused(
                f"the host part is of version {version}, this command of {asked['version']}",
                then="rollout up (replaces the host part; instances stay)",
            )
        hints = types(method)
        arguments = {name: build(hints[name], value) for name, value in asked["arguments"].items()}
        return _line({"result": to_plain(getattr(desk, method)(**arguments))})
    except RolloutError as error:
        return _line({"error": _told(error)})
    except Exception as error:  # noqa: BLE001 (a fault of one request must not end the host part; its caller is told)
        broken = errors.BrokenError(f"the host part failed: {type(error).__name__}: {error}", state="unknown: rollout status")
        return _line({"error": _told(broken)})


def result(method: str, answer: bytes) -> Any:
    """What an answer holds; raises the error that it holds."""
    told = json.loads(answer)
    if "error" in told:
        fault = told["error"]
        raise KINDS.get(fault["kind"], errors.BrokenError)(fault["what"], state=fault["state"], then=fault["then"])
    return build(types(method)["return"], told["result"])


def build(kind: Any, value: Any) -> Any:
    """A value of this type from its JSON form."""
    if kind is type(None) or value is None:
        return None
    if get_origin(kind) is Sequence:
        return [build(get_args(kind)[0], part) for part in value]
    if isinstance(kind, type) and kind in {int, str, float, bool}:
        return kind(value)
    return from_plain(cast("type[object]", kind), value)


def _told(error: RolloutError) -> dict[str, str]:
    return {"kind": type(error).__name__, "what": error.what, "state": error.state, "then": error.then}


def _line(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
