"""The container engines of a demo: looked at before it begins, given the image, and left as they were."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName, RuntimeName
from rollout.network.mesh.marks import NAMESPACES, mark_of
from rollout.operations.doctor import Standing
from rollout.runtimes.engines import sockets
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.engine_images import EngineImages
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.process import ProcessEngine
from rollout.wiring.containers import PODMAN, Containers
from rollout.wiring.home import Home
from rollout.wiring.host_desk import EDGE_GRACE_S, keeper, own_env
from rollout.wiring.machine_engines import engines
from rollout.wiring.private_network import FOLDER as MESH
from rollout.wiring.seen import folder

LOAD_S, REMOVE_S = 120.0, 60.0
ANSWERS_S = 20.0
"""An engine that is asked for the first time looks around, and on a busy machine that takes seconds."""
AT_ONCE = 4
"""An engine waits for its disk most of the time when it removes a container."""
LINKS, CONTROLS = Path("/sys/class/net"), Path("/var/run/wireguard")
Archive = Callable[[str], bytes]
"""The image under this name, as engines load it."""


def behind(engine: EngineName) -> tuple[EngineName, ...]:
    """The engines that `--engine` names."""
    return (EngineName.DOCKER, EngineName.PODMAN) if engine is EngineName.CONTAINERS else (engine,)


def check(engine: EngineName) -> None:
    """All engines that it names are here and may be used; else a BrokenError says what would help. Nothing is started."""
    wanted = behind(engine)
    for name in wanted:
        found = sockets.find(name, os.environ)
        if found.closed is not None and (found.named or name is EngineName.DOCKER):
            what = f"{name} at {found.closed} is not open to this user"
            raise BrokenError(what, state="nothing was started", then=sockets.OPENS[name])
    for finding in engines(ANSWERS_S):
        if finding.name in wanted and finding.standing is not Standing.GOOD:
            raise BrokenError(f"{finding.name}: {finding.told}", state="nothing was started", then=finding.then)


class DemoEngines:
    """Those of the demo in the home at `home`, which is made. `image`: writes the archive of its one image."""

    def __init__(self, home: Path, engine: EngineName, image: Archive) -> None:
        home.mkdir(mode=0o700)
        self._home = Home(home)
        self._names = behind(engine)
        self._image = image
        self._labels = Labels.of_folder(folder(self._home.path))

    @property
    def tag(self) -> str:
        """The name of its image. It stands among those of the home, as what is published does, and goes with them."""
        return f"{self._labels.shelf}sample:demo"

    def load(self) -> None:
        """Each engine has the image."""
        archive = self._image(self.tag)
        with self._reached() as found:
            for engine in found:
                engine.api.ask("POST", "/images/load", content=archive, timeout_s=LOAD_S)

    def clear(self) -> None:
        """No container and no image of this home is left, and no Podman service of ours runs. BrokenError where one is left."""
        with self._reached() as found, ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(self._empty, found))
        keep, containers = keeper(self._home.path), self._containers()
        keep.stop(PODMAN, EDGE_GRACE_S)
        containers.forget()

    def traces(self) -> Sequence[Path]:
        """What a private network of this home has on the machine now: namespaces, links, control sockets of tunnels."""
        mark = mark_of(folder(self._home.path) / MESH)
        places = ((NAMESPACES, mark.namespaces), (LINKS, mark.links), (CONTROLS, mark.links))
        return [path for place, start in places for path in sorted(place.glob(f"{start}*"))]

    def _empty(self, engine: ContainerEngine) -> None:
        def remove(container: str) -> None:
            engine.api.ask("DELETE", f"/containers/{container}", params={"force": "true", "v": "true"}, timeout_s=REMOVE_S)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(remove, self._held(engine)))
        images = EngineImages(engine)
        for name in self._named(images):
            images.drop(name)
        if left := [*self._held(engine), *self._named(images)]:
            raise BrokenError(f"{engine.dialect.name} keeps {', '.join(left)}", then=f"{engine.dialect.name} system prune")

    def _held(self, engine: ContainerEngine) -> list[str]:
        wanted = {"all": "true", "filters": self._labels.filters()}
        return [str(one["Id"]) for one in engine.api.ask("GET", "/containers/json", params=wanted).data or []]

    def _named(self, images: EngineImages) -> list[str]:
        return [name for held in images.every() for name in held.tags if name.startswith(images.shelf)]

    def _containers(self) -> Containers:
        where = folder(self._home.path)
        return Containers(where, keeper(self._home.path), own_env(self._home.path))

    @contextmanager
    def _reached(self) -> Iterator[Sequence[ContainerEngine]]:
        """Connections to the engines, of our own. BrokenError where one has gone."""
        all_of_them = self._containers().beside(ProcessEngine(folder(self._home.path) / "instances"))
        try:
            yield [all_of_them.choice(name, RuntimeName.LEGACY, "rollout demo") for name in self._names]
        finally:
            all_of_them.close()
