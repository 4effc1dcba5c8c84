"""Two services in containers that call each other by name in the private network, by the real command line: on Docker by legacy,
to Podman by v2 under load, and back. Every answer to a client needs one of the neighbour."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.network.mesh.marks import Mark, mark_of
from tests.network.mesh.mesh_rigs import processes, traces
from tests.runtimes.engines.real_engines import RealEngine
from tests.scenarios.on_engines import NOW, beside
from tests.scenarios.servers import Product, WebLoad
from tests.scenarios.test_servers import by, nothing_failed, runs_on

TAG = "pair:1"
BOTH = "/cgi-bin/both"
NEIGHBOURS = {"left": "right", "right": "left"}
CLIENTS = (("GET", BOTH), ("POST", BOTH))
ASKS = """#!/bin/sh
address=$(busybox nslookup -type=aaaa "$NEIGHBOUR.shop.internal" | busybox sed -n 's/^Address: //p')
if busybox wget -q -O /dev/null "http://[$address]/cgi-bin/now"; then exec /www/cgi-bin/now; fi
printf 'Status: 502 Bad Gateway\\r\\nContent-Type: text/plain\\r\\n\\r\\nno answer from %s\\n' "$NEIGHBOUR"
"""
# A static busybox looks names up by nslookup alone: the resolver of glibc would have to be loaded.
FILES = {"www/cgi-bin/both": ASKS}


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    """A home beside both engines, which have the same image."""
    with beside(tmp_path, (real_docker, real_podman), TAG, FILES) as made:
        yield made


def mark(rollout: Product) -> Mark:
    return mark_of(rollout.home / "host" / "mesh")


def running(*engines: RealEngine) -> list[str]:
    return [str(one["State"]) for engine in engines for one in engine.containers() if one["State"] == "running"]


@pytest.mark.timeout(400)
def test_neighbours_never_notice_a_move(rollout: Product, real_docker: RealEngine, real_podman: RealEngine) -> None:
    for name, neighbour in NEIGHBOURS.items():
        words = ("--tier", "trial", "--image", TAG, "--health-path", NOW, "--env", f"NEIGHBOUR={neighbour}")
        rollout("service", "add", f"shop/{name}", *words)
        rollout("service", "deploy", name)
    assert len(running(real_docker)) == 2
    assert len(processes(mark(rollout))) == 3, "a hub, and a tunnel for each"
    rollout("plan")
    told = rollout("service", "show", "left").splitlines()
    edge = next(line.split()[1] for line in told if line.startswith("reached")).removeprefix("http://").rstrip("/")
    loads = {name: WebLoad(edge, f"{name}.shop.internal", CLIENTS) for name in NEIGHBOURS}
    with loads["left"], loads["right"]:
        for load in loads.values():
            by(load.fresh(), "legacy")
        assert "finished" in rollout("execute", "wave-1", "--yes")
        for load in loads.values():
            by(load.fresh(), "v2")
        assert (len(running(real_docker)), len(running(real_podman)), runs_on(rollout)) == (0, 2, {("v2",)})
        rollout("revert", "wave-1")
        for load in loads.values():
            by(load.fresh(), "legacy")
        assert (len(running(real_docker)), len(running(real_podman))) == (2, 0)
    nothing_failed(rollout, loads)
    rollout("down", "--yes")
    assert running(real_docker, real_podman) == []
    assert traces(mark(rollout)) == []
    rollout("up")
    with WebLoad(edge, "left.shop.internal", CLIENTS) as load:
        by(load.fresh(), "legacy")
