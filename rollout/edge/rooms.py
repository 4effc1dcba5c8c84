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
from rollout.edge.listeners import Places, private
from rollout.edge.settings import EdgeSettings
from rollout.errors import BrokenError, TransientError
from rollout.host.rooms import Room

FOLLOWED_S = 5.0
"""Envoy takes some ms; 50 rooms at once 110."""
LOOK_S = 0.005
OWN = "/proc/self/ns/net"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One of the two files, the type of what is in it, and by which figures Envoy tells how far it has read it."""

    file: str
    type: str
    figures: str


_CLUSTERS = _Kind(file=CLUSTERS, type="config.cluster.v3.Cluster", figures="cluster_manager.cds.")
_LISTENERS = _Kind(file=LISTENERS, type="config.listener.v3.Listener", figures="listener_manager.lds.")


def standing(rooms: Sequence[Room]) -> Sequence[Room]:
    """Without those whose namespace is gone: nobody could ask there."""
    return [room for room in rooms if _stands(room.path)]


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
        for kind in (_CLUSTERS, _LISTENERS):
            if not self._path(kind).exists():
                self._replace(kind, _text(kind, []))

    def follow(self, rooms: Sequence[Room]) -> None:
        """Envoy listens in these rooms, which stand, and in no other.

        BrokenError when the disk fails or Envoy refuses; TransientError when Envoy does not answer: it follows when it runs.
        """
        ways = [one for room in rooms for one in clusters(self._settings, room)]
        doors = [private(room, self._places, self._settings) for room in rooms]
        with self._lock:
            try:
                self._put(_CLUSTERS, ways)
                self._put(_LISTENERS, doors)
            except TransientError:
                self._keep(_CLUSTERS, ways)
                self._keep(_LISTENERS, doors)
                raise

    def _put(self, kind: _Kind, resources: Sequence[Json]) -> None:
        """Envoy follows them. It is told again, by the same file, where it does not although they stand there."""
        before = self._figures(kind)
        version = _version(kind, resources)
        if before.version != version or not self._holds(kind, resources):
            self._replace(kind, _text(kind, resources))
            self._wait(kind, version, before)

    def _keep(self, kind: _Kind, resources: Sequence[Json]) -> None:
        """They stand in the file, for the next Envoy."""
        if not self._holds(kind, resources):
            self._replace(kind, _text(kind, resources))

    def _wait(self, kind: _Kind, version: str, before: "_Figures") -> None:
        end = time.monotonic() + FOLLOWED_S
        while (now := self._figures(kind)).version != version:
            if now.refused > before.refused or time.monotonic() > end:
                raise BrokenError(
                    f"the edge does not follow {self._path(kind)}",
                    state="what it serves is as before; why it refused stands in its log",
                    then="rollout doctor, then rollout up",
                )
            self._sleep(LOOK_S)

    def _figures(self, kind: _Kind) -> "_Figures":
        lines = self._admin.ask("GET", f"/stats?filter=^{kind.figures}").splitlines()
        found = dict(line.removeprefix(kind.figures).split(": ", 1) for line in lines if ": " in line)
        return _Figures(version=found.get("version_text", "").strip('"'), refused=int(found.get("update_rejected", "0")))

    def _path(self, kind: _Kind) -> Path:
        return self._places.rooms / kind.file

    def _holds(self, kind: _Kind, resources: Sequence[Json]) -> bool:
        path = self._path(kind)
        return path.exists() and path.read_text(encoding="utf-8") == _text(kind, resources)

    def _replace(self, kind: _Kind, text: str) -> None:
        path = self._path(kind)
        draft = path.with_name(f".{path.name}")
        try:
            draft.write_text(text, encoding="utf-8")
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


def _text(kind: _Kind, resources: Sequence[Json]) -> str:
    typed = [{"@type": TYPES + kind.type, **one} for one in resources]
    return json.dumps({"version_info": _version(kind, resources), "resources": typed})


def _version(kind: _Kind, resources: Sequence[Json]) -> str:
    return hashlib.sha256(f"{kind.type} {json.dumps(resources)}".encode()).hexdigest()[:16]


def _stands(path: str) -> bool:
    """A network namespace is there, and not the empty file that one leaves behind."""
    try:
        return os.stat(path).st_dev == os.stat(OWN).st_dev
    except OSError:
        return False
