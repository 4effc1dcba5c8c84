"""Ports and volumes of a Compose service, in the short and in the long way to write them."""

import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.manifests import fields

_SHORT = re.compile(r"(?:(?P<outside>.*):)?(?P<low>[0-9]{1,5})(?:-(?P<high>[0-9]{1,5}))?(?:/(?P<protocol>\w+))?")
_MODES = re.compile(r"(?:\w+(?:=\w+)?)(?:,\w+(?:=\w+)?)*")
HIGHEST = 65535
TCP = "tcp"
TAKEN_PORT = {"target", "published", "host_ip", "protocol", "app_protocol"}
TAKEN_VOLUME = {"type", "source", "target", "read_only"}
MOUNTED = ("volume", "bind")

NOT_HTTP: Mapping[int, str] = {
    **{22: "SSH", 25: "SMTP", 53: "DNS", 389: "LDAP", 465: "SMTP", 587: "SMTP", 636: "LDAP", 1025: "SMTP", 1433: "SQL Server"},
    **{1521: "Oracle", 1883: "MQTT", 2181: "ZooKeeper", 2379: "etcd", 3306: "MySQL", 4222: "NATS", 5432: "PostgreSQL"},
    **{5671: "AMQP", 5672: "AMQP", 6379: "Redis", 6380: "Redis", 8883: "MQTT", 9042: "Cassandra", 9092: "Kafka", 9093: "Kafka"},
    **{11211: "memcached", 26257: "CockroachDB", 27017: "MongoDB", 27018: "MongoDB", 33060: "MySQL"},
}
"""Ports that are known for something that is not HTTP."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that the program listens on. `left_out`: what else stands there, as keys below `ports`."""

    number: int
    protocol: str = TCP
    app_protocol: str | None = None
    left_out: tuple[str, ...] = ()


def ports(entry: object) -> list[Port]:
    """The ports of one entry, its variables filled in; several where it is a range. ValueError says what is expected."""
    if isinstance(entry, Mapping):
        return _long(entry)
    if isinstance(entry, bool) or not isinstance(entry, (int, str)):
        raise ValueError(f"must be a port, not {fields.told(entry)}")
    found = _SHORT.fullmatch(str(entry).strip())
    if found is None:
        raise ValueError("is not [HOST:]PORT[/PROTOCOL]")
    low, high = int(found["low"]), int(found["high"] or found["low"])
    protocol = (found["protocol"] or TCP).lower()
    left_out = ("published",) if found["outside"] is not None else ()
    return [Port(number, protocol, None, left_out) for number in _range(low, high)]


def _range(low: int, high: int) -> range:
    if not 1 <= low <= high <= HIGHEST:
        raise ValueError(f"is not a port from 1 to {HIGHEST}")
    return range(low, high + 1)


def _long(entry: Mapping[str, object]) -> list[Port]:
    target = number(entry.get("target"))
    app = entry.get("app_protocol")
    left_out = [key for key in entry if key not in TAKEN_PORT]
    left_out += ["published"] * any(entry.get(key) is not None for key in ("published", "host_ip"))
    protocol = fields.text(entry.get("protocol") or TCP).lower()
    return [Port(next(iter(_range(target, target))), protocol, fields.text(app).lower() if app else None, tuple(left_out))]


def number(value: object) -> int:
    """A whole number, also as a text, since a variable is one."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else fields.whole(value)


@dataclass(frozen=True, slots=True)
class Volume:
    """`text`: `SOURCE:TARGET[:MODE]`, None where nothing is kept there. `left_out`: what else stands there."""

    text: str | None
    left_out: tuple[str, ...] = ()


def volume(entry: object, folder: Path) -> Volume:
    """One mounted place, paths of the host absolute. ValueError says what is expected."""
    if isinstance(entry, Mapping):
        return _long_volume(entry, folder)
    text = fields.text(entry).strip()
    parts = text.split(":")
    if len(parts) > 3 or not all(parts) or (len(parts) == 3 and not _MODES.fullmatch(parts[2])):
        raise ValueError("is not [SOURCE:]/TARGET[:MODE]")
    if len(parts) == 1:
        return Volume(_absolute(parts[0]))
    return Volume(":".join([_source(parts[0], folder), _absolute(parts[1]), *parts[2:]]))


def _long_volume(entry: Mapping[str, object], folder: Path) -> Volume:
    kind = fields.text(entry.get("type", "volume"))
    if kind not in MOUNTED:
        return Volume(None, (kind,))
    target, source = _absolute(fields.text(entry.get("target"))), entry.get("source")
    if source is None and kind == "bind":
        raise ValueError("of type bind needs a source")
    name = [] if source is None else [_source(fields.text(source), folder, path=kind == "bind")]
    mode = ["ro"] * (str(entry.get("read_only")).lower() == "true" and bool(name))
    return Volume(":".join([*name, target, *mode]), tuple(key for key in entry if key not in TAKEN_VOLUME))


def _absolute(target: str) -> str:
    if not target.startswith("/"):
        raise ValueError("needs a target that begins with /")
    return target


def _source(source: str, folder: Path, *, path: bool = False) -> str:
    """A name of a volume as it is, a path seen from the folder of the file."""
    if path or source.startswith(("/", ".", "~")):
        return os.path.normpath(folder / os.path.expanduser(source))
    return source
