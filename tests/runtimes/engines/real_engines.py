"""A real dockerd and a real Podman of our own, each in a folder that goes with it, and images made by hand.

Everything that is started here is ended here, by its process id, and everything that is mounted below the folder is unmounted.
"""

import contextlib
import ctypes
import hashlib
import io
import json
import os
import shutil
import socket as socket_of
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from rollout.model.fleet import EngineName

IMAGE = "rollout-test:1"
BUSYBOX = "/bin/busybox"
APPLETS = ("sh", "readlink", "sleep", "httpd", "echo", "cat", "id", "env", "kill", "true", "mkdir", "touch")
READY_S, END_S = 60.0, 20.0
UNMOUNT_LAZILY = 2
PART = 1 << 18
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
PODMAN_CONF = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{folder}/tmp"
"""
STORAGE_CONF = """
[storage]
driver = "{driver}"
graphroot = "{folder}/root"
runroot = "{folder}/run"
"""
CONTAINERD_CONF = """
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-run"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/containerd.sock"
"""


@dataclass(frozen=True, slots=True)
class RealEngine:
    """An engine under test. `start` lets it answer again after `kill`; its containers are its own. `pid` is of what answers;
    `root` is where it keeps images and containers."""

    name: EngineName
    socket: Path
    start: Callable[[], None]
    kill: Callable[[], None]
    environment: Mapping[str, str]
    pid: Callable[[], int]
    root: Path

    def client(self) -> httpx.Client:
        """Asks it directly: what rollout claims is checked against its own words."""
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), base_url="http://engine", timeout=60)

    @property
    def prefix(self) -> str:
        return "/v1.41" if self.name is EngineName.DOCKER else "/v4.0.0/libpod"

    def told(self, container: str) -> dict[str, object]:
        with self.client() as client:
            return dict(client.get(f"{self.prefix}/containers/{container}/json").json())

    def containers(self) -> list[dict[str, object]]:
        with self.client() as client:
            return list(client.get(f"{self.prefix}/containers/json", params={"all": "true"}).json() or [])

    def make(self, name: str) -> None:
        """A container of somebody else."""
        with self.client() as client:
            path = f"{self.prefix}/containers/create"
            made = client.post(path, params={"name": name}, json={"name": name, "Image": IMAGE, "image": IMAGE})
            assert made.is_success, made.text

    def remove(self, name: str) -> None:
        with self.client() as client:
            client.delete(f"{self.prefix}/containers/{name}", params={"force": "true", "v": "true"})

    def load(self, image: bytes) -> None:
        parts = (image[at : at + PART] for at in range(0, len(image), PART))  # httpx copies what is left after each packet
        with self.client() as client:
            told = client.post(f"{self.prefix}/images/load", content=parts, headers={"Content-Type": "application/x-tar"})
            assert told.is_success, told.text

    def untag(self, image: str) -> None:
        with self.client() as client:
            assert client.delete(f"{self.prefix}/images/{image}", params={"force": "true"}).is_success


def image(
    tag: str = IMAGE,
    config: Mapping[str, object] | None = None,
    files: Mapping[str, str] | None = None,
    copied: Sequence[Path] = (),
) -> bytes:
    """A docker archive with one layer: Debian's static busybox. `config` as in an OCI image, e.g. User, StopSignal, Cmd.

    `copied` are files of this machine, which stand there under the same path.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "proc", "sys", "dev", "www", "www/cgi-bin"):
            _add(tar, folder, kind=tarfile.DIRTYPE, mode=0o1777 if folder in {"tmp", "www"} else 0o755)
        _add(tar, "bin/busybox", Path(BUSYBOX).read_bytes(), mode=0o755)
        for applet in APPLETS:
            _add(tar, f"bin/{applet}", kind=tarfile.LNKTYPE, link="bin/busybox", mode=0o755)
        for name, text in (files or {}).items():
            _add(tar, name, text.encode(), mode=0o755)
        for path in copied:
            about = path.stat()
            _add(tar, str(path)[1:], path.read_bytes(), mode=about.st_mode & 0o777, mtime=int(about.st_mtime))
    blob = layer.getvalue()
    diff = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    told = {
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}, "history": [],
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], **(config or {})},
    }  # fmt: skip
    content = json.dumps(told).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        _add(tar, name, content)
        _add(tar, "layer.tar", blob)
        _add(tar, "manifest.json", json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode())
    return archive.getvalue()


def _add(
    tar: tarfile.TarFile, name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644,
    mtime: int = 0,
) -> None:  # fmt: skip
    entry = tarfile.TarInfo(name)
    entry.mtime = mtime
    entry.type, entry.linkname, entry.mode, entry.size = kind, link, mode, len(content)
    tar.addfile(entry, io.BytesIO(content))


@contextmanager
def docker(driver: str = "vfs", disk_mb: int = 0) -> Iterator[RealEngine]:
    """A dockerd with its own containerd (a SIGKILLed dockerd would leave one behind that is nobody's).

    `disk_mb`: how much it has for its images and containers; 0: as much as there is.
    """
    with temporary_folder("rollout-docker-") as folder, ExitStack() as stack:
        _disk(folder / "data", disk_mb)
        conf = folder / "containerd.toml"
        conf.write_text(CONTAINERD_CONF.format(folder=folder))
        stack.enter_context(_process(folder, ("containerd", "--config", str(conf)))).start()
        _until((folder / "containerd.sock").exists)
        words = (
            *("dockerd", "--containerd", f"{folder}/containerd.sock"),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
            *("-p", f"{folder}/pid", "-H", f"unix://{folder}/socket", "--storage-driver", driver),
            *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        )
        process = stack.enter_context(_process(folder, words))
        yield from _running(EngineName.DOCKER, folder, process, {"DOCKER_HOST": f"unix://{folder}/socket"})


@contextmanager
def podman(driver: str = "vfs", disk_mb: int = 0) -> Iterator[RealEngine]:
    """A service of Podman's with a storage of its own. `disk_mb` as for `docker`."""
    with temporary_folder("rollout-podman-") as folder, podman_environment(folder, driver) as env:
        _disk(folder / "root", disk_mb)
        words = ("podman", "system", "service", "--time", "0", f"unix://{folder}/socket")
        with _process(folder, words, env) as process:
            yield from _running(EngineName.PODMAN, folder, process, {"CONTAINER_HOST": f"unix://{folder}/socket"})


def _disk(place: Path, megabytes: int) -> None:
    """A file system of its own, where any size is given; unmounted with the folder."""
    if megabytes:
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)


@contextmanager
def podman_environment(folder: Path, driver: str = "vfs") -> Iterator[dict[str, str]]:
    """What lets a podman of these variables keep everything in the folder, and run containers where it is itself in one."""
    (folder / "containers.conf").write_text(PODMAN_CONF.format(folder=folder))
    (folder / "storage.conf").write_text(STORAGE_CONF.format(folder=folder, driver=driver))
    yield {"CONTAINERS_CONF": f"{folder}/containers.conf", "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}


def _running(name: EngineName, folder: Path, process: "_Process", environment: Mapping[str, str]) -> Iterator[RealEngine]:
    socket = folder / "socket"

    def start() -> None:
        process.start()
        with engine.client() as client:
            _until(lambda: _listens(socket) and _pings(client), process.problem)

    root = folder / {EngineName.DOCKER: "data", EngineName.PODMAN: "root"}[name]
    engine = RealEngine(name, socket, start, process.kill, environment, process.pid, root)
    start()
    try:
        engine.load(image())
        yield engine
    finally:
        start()
        for one in engine.containers():
            engine.remove(str(one["Id"]))


def _listens(path: Path) -> bool:
    """Asked first: httpx leaves its own socket open when nobody does."""
    with socket_of.socket(socket_of.AF_UNIX) as knocking:
        return knocking.connect_ex(str(path)) == 0


def _pings(client: httpx.Client) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return client.get("/_ping").is_success
    return False


class _Process:
    """A process that can be started again; what it says is in a file."""

    def __init__(self, folder: Path, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._words, self._folder, self._log = words, folder, folder / f"{words[0]}.log"
        self._env = {**os.environ, "PATH": PATH, **env}
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It runs. Nothing changes where it does."""
        if self._running is None or self._running.poll() is not None:
            with self._log.open("ab") as log:
                self._running = subprocess.Popen(
                    self._words, cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )

    def problem(self) -> str:
        """Why it will never answer; empty while it may."""
        ended = self._running is not None and self._running.poll() is not None
        return self._log.read_text(errors="replace")[-2000:] if ended else ""

    def pid(self) -> int:
        """Of the process that runs; it has been started."""
        assert self._running is not None
        return self._running.pid

    def kill(self) -> None:
        """As by the kernel, at once."""
        self.end(kill=True)

    def end(self, *, kill: bool = False) -> None:
        """It has ended."""
        if self._running is None:
            return
        self._running.kill() if kill else self._running.terminate()
        try:
            self._running.wait(END_S)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()


@contextmanager
def _process(folder: Path, words: Sequence[str], env: Mapping[str, str] | None = None) -> Iterator[_Process]:
    process = _Process(folder, words, env or {})
    try:
        yield process
    finally:
        process.end()


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder with a short name (sockets are in it), of which nothing is left, mounted or not."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield folder
    finally:
        unmount(folder)
        _until(lambda: shutil.rmtree(folder, ignore_errors=True) or not folder.exists())  # Podman still tidies up behind an end


def unmount(folder: Path) -> None:
    """Nothing is mounted below the folder."""
    for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
        place = line.split()[1]
        if place.startswith(f"{folder}/"):
            ctypes.CDLL(None).umount2(os.fsencode(place), UNMOUNT_LAZILY)


def _until(condition: Callable[[], object], problem: Callable[[], str] = str) -> None:
    limit = time.monotonic() + READY_S
    while not condition():
        assert not problem(), problem()
        assert time.monotonic() < limit, "the engine did not answer in time"
        time.sleep(0.02)
