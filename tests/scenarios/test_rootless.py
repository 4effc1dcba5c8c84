"""Without root: the whole path of a service on Podman."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.model.fleet import EngineName
from tests.runtimes.engines.real_engines import image
from tests.runtimes.engines.unprivileged import Person, person
from tests.scenarios.on_engines import ENTRYPOINT, NOW, TELLS
from tests.scenarios.servers import Product, WebLoad, product
from tests.scenarios.test_containers import CLIENTS, FILES
from tests.scenarios.test_servers import by, nothing_failed, runs_on
from tests.scenarios.transcript import HERE


@pytest.fixture(scope="module")
def somebody() -> Iterator[Person]:
    with person() as found:
        yield found


@pytest.fixture
def rollout(somebody: Person) -> Iterator[Product]:
    """A home of theirs, with a short policy."""
    with product(somebody.own(Path(tempfile.mkdtemp(dir=somebody.home)))) as made:
        made.env, made.before = {**somebody.env, "ROLLOUT_HOME": str(made.home)}, somebody.words
        somebody.own(made.home)
        made("policy", "use", str(HERE / "servers.toml"))
        yield made


def containers(somebody: Person) -> list[tuple[str, str]]:
    """Service and runtime of the containers that run for this user."""
    listed = json.loads(somebody("podman", "ps", "--format", "json")) or []
    return [(one["Labels"]["rollout.service"], one["Labels"]["rollout.runtime"]) for one in listed]


@pytest.mark.timeout(500)
def test_there_and_back_on_podman_under_load_and_nothing_is_left(rollout: Product, somebody: Person) -> None:
    archive = somebody.home / "who.tar"
    archive.write_bytes(
        image("who:1", {"Entrypoint": ["sh", "-c", ENTRYPOINT], "User": "1000:1000"}, {f"www{NOW}": TELLS, **FILES})
    )
    words = ("--tier", "trial", "--engine", EngineName.PODMAN, "--image", f"docker-archive:{archive}:who:1", "--health-path", NOW)
    rollout("service", "add", "shop/who", *words)
    assert "release 1 runs on legacy" in rollout("service", "deploy", "who")
    assert "no private network here (no NET_ADMIN and SYS_ADMIN)" in rollout.said
    rollout("plan")
    shown = rollout("service", "show", "who")
    assert "network     the host's own, neighbours call it at ROLLOUT_EDGE" in shown
    edge = next(line.split()[1] for line in shown.splitlines() if line.startswith("reached"))
    with WebLoad(edge.removeprefix("http://").rstrip("/"), "who.shop.internal", CLIENTS) as load:
        by(load.fresh(), "legacy")
        assert "finished" in rollout("execute", "wave-1", "--yes")
        by(load.fresh(), "v2")
        assert (containers(somebody), runs_on(rollout)) == ([("shop/who", "v2")], {("v2",)})
        rollout("revert", "who")
        by(load.fresh(), "legacy")
        assert (containers(somebody), runs_on(rollout)) == ([("shop/who", "legacy")], {("legacy",)})
    nothing_failed(rollout, {"who": load})
    rollout("doctor", "--clean", "--yes")
    assert "nothing is left over" in rollout.said
    rollout("down", "--yes")
    assert (containers(somebody), somebody.runs()) == ([], [])
