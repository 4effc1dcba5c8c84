"""What tests of the private network share: a mesh that leaves nothing, processes with a network of their own, small talk."""

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyroute2 import IPRoute

from rollout.host.ports import InstanceSpec
from rollout.host.rooms import Rooms
from rollout.model.fleet import EngineName, RuntimeName
from rollout.network.inside import inside
from rollout.network.mesh.marks import Mark
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.userspace import UserspaceTunnels

LIMIT_S = 20.0


def instance(name: str, service: str = "prod/api") -> InstanceSpec:
    return InstanceSpec(
        token=name,
        replica=0,
        service=service,
        host_name="api.test",
        runtime=RuntimeName.V2,
        release=1,
        argv=(),
        image="nginx",
        engine=EngineName.PODMAN,
    )


def mesh_of(home: Path, host: int = 1) -> Mesh:
    return Mesh(home / "host/mesh", Rooms(home / "host/rooms"), UserspaceTunnels(), host=host)


@contextmanager
def closing(home: Path, host: int = 1) -> Iterator[Mesh]:
    """A mesh of which nothing is left afterwards, whatever the test did."""
    mesh = mesh_of(home, host)
    try:
        yield mesh
    finally:
        mesh_of(home).close()
    assert traces(mesh.mark) == []


def traces(mark: Mark) -> list[str]:
    """All that is left on this machine of the home with this mark."""
    found = [f"process {name}" for name in processes(mark)]
    found += [f"mount {line.split()[1]}" for line in Path("/proc/mounts").read_text().splitlines() if mark.namespaces in line]
    for folder, start in ((Path("/run/netns"), mark.namespaces), (Path("/var/run/wireguard"), mark.links)):
        found += [f"file {path}" for path in folder.glob(f"{start}*")]
    with IPRoute() as kernel:
        links = [str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links()]
    return found + [f"link {name}" for name in links if name.startswith(mark.links)]


def processes(mark: Mark) -> dict[str, int]:
    """Live tunnels of the home: name and pid."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            argv = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        names = [os.fsdecode(word) for word in argv if word.startswith(mark.links.encode())]
        found.update({name: int(folder.name) for name in names})
    return found


@contextmanager
def alone() -> Iterator[int]:
    """The pid of a process with a network of its own, as a container is started without one."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    try:
        until(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], object]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.005)


def kill(pid: int) -> None:
    """Dead on return, its sockets closed, also where nobody has taken note of it yet."""
    handle, poll = os.pidfd_open(pid), select.poll()
    poll.register(handle, select.POLLIN)
    os.kill(pid, signal.SIGKILL)
    assert poll.poll(LIMIT_S * 1000)
    os.close(handle)


@contextmanager
def echo(namespace: str, address: str, port: int = 8080) -> Iterator[list[str]]:
    """A server in there that says back what it hears; who has connected to it."""
    callers: list[str] = []
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(namespace):
        server = socket.create_server((address, port), family=family, backlog=100)

    def answer(line: socket.socket) -> None:
        with line, suppress(OSError):  # its network may go while it is held
            while heard := line.recv(65536):
                line.sendall(heard)

    def serve() -> None:
        while True:
            try:
                line, caller = server.accept()
            except OSError:
                return
            callers.append(str(caller[0]))
            threading.Thread(target=answer, args=(line,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield callers
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def connect(namespace: str, address: str, port: int = 8080, *, source: str = "", limit_s: float = LIMIT_S) -> socket.socket:
    """From in there. OSError where nobody answers."""
    with inside(namespace):
        line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    line.settimeout(limit_s)
    try:
        if source:
            line.bind((source, 0))
        line.connect((address, port))
    except OSError:
        line.close()
        raise
    return line


def says(line: socket.socket, words: bytes) -> bytes:
    line.sendall(words)
    heard = b""
    while len(heard) < len(words):
        part = line.recv(65536)
        if not part:
            break
        heard += part
    return heard


def talk(namespace: str, address: str, port: int = 8080, words: bytes = b"hello") -> bytes:
    """What is answered in there, at this address."""
    with connect(namespace, address, port) as line:
        return says(line, words)


def refused(namespace: str, address: str, *, source: str = "", limit_s: float = 0.7) -> bool:
    """Nobody answers there within the limit."""
    try:
        connect(namespace, address, source=source, limit_s=limit_s).close()
    except OSError:
        return True
    return False
