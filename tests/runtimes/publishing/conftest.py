"""A publisher of a home beside a real Docker and a real Podman, and what the engines have before and after."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from rollout.host.images import ImageOrder
from rollout.model.fleet import EngineName, RuntimeName
from rollout.model.image import ImageDigest
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.process import ProcessEngine
from rollout.runtimes.engines.several import Engines, Sockets
from rollout.runtimes.images.known import KnownLayers
from rollout.runtimes.publishing.publisher import Publisher
from tests.runtimes.engines.real_engines import RealEngine
from tests.runtimes.engines.test_container_engines import doer

Names = set[tuple[str, str]]


@dataclass
class Bench:
    """`real`: both engines; `publisher`: ours, whose names begin with `shelf`."""

    folder: Path
    real: dict[EngineName, RealEngine]
    publisher: Publisher = field(init=False)
    shelf: str = field(init=False)

    def __post_init__(self) -> None:
        engines = Engines(
            ProcessEngine(self.folder / "instances"),
            Records(self.folder / "containers"),
            Sockets(
                find=lambda name: self.real[name].socket if name in self.real else None,
                connect=lambda name, _socket: doer(self.real[name], self.folder),
            ),
        )
        self.publisher = Publisher(
            engines=engines,
            scratch=self.folder / "publishing",
            known=KnownLayers(self.folder / "judged"),
            env={"HOME": str(self.folder)},
        )
        found = engines.reached(EngineName.DOCKER)
        assert found is not None
        self.shelf = found.labels.shelf

    def order(self, reference: str, engine: EngineName, image: ImageDigest | None = None) -> ImageOrder:
        return ImageOrder(service="shop/web", reference=reference, engine=engine, runtime=RuntimeName.LEGACY, image=image)

    def published(self, reference: str, engine: EngineName, image: ImageDigest | None = None) -> str:
        return self.publisher.publish_image(self.order(reference, engine, image))

    def resolved(self, reference: str, engine: EngineName = EngineName.DOCKER) -> ImageDigest:
        return self.publisher.resolve_image(self.order(reference, engine))

    def names(self, engine: EngineName) -> Names:
        """All names on the engine, each with the id of its image, by the engine's own words."""
        with self.real[engine].client() as client:
            told = client.get(f"{self.real[engine].prefix}/images/json").json() or []
        listed = [(name, one) for one in told for name in (*(one.get("RepoTags") or ["<none>"]), *(one.get("RepoDigests") or []))]
        return {(name, str(one["Id"]).removeprefix("sha256:")) for name, one in listed}

    def everywhere(self) -> dict[EngineName, Names]:
        return {engine: self.names(engine) for engine in self.real}

    def end(self) -> None:
        """No image of this home is left on any engine."""
        for one in self.publisher.stocked_images():
            assert self.publisher.drop_image(one.engine, one.name) == ""
        assert self.publisher.stocked_images() == []
        self.publisher.engines.close()


@pytest.fixture
def bench(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Bench]:
    bench = Bench(tmp_path / "home", {EngineName.DOCKER: real_docker, EngineName.PODMAN: real_podman})
    bench.folder.mkdir()
    try:
        yield bench
    finally:
        bench.end()
