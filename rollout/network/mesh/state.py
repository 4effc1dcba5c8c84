"""What the mesh remembers on disk: prefix, environments, members, services. Durable on return; each file is whole or not there.

It is written before anything is made on the machine, and removed after it is gone: whatever dies half way is found again.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from rollout.errors import BrokenError
from rollout.model.plain import from_plain, to_plain

T = TypeVar("T")
SETTINGS_BEFORE = "settings-before"
"""The kernel's settings before a way out was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """The hub of the same environment on another host: where it is, and the /96 of the instances behind it."""

    endpoint: str
    here: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRecord:
    """`number` names its room on the machine, `generation` how often that was made. Key and port are its hub's; `neighbours`
    by their public keys. `egress`: its instances may reach the outside."""

    name: str
    number: int
    prefix: str
    private_key: str
    port: int
    generation: int = 1
    neighbours: Mapping[str, Neighbour] = field(default_factory=dict)
    egress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRecord:
    """`patched`: it was joined while it ran, into the namespace that it had already. `port`: UDP port of its tunnel."""

    instance: str
    environment: str
    number: int
    private_key: str
    port: int
    patched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRecord:
    """`number` is its address; `lead`, of kind tcp: address and port that its new connections go to."""

    service: str
    number: int
    lead: tuple[str, int] | None = None


class Shelf(Generic[T]):
    """One file per thing in a folder, all of them in memory too. One process writes it; safe from many threads."""

    def __init__(self, folder: Path, kind: type[T]) -> None:
        self.folder = folder
        self._kind = kind
        self._lock = threading.Lock()
        self._held = self._load()

    def _load(self) -> dict[str, T]:
        """Drafts that a crash has left are removed."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for draft in self.folder.glob(".*"):
            draft.unlink(missing_ok=True)
        return {path.name: self._read(path) for path in sorted(self.folder.iterdir())}

    def _read(self, path: Path) -> T:
        try:
            return from_plain(self._kind, json.loads(path.read_bytes()))
        except (ValueError, TypeError, KeyError) as error:
            raise BrokenError(f"{path} is damaged: {error}", then=f"rollout down, rm {path}, rollout up") from error

    def get(self, name: str) -> T | None:
        """None for one that is not kept."""
        with self._lock:
            return self._held.get(name)

    def all(self) -> Mapping[str, T]:
        """By name, as of now."""
        with self._lock:
            return dict(self._held)

    def put(self, name: str, value: T) -> None:
        """Durable on return. BrokenError when the disk fails: the old one stands."""
        content = json.dumps(to_plain(value)).encode()
        with self._lock:
            try:
                write_durably(self.folder / name, content)
            except OSError as error:
                raise BrokenError(f"cannot write {self.folder / name}: {error.strerror}", then="free some space") from error
            self._held[name] = value

    def remove(self, name: str) -> None:
        """Not kept any more. Idempotent."""
        with self._lock:
            (self.folder / name).unlink(missing_ok=True)
            self._held.pop(name, None)


def write_durably(path: Path, content: bytes) -> None:
    """The file has this content, for its owner alone, also after a power cut; or the old one, and OSError."""
    draft = path.parent / f".{path.name}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class State:
    """Everything in `folder` (HOME/host/mesh)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.environments = Shelf(folder / "environments", EnvironmentRecord)
        self.members = Shelf(folder / "members", MemberRecord)
        self.services = Shelf(folder / "services", ServiceRecord)
        self.joined = folder / "joined"
        self.joined.mkdir(mode=0o700, exist_ok=True)
        self.settings_before = folder / SETTINGS_BEFORE

    def prefix(self) -> str:
        """The home's /48; empty before it was chosen."""
        try:
            return (self.folder / "prefix").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def set_prefix(self, prefix: str) -> None:
        """Durable."""
        write_durably(self.folder / "prefix", f"{prefix}\n".encode())

    def mark_joined(self, name: str, what: str) -> None:
        """`what` (a run of a tunnel and a namespace) was joined wholly. A power cut may take this with the tunnel."""
        draft = self.joined / f".{name}"
        draft.write_text(what, encoding="ascii")
        draft.replace(self.joined / name)

    def was_joined(self, name: str, what: str) -> bool:
        """The last that was marked for this name is just this."""
        try:
            return (self.joined / name).read_text(encoding="ascii") == what
        except FileNotFoundError:
            return False

    def forget_joined(self, name: str) -> None:
        """Idempotent."""
        (self.joined / name).unlink(missing_ok=True)
