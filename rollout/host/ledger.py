"""What the host part remembers, on disk: one small file (0600) per service, replaced whole.

A record holds the highest fence number seen, the weight at the edge, and every instance with its spec. It is durable when
`save` returns, so that a host part that was killed knows all it knew before.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec
from rollout.model.plain import from_plain, to_plain

SUFFIX = ".json"
BOOT = "boot"


class Joined(StrEnum):
    """When an instance comes into the private network: before its first instruction, or patched in while it runs."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One instance that is kept. `wanted`: it should run. `attached`: names and edge lead to it, on `port`.

    `port` is the last that it was attached on, also when detached since: it may still have requests to finish.
    `spare`: another port that it has just opened, 0 without one: it may be about to leave `port` for it.
    `traffic`: the edge counts it while it is attached, unless it is still `expected`: about to be started, or to listen.
    `follows`: attached again by the host part itself when its port changes.
    `order` grows with every attachment. `joined`: how it joined the private network, None for one that is not in it;
    `ipv4`: there it listens on IPv4 alone.
    """

    spec: InstanceSpec
    wanted: bool = False
    attached: bool = False
    traffic: bool = True
    expected: bool = False
    port: int = 0
    spare: int = 0
    note: str = ""
    follows: bool = False
    order: int = 0
    joined: Joined | None = None
    ipv4: bool = False

    @property
    def led(self) -> bool:
        """Traffic is led to it."""
        return self.attached and self.traffic and not self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one service. `weight` is v2's share in percent, None while the edge does not know it.

    `address`: what its name leads to in the private network, empty where it has never been in it; `address4`: the same over
    IPv4, where its copies listen on nothing else.
    """

    service: str
    host_name: str = ""
    fence: int = 0
    weight: int | None = None
    address: str = ""
    address4: str = ""
    held: Mapping[str, Held] = field(default_factory=dict)

    def with_held(self, held: Held) -> "Record":
        """The same with this instance put in."""
        return replace(self, held={**self.held, held.spec.id: held}, host_name=held.spec.host_name)

    def without(self, instance: str) -> "Record":
        """The same without this instance."""
        return replace(self, held={key: held for key, held in self.held.items() if key != instance})


class Ledger:
    """The records of one host part in `folder` (0700). Readers see whole records; callers lock per service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BrokenError(f"cannot make {folder}: {error.strerror}", then="look at its permissions") from error
        self._records = {record.service: record for record in self._load()}

    def record(self, service: str) -> Record:
        """What is known of the service; an empty record for a new one."""
        return self._records.get(service) or Record(service=service)

    def records(self) -> list[Record]:
        """All of them, as they are now."""
        return list(self._records.values())

    def find(self, instance: str) -> tuple[str, Held] | None:
        """The service that an instance belongs to, and the instance."""
        for record in self.records():
            if instance in record.held:
                return record.service, record.held[instance]
        return None

    def save(self, record: Record) -> None:
        """Durable on return; on BrokenError (disk full, permission) the old record stands, on disk and here."""
        content = json.dumps(to_plain(record), separators=(",", ":"))
        self._write(self._path(record.service), content, f"{record.service} is as it was")
        self._records[record.service] = record

    def hold(self, record: Record) -> None:
        """Known here at once, and durable if the disk allows."""
        try:
            self.save(record)
        except BrokenError:
            self._records[record.service] = record

    def boot(self) -> str:
        """The start of the host in which all was brought back last; empty before the first."""
        try:
            return (self.folder / BOOT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def set_boot(self, boot: str) -> None:
        """Durable on return."""
        if self.boot() != boot:
            self._write(self.folder / BOOT, boot, "all that should run runs")

    @staticmethod
    def _write(path: Path, content: str, state: str) -> None:
        draft = path.with_suffix(".new")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise BrokenError(
                f"the host part cannot write {path}: {error.strerror}",
                state=state,
                then="free some space, or look at the permissions, and run the same command again",
            ) from error

    def _path(self, service: str) -> Path:
        environment, _, name = service.partition("/")
        return self.folder / f"{name}.{environment}{SUFFIX}"

    def _load(self) -> Iterator[Record]:
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                yield from_plain(Record, json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError, KeyError) as error:
                raise BrokenError(
                    f"the host part's record {path} cannot be read: {error}",
                    state="nothing was started or stopped",
                    then=f"move {path} away; rollout up brings its service back from the store",
                ) from error
