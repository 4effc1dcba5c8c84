"""Host parts under test: in process, behind a socket, and with real programs."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from rollout.contract.host_part import LEGACY, NAME, SERVICE
from rollout.host.client import Client
from rollout.host.daemon import Daemon
from rollout.host.desk import Doers
from rollout.host.ledger import Ledger
from rollout.host.memory import MemoryEdge, MemoryNames, MemoryNetwork, MemoryPorts
from rollout.host.notes import Notes
from rollout.host.places import Ports
from rollout.host.ports import Engine, HostPart, InstanceSpec, Listener, Route, Watch
from rollout.host.processes import HostPorts
from rollout.host.upkeep import KeepingDesk
from rollout.model.fleet import RestartPolicy, RuntimeName
from rollout.network.detect import watch
from rollout.runtimes.engines.memory import Fault, MemoryEngine
from rollout.runtimes.engines.process import ProcessEngine

SERVER = """
import os, socket, sys
port = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ["PORT"])
server = socket.create_server(("127.0.0.1", port))
while True:
    client, _ = server.accept()
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    client.close()
"""
COVERED = "COVERED"
SERVE = (sys.executable, "-S", "-c", SERVER)


def spec(token: str, argv: tuple[str, ...] = SERVE, **more: object) -> InstanceSpec:
    fields = {"replica": 0, "runtime": LEGACY, "service": SERVICE, "host_name": NAME, "release": 1, "grace_s": 2.0, **more}
    return InstanceSpec(token=token, argv=argv, **fields)  # type: ignore[arg-type]  # the fields of InstanceSpec by name


class MemoryRig:
    """A desk in process on doers in memory; `sick`: addresses that fail their health check."""

    host: HostPart

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.edge, self.names = MemoryEdge(), MemoryNames()
        self.network = MemoryNetwork(lambda spec: COVERED in spec.env)
        self.sick: dict[str, str] = {}
        self.boot = "boot-1"
        self.now = 0.0
        self.make_engine()
        self.again()

    def make_engine(self) -> None:
        self.programs = MemoryEngine()
        self.engine: Engine = self.programs
        self.watch: Watch = self.programs
        self.ports: Ports = MemoryPorts()

    def again(self) -> None:
        doers = Doers(
            engine=self.engine,
            edge=self.edge,
            names=self.names,
            watch=self.watch,
            ports=self.ports,
            network=self.network,
        )
        self.desk = KeepingDesk(
            Ledger(self.folder / "services"),
            doers,
            notes=Notes(self.folder / "notes"),
            probe=lambda _, address: self.sick.get(address, ""),
            choose=self.choose,
            version="1",
            boot=self.boot,
            clock=lambda: self.now,
        )
        self.serve()

    def serve(self) -> None:
        self.host = self.desk

    @staticmethod
    def choose(_: InstanceSpec, listeners: list[Listener]) -> tuple[int, str] | None:
        return (listeners[0].port, f"found {listeners[0].port}") if len(listeners) == 1 else None

    def spec(
        self, token: str, *, replica: int = 0, runtime: RuntimeName = LEGACY, port_declared: int | None = None
    ) -> InstanceSpec:
        return spec(token, replica=replica, runtime=runtime, port_declared=port_declared)

    def covered(self, token: str) -> InstanceSpec:
        return spec(token, (sys.executable, "-S", "-c", "import time; time.sleep(600)"), env={COVERED: "yes"})

    def ending(self, token: str) -> InstanceSpec:
        self.programs.faults[SERVICE, LEGACY] = Fault(exits=7, says=("over",))
        return spec(token, restart=RestartPolicy.NEVER)

    def resolve(self, name: str) -> tuple[str, int] | None:
        return self.names.known.get(name)

    def route(self) -> Route | None:
        return self.edge.routes.get(NAME)

    @contextmanager
    def taken(self) -> Iterator[tuple[int, str]]:
        assert isinstance(self.ports, MemoryPorts)
        self.ports.held[9999] = "pid 7 (nginx)"
        yield 9999, "pid 7 (nginx)"

    def close(self) -> None:
        """Nothing is left."""


class SocketRig(MemoryRig):
    """The same, asked over the socket."""

    daemon: Daemon | None = None

    def serve(self) -> None:
        self.close()
        self.daemon = Daemon(self.folder, self.desk, "1", self.desk.look)
        self.daemon.start()
        self.client = Client(self.folder, "1")
        self.host = self.client

    def close(self) -> None:
        if self.daemon:
            self.daemon.close()


class ProcessRig(SocketRig):
    """The same with real programs."""

    def make_engine(self) -> None:
        self.processes = ProcessEngine(self.folder / "instances")
        self.engine = self.processes
        self.watch = watch()
        self.ports = HostPorts()

    def ending(self, token: str) -> InstanceSpec:
        return spec(token, ("/bin/sh", "-c", "echo over; exit 7"), restart=RestartPolicy.NEVER)

    @contextmanager
    def taken(self) -> Iterator[tuple[int, str]]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server.getsockname()[1], f"pid {os.getpid()} ({psutil.Process().name()})"

    def close(self) -> None:
        super().close()

    def end(self) -> None:
        for name in self.processes.keeper.names():
            self.processes.stop(name, 0.1)
