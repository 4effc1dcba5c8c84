"""What a Compose service says of the bounds of its container, and of how it ends."""

import re
from collections.abc import Callable

from rollout.manifests import fields
from rollout.manifests.compose_ports import number
from rollout.manifests.compose_source import Reading, scalar
from rollout.model import limits

TAKEN = ("mem_limit", "cpus", "pids_limit", "read_only", "stop_signal", "stop_grace_period")
RESOURCES = "resources"
_SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:us|ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def read(reading: Reading) -> None:
    """Its limits, its stop signal and its grace are among the values."""
    _bound(reading, "memory_mb", _memory, "mem_limit", "memory")
    _bound(reading, "cpus", _cpus, "cpus", "cpus")
    _bound(reading, "pids_max", _pids, "pids_limit", "pids")
    for key, field, reader in (
        ("read_only", "read_only", fields.flag),
        ("stop_signal", "stop_signal", fields.stop_signal),
        ("stop_grace_period", "draining_s", span),
    ):
        if reading.has(key):
            reading.values[field] = reading.source.read(reading.place(key), reader)
    _leave(reading)


def _bound(reading: Reading, field: str, reader: Callable[[object], object], key: str, below: str) -> None:
    """It stands at the service itself or below `deploy.resources.limits`; where at both, they must be the same."""
    places = (reading.place(key), reading.place("deploy", RESOURCES, "limits", below))
    said = [reading.source.read(place, reader) for place in places if reading.source.at(place) is not None]
    if len(set(said)) > 1:
        raise reading.source.unfit(places[0], f"is not what deploy.resources.limits.{below} says")
    if said and said[0] is not None:
        reading.values[field] = said[0]


def _leave(reading: Reading) -> None:
    """What else stands below `deploy.resources` is named."""
    for path in ((RESOURCES,), (RESOURCES, "limits")):
        table = reading.source.at(reading.place("deploy", *path))
        if table is not None and not isinstance(table, dict):
            raise reading.source.unfit(reading.place("deploy", *path), f"must be a table, not {fields.told(table)}")
        known = {"limits"} if len(path) == 1 else {"memory", "cpus", "pids"}
        for key in table or {}:
            if key not in known:
                reading.leave(".".join(("deploy", *path, key)))


def _memory(value: object) -> int | None:
    """In MiB; None, as Docker means it, for 0."""
    text = scalar(value)
    return None if text.strip() == "0" else limits.memory_mb(text)


def _cpus(value: object) -> float | None:
    return limits.cpus(scalar(value)) or None


def _pids(value: object) -> int | None:
    """None, as Docker means it, for 0 and -1."""
    return None if str(value) in {"0", "-1"} else number(value)


def span(value: object) -> float:
    """`1m30s`, `10s`, in seconds."""
    text = fields.text(value).strip()
    if not _SPAN.fullmatch(text):
        raise ValueError("is no time such as 10s or 1m30s")
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
