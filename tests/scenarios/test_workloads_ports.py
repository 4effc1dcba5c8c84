"""A program in a container that changes its port: v2 follows it within a second, legacy wants it declared and deployed again."""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import RealEngine
from tests.scenarios.driver import until
from tests.scenarios.on_engines import NOW, home_beside
from tests.scenarios.servers import Product, WebLoad
from tests.scenarios.test_servers import by, edge_saw
from tests.scenarios.workloads import PYTHON_IMAGE, engines_of, fleet

CLIENTS = (("POST", NOW), ("GET", "/slow"))
FIRST = 3000
WITHIN_S = 1.0


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    """A home beside both engines, which have the image, and the program on legacy."""
    with home_beside(tmp_path, (real_docker, real_podman), [PYTHON_IMAGE.archive()], "workloads.toml") as made:
        yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which program answered the edge (by the time when it began), on which port, and how long (s) after it had opened that."""

    began: str
    port: int
    after_s: float


class Wanderer:
    """The program, as the edge reaches it."""

    def __init__(self, rollout: Product, engine: str) -> None:
        fleet(rollout, engine, {"wanderer": {"port": FIRST, "health_path": NOW}})
        rollout("service", "deploy", "wanderer")
        self.edge = json.loads(rollout("up", "--no-scheduler", "--json"))["edge"]

    def get(self, path: str) -> tuple[int, str]:
        host, _, port = self.edge.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request("GET", path, headers={"Host": "wanderer.shop.internal"})
        reply = connection.getresponse()
        said = reply.read().decode()
        connection.close()
        return reply.status, said

    def where(self) -> Where | None:
        """None where nothing answered."""
        status, said = self.get("/where")
        if status != 200:
            return None
        _, _, began, port, since = said.split()
        return Where(began=began, port=int(port), after_s=time.time() - float(since))

    def began(self) -> str:
        """Which process answers now."""
        seen = self.where()
        assert seen is not None
        return seen.began

    def goes_to(self, port: int, how: str) -> Where:
        """It leaves its port for this one; the first answer from there."""
        assert self.get(how)[0] == 200
        found: list[Where] = []

        def there() -> bool:
            if (seen := self.where()) is not None and seen.port == port:
                found.append(seen)
            return bool(found)

        until(there)
        return found[0]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", engines_of("podman"))
def test_v2_follows_within_a_second_and_whoever_asks_meanwhile_is_answered(rollout: Product, engine: str) -> None:
    wanderer = Wanderer(rollout, engine)
    rollout("plan")
    with WebLoad(wanderer.edge, "wanderer.shop.internal", CLIENTS) as load:
        assert "finished" in rollout("execute", "wave-1", "--yes")
        began = {wanderer.began()}
        for change in range(1, 3):
            began.add(wanderer.goes_to(FIRST + change, "/move").began)
            until(lambda port=FIRST + change: f"found {port}, declared {FIRST}, on v2" in rollout("explain", "wanderer"))
            by(load.fresh(), "v2")
    assert load.bad == []
    assert [line for line in edge_saw(rollout, "wanderer") if line.failed] == []
    jumps = [wanderer.goes_to(FIRST + change, "/jump").after_s for change in range(3, 6)]
    assert sorted(jumps)[1] <= WITHIN_S, jumps
    assert began == {wanderer.began()}, "it is the same process on all its ports"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", engines_of("docker"))
def test_on_legacy_the_port_is_declared_and_changing_it_is_a_redeploy(rollout: Product, engine: str) -> None:
    wanderer = Wanderer(rollout, engine)
    began = wanderer.began()
    wanderer.get("/jump")
    until(lambda: "it also listens on 3001" in rollout("explain", "wanderer"))
    told = " ".join(rollout("explain", "wanderer").split())
    assert "port 3000, on legacy" in told
    assert "rollout service set shop/wanderer --port N, and deploy" in told
    assert wanderer.where() is None
    rollout("service", "set", "wanderer", "--port", "3001")
    assert wanderer.where() is None
    rollout("service", "deploy", "wanderer")
    after = wanderer.where()
    assert after is not None
    assert after.port == 3001
    assert after.began != began
    assert "legacy, release 2" in rollout("explain", "wanderer")
