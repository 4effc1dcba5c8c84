"""What the planner is told of a fleet in the store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from rollout.model.fleet import EngineName, Kind, Origin, Pin, RuntimeName, Setting, Tier
from rollout.store import blocks, candidates, pins, placements, setting
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.services import ask_for_v2
from rollout.store.tables import MoveRow
from rollout.wiring.home import Home
from tests.store.running import NOW, placed, run, service

AS_OF = AsOf(now=NOW)


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = Home(home).database()
    yield opened
    opened.close()


def test_a_plain_service(database: Database) -> None:
    run(database, [service("api", customer="bob", tier=Tier.PRO, draining_s=4.0, health_timeout_s=9.0)], release=3)
    with database.reading() as session:
        [found] = candidates.every(session, AS_OF)
    assert (found.id, found.customer, found.environment, found.tier, found.kind) == (
        "shop/api",
        "bob",
        "shop",
        Tier.PRO,
        Kind.HTTP,
    )
    assert (found.release, found.runs_on, found.setting) == (3, (RuntimeName.LEGACY,), Setting())
    assert (found.draining_s, found.health_timeout_s) == (4.0, 9.0)
    assert found.has_command
    assert not (found.fixed_port)
    assert not (found.has_volume)
    assert not (found.asked_for_v2)
    assert (found.pinned, found.blocked, found.moving, found.no_engine) == (None, None, None, None)


def test_the_fleet_comes_in_the_order_of_ids_however_it_was_put(database: Database) -> None:
    run(database, [service(name) for name in ("b", "c", "a")])
    with database.reading() as session:
        assert [c.id for c in candidates.every(session, AS_OF)] == ["shop/a", "shop/b", "shop/c"]
        assert list(candidates.of(session, {"shop/c", "shop/b", "shop/a"}, AS_OF)) == ["shop/a", "shop/b", "shop/c"]


def test_what_hinders_a_service_is_told_in_words(database: Database) -> None:
    run(database, [service(name) for name in ("pinned", "forever", "expired", "blocked", "moving", "waiting", "asked")])
    day = timedelta(days=1)
    with database.writing() as session:
        for name, reason, expires, blocker in (
            ("pinned", "waits for driver", NOW + day, "DRV-1"),
            ("forever", "no", None, None),
            ("expired", "old", NOW - day, None),
        ):
            pin = Pin(service=f"shop/{name}", reason=reason, owner="ann", created=NOW, expires=expires, blocker=blocker)
            pins.put(session, pin, who="ann", at=NOW)
        blocks.put(session, "shop/blocked", "5xx on v2", who="rollout", at=NOW)
        for name, state in (("moving", "shifting"), ("waiting", "planned")):
            session.add(MoveRow(id=f"wave-3/shop/{name}", service=f"shop/{name}", wave=3, state=state, live=1, seq=1, body={}))
        ask_for_v2(session, "shop/asked", True)
        setting.put(session, "shop/asked", Setting(runtime=RuntimeName.V2, origin=Origin.OWNER), who="ann", at=NOW)
    with database.reading() as session:
        found = {c.id.partition("/")[2]: c for c in candidates.every(session, AS_OF)}
    assert found["pinned"].pinned == "pinned by ann until 2024-06-05: waits for driver (blocker: DRV-1)"
    assert found["forever"].pinned == "pinned by ann with no end: no"
    assert found["expired"].pinned is None
    assert found["blocked"].blocked == "5xx on v2"
    assert found["moving"].moving == "shifting in wave-3"
    assert found["waiting"].moving == "waits in wave-3, which has begun"
    assert found["asked"].asked_for_v2
    assert found["asked"].setting == Setting(runtime=RuntimeName.V2, origin=Origin.OWNER)


def test_what_a_service_is_made_of(database: Database) -> None:
    services = [
        service("image", command=None, image="nginx"),
        service("process", command=None, image="nginx", engine=EngineName.PROCESS),
        service("docker", command=None, image="nginx", engine=EngineName.DOCKER),
        service("nothing", command=None),
        service("port", port=8080),
        service("volume", volumes=("/data",)),
    ]
    run(database, services)
    with database.reading() as session:
        found = {c.id.partition("/")[2]: c for c in candidates.every(session, AS_OF)}
    assert found["process"].no_engine == "only an image; the engine process needs a command"
    assert (found["image"].no_engine, found["docker"].no_engine) == (None, None)
    assert not found["nothing"].has_command
    assert found["port"].fixed_port
    assert found["volume"].has_volume


def test_a_port_is_fought_for_only_on_a_network_that_copies_share(database: Database) -> None:
    alone = {"command": None, "image": "nginx", "port": 80}
    services = [
        service("plain", port=80),
        service("image", **alone),
        service("podman", engine=EngineName.PODMAN, **alone),
        service("process", engine=EngineName.PROCESS, port=80, image="nginx"),
    ]
    run(database, services)
    with database.reading() as session:
        for apart, fixed in ((False, {"plain", "image", "podman", "process"}), (True, {"plain", "process"})):
            found = candidates.every(session, AsOf(now=NOW, apart=apart))
            assert {one.id.partition("/")[2] for one in found if one.fixed_port} == fixed
            assert {one.id.partition("/")[2] for one in found if one.apart} == ({"image", "podman"} if apart else set())


def test_the_release_is_that_which_runs_on_legacy(database: Database) -> None:
    run(database, [service("a"), service("b")], release=2)
    with database.writing() as session:
        placements.put(session, [placed("shop/a", RuntimeName.V2, 5)])
        placements.remove(session, ("shop/b", RuntimeName.LEGACY))
    with database.reading() as session:
        found = candidates.of(session, ["shop/a", "shop/b", "shop/ghost"], AS_OF)
    assert found["shop/a"].runs_on == (RuntimeName.LEGACY, RuntimeName.V2)
    assert found["shop/a"].release == 2
    assert (found["shop/b"].runs_on, found["shop/b"].release) == ((), None)
    assert "shop/ghost" not in found


def test_the_number_of_queries_does_not_grow_with_the_fleet(database: Database) -> None:
    counted: list[int] = []
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
    for size in (3, 60):
        run(database, [service(f"s{n}") for n in range(size)])
        asked.clear()
        with database.reading() as session:
            assert len(candidates.every(session, AS_OF)) == size
        counted.append(len(asked))
    assert counted[0] == counted[1]
