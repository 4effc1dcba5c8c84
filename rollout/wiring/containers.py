"""The container engines of a home: where they are, what we remember of our containers, and a service of Podman's own."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.address import Address
from rollout.host.keep import Keeper, Program
from rollout.host.ports import Engine, Phase
from rollout.model.fleet import EngineName
from rollout.runtimes.engines import sockets
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.dialect import Dialect
from rollout.runtimes.engines.docker import Docker
from rollout.runtimes.engines.kernel_log import ended_by_memory
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.podman import Podman
from rollout.runtimes.engines.sandboxes import Sandboxes
from rollout.runtimes.engines.several import Engines, Sockets
from rollout.runtimes.engines.volumes import FOLDER as VOLUMES
from rollout.runtimes.engines.volumes import Volumes

FOLDER, PODMAN = "containers", "podman"
DIALECTS: Mapping[EngineName, Dialect] = {EngineName.DOCKER: Docker(), EngineName.PODMAN: Podman()}
READY_S, LOOK_S, TRIES = 15.0, 0.05, 3


class Containers:
    """Everything of a home that concerns containers. `folder`: the host part's own; `env`: what its processes are given."""

    def __init__(self, folder: Path, keeper: Keeper, env: Mapping[str, str]) -> None:
        self.records = Records(folder / FOLDER)
        self._labels = Labels.of_folder(folder)
        self._volumes = Volumes(folder / VOLUMES)
        self._address = Address(folder / PODMAN)
        self._keeper = keeper
        self._env = env
        self._starting = threading.Lock()

    def beside(self, processes: Engine) -> Engines:
        """These engines together with the one for plain processes."""
        return Engines(processes, self.records, Sockets(find=self._find, connect=self._connect))

    def _find(self, name: EngineName) -> Path | None:
        found = sockets.find(name, os.environ)
        if found.socket is not None or found.named or name is not EngineName.PODMAN:
            return found.socket
        return self.podman_socket() if sockets.program(name, os.environ) else None

    def _connect(self, name: EngineName, socket: Path) -> ContainerEngine:
        return connect(name, socket, self.records, self._labels, self._volumes)

    def podman_socket(self) -> Path:
        """The socket of a service of Podman's that the host part keeps, ready. BrokenError with its words where it cannot be."""
        with self._starting:
            facts = self._keeper.facts(PODMAN)
            socket = self._address.path()
            if facts is None or facts.phase is not Phase.RUNNING or socket is None:
                self._address.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                socket = self._address.prepare()
                argv = ("podman", "system", "service", "--time", "0", f"{sockets.SCHEME}{socket}")
                self._keeper.start(Program(name=PODMAN, argv=argv, env=self._env, directory=str(self._address.folder)))
            self._wait_until_it_answers(socket)
            return socket

    def _wait_until_it_answers(self, socket: Path) -> None:
        asked = ContainerApi(PODMAN, socket, "", sleep=time.sleep)
        limit = time.monotonic() + READY_S
        try:
            while not asked.answers():
                facts = self._keeper.facts(PODMAN)
                if time.monotonic() > limit or (facts is not None and facts.restarts >= TRIES):
                    said = "\n".join(self._keeper.tail(PODMAN, 4))
                    self._keeper.stop(PODMAN, 1)
                    raise BrokenError("podman's service cannot start", state=f"it said:\n{said}", then="podman info")
                time.sleep(LOOK_S)
        finally:
            asked.close()

    def forget(self) -> None:
        """No socket of Podman's service of ours is left; it has been stopped. Idempotent."""
        self._address.remove()
        shutil.rmtree(self._address.folder, ignore_errors=True)


def connect(name: EngineName, socket: Path, records: Records, labels: Labels, volumes: Volumes) -> ContainerEngine:
    """The engine behind this socket."""
    dialect = DIALECTS[name]
    api = ContainerApi(name.value, socket, dialect.prefix, sleep=time.sleep)
    return ContainerEngine(
        dialect=dialect,
        api=api,
        records=records,
        labels=labels,
        volumes=volumes,
        ended_by_memory=ended_by_memory,
        sandboxes=Sandboxes(api=api, labels=labels) if name is EngineName.DOCKER else None,
    )


def running_containers(folder: Path) -> set[str]:
    """The instances of a home that are containers and were not stopped, by what we remember; no engine is asked."""
    records = Records(folder / FOLDER)
    found = {name: records.read(name) for name in records.names()}
    return {name for name, record in found.items() if record is not None and not record.stopped}
