"""The rooms that Envoy listens in: two files, that it reads again whenever they are replaced.

Nothing else of Envoy changes with them: a room comes or goes without a restart, and no connection of another one notices.
"""

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.edge.admin import Admin
from rollout.edge.bootstrap import CLUSTERS, LISTENERS
from rollout.edge.clusters import TYPES, Json, clusters
from rollout.edge.listeners import Places, listener_name, private
from rollout.edge.settings import EdgeSettings
from rollout.errors import BrokenError, RoomsRefusedError, TransientError
from rollout.host.rooms import Room

FOLLOWED_S = 5.0
"""Envoy takes some ms; 50 rooms at once 110."""
LOOK_S = 0.005
THEN = "rollout doctor, then rollout up"
OWN = "/proc/self/ns/net"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One of the two files, the type of what is in it, and by which figures Envoy tells how far it has read it."""

    file: str
    type: str
    figures: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What one file should hold: something for each room. `version` is another one for other rooms or another edge."""

    kind: _Kind
    rooms: Sequence[Room]
    each: Callable[[Room], Sequence[Json]]

    @property
    def version(self) -> str:
        """Told by one example, not by all: with many rooms the text is long."""
        example = self.each(Room(environment="x", path="/x", prefix="", dns=""))
        places = [(room.environment, room.path) for room in self.rooms]
        return hashlib.sha256(f"{self.kind.type} {json.dumps(example)} {places}".encode()).hexdigest()[:16]

    @property
    def head(self) -> str:
        """How the file begins."""
        return f'{{"version_info": "{self.version}",'

    @property
    def text(self) -> str:
        typed = [{"@type": TYPES + self.kind.type, **one} for room in self.rooms for one in self.each(room)]
        return f'{self.head} "resources": {json.dumps(typed)}}}\n'


_CLUSTERS = _Kind(file=CLUSTERS, type="config.cluster.v3.Cluster", figures="cluster_manager.cds.")
_LISTENERS = _Kind(file=LISTENERS, type="config.listener.v3.Listener", figures="listener_manager.lds.")


def standing(rooms: Sequence[Room]) -> Sequence[Room]:
    """Without those whose namespace is gone: nobody could ask there."""
    return [room for room in rooms if _stands(room.path)]


class RefusedError(BrokenError):
    """Envoy does not follow one of the files: of what it holds, some may be served."""

    def __init__(self, kind: _Kind, path: Path) -> None:
        what, state = f"the edge does not follow {path}", "what it serves is as before; why it refused stands in its log"
        super().__init__(what, state=state, then=THEN)
        self.kind = kind


class RoomFiles:
    """The files in `places.rooms`. One process writes them (the host part); threads may call at once."""

    def __init__(
        self, places: Places, settings: EdgeSettings, admin: Admin, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._places = places
        self._settings = settings
        self._admin = admin
        self._sleep = sleep
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Both files are there, those of before or empty ones: Envoy does not start without."""
        self._places.rooms.mkdir(mode=0o700, parents=True, exist_ok=True)
        for wanted in self._wanted(()):
            if not self._path(wanted.kind).exists():
                self._replace(wanted)

    def follow(self, rooms: Sequence[Room]) -> None:
        """Envoy listens in these rooms, which stand, and in no other.

        RoomsRefusedError names those in which Envoy cannot listen: something of the room's own has the port, and only the
        others are served. BrokenError when the disk fails or Envoy refuses all; TransientError when Envoy does not answer: it
        follows when it runs.
        """
        both = self._wanted(rooms)
        with self._lock:
            try:
                for wanted in both:
                    self._put(wanted)
            except RefusedError as refused:
                deaf = self._deaf(rooms)
                if not deaf or refused.kind is not _LISTENERS:
                    raise
                raise RoomsRefusedError(deaf, then=THEN) from refused
            except TransientError:
                for wanted in both:
                    if not self._holds(wanted):
                        self._replace(wanted)
                raise

    def _wanted(self, rooms: Sequence[Room]) -> Sequence[_Wanted]:
        """The ways to the copies first, then who uses them."""
        return (
            _Wanted(kind=_CLUSTERS, rooms=rooms, each=lambda room: clusters(self._settings, room)),
            _Wanted(kind=_LISTENERS, rooms=rooms, each=lambda room: [private(room, self._places, self._settings)]),
        )

    def _put(self, wanted: _Wanted) -> None:
        """Envoy follows. It is told again, by the same file, where it does not although it stands there."""
        before = self._figures(wanted.kind)
        if before.version != wanted.version or not self._holds(wanted):
            self._replace(wanted)
            self._wait(wanted.kind, wanted.version, before)

    def _wait(self, kind: _Kind, version: str, before: "_Figures") -> None:
        end = time.monotonic() + FOLLOWED_S
        while (now := self._figures(kind)).version != version:
            if now.refused > before.refused or time.monotonic() > end:
                raise RefusedError(kind, self._path(kind))
            self._sleep(LOOK_S)

    def _deaf(self, rooms: Sequence[Room]) -> Sequence[str]:
        """Environments in whose rooms Envoy does not listen."""
        told = json.loads(self._admin.ask("GET", "/listeners?format=json")).get("listener_statuses", [])
        there = {one["name"] for one in told}
        return [room.environment for room in rooms if listener_name(room) not in there]

    def _figures(self, kind: _Kind) -> "_Figures":
        lines = self._admin.ask("GET", f"/stats?filter=^{kind.figures}").splitlines()
        found = dict(line.removeprefix(kind.figures).split(": ", 1) for line in lines if ": " in line)
        return _Figures(version=found.get("version_text", "").strip('"'), refused=int(found.get("update_rejected", "0")))

    def _path(self, kind: _Kind) -> Path:
        return self._places.rooms / kind.file

    def _holds(self, wanted: _Wanted) -> bool:
        try:
            with self._path(wanted.kind).open(encoding="utf-8") as file:
                return file.read(len(wanted.head)) == wanted.head
        except FileNotFoundError:
            return False

    def _replace(self, wanted: _Wanted) -> None:
        path = self._path(wanted.kind)
        draft = path.with_name(f".{path.name}")
        try:
            draft.write_text(wanted.text, encoding="utf-8")
            draft.chmod(0o600)
            draft.replace(path)
        except OSError as error:
            what = f"cannot write {path}: {error.strerror}"
            raise BrokenError(what, state="the edge listens in the rooms that it knew", then="free some space") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What Envoy tells of a file: the version that it follows, and how often it has refused one."""

    version: str
    refused: int


def _stands(path: str) -> bool:
    """A network namespace is there, and not the empty file that one leaves behind."""
    try:
        return os.stat(path).st_dev == os.stat(OWN).st_dev
    except OSError:
        return False
