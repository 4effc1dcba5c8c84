"""Rooms come, go and are made again while one Envoy serves: nobody else notices, and a new Envoy has the same rooms."""

import http.client
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.errors import BrokenError, RoomsRefusedError, TransientError
from rollout.host.ports import Route
from rollout.network.inside import inside, open_inside
from tests.edge.rooms_rig import RealRoom, room


def serve(edge: RunningEdge, at: RealRoom, text: str) -> None:
    """A service `api` in the room, whose one copy answers this."""
    copy, name = at.copy(text), f"api.{at.room.environment}.internal"
    here = {"environment": at.room.environment, "address": at.service(7)}
    edge.edge.write(Route(host_name=name, legacy=(), v2=(copy.address,), weight=100, **here))


def ask(at: RealRoom) -> str:
    with at.client(at.service(7)) as client:
        return client.get("/").text


def silent(at: RealRoom) -> bool:
    """Nobody listens in the room."""
    with pytest.raises(httpx.ConnectError, match="refused"):
        ask(at)
    return True


@contextmanager
def load(once: Callable[[], None], lanes: int = 1) -> Iterator[list[int]]:
    """Called again and again until the block ends; any error fails there. Yields how often each lane has been done."""
    end, counts = Event(), [0] * lanes

    def lane(number: int) -> None:
        while not end.is_set():
            once()
            counts[number] += 1

    with ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(lane, number) for number in range(lanes)]
        try:
            yield counts
        finally:
            end.set()
        for one in running:
            one.result()


@contextmanager
def one_connection(at: RealRoom) -> Iterator[Callable[[], None]]:
    """Asks on one connection, that nobody may close."""
    made = open_inside(at.instance, lambda: socket.create_connection((at.service(7), 80), timeout=15))
    connection = http.client.HTTPConnection("bank")
    connection.sock, connection.auto_open = made, False

    def once() -> None:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.getheader("connection")) == (200, b"bank", None)

    try:
        yield once
    finally:
        connection.close()


def test_others_come_go_and_are_made_again_without_a_failed_request(edge: RunningEdge, bank: RealRoom) -> None:
    serve(edge, bank, "bank")
    edge.edge.rooms([bank.room])

    def new_connections() -> None:
        assert ask(bank) == "bank"
        with edge.client("api.bank.internal") as public:
            assert public.get("/").text == "bank"

    assert edge.process is not None
    with one_connection(bank) as held, load(held) as kept, load(new_connections) as fresh:
        paths = set()
        for number in range(4):
            with room(1, "shop") as shop:
                paths.add(shop.room.path)
                serve(edge, shop, f"shop {number}")
                edge.edge.rooms([bank.room, shop.room])
                assert ask(shop) == f"shop {number}"
                with edge.client("api.shop.internal") as public:
                    assert public.get("/").text == f"shop {number}"
                if number % 2:
                    edge.edge.rooms([bank.room])
                    assert silent(shop)
                else:
                    with room(1, "shop") as again:
                        assert again.room.path != shop.room.path
                        serve(edge, again, "again")
                        edge.edge.rooms([bank.room, again.room])
                        assert (ask(again), silent(shop)) == ("again", True)
        before = kept[0], fresh[0]
        wait_for(lambda: kept[0] > before[0] and fresh[0] > before[1], "the load goes on")
    assert edge.process.poll() is None


def test_many_rooms_are_told_apart(edge: RunningEdge, bank: RealRoom) -> None:
    with room(1, "shop") as shop, room(3, "zoo") as zoo:
        every = [bank, shop, zoo]
        for one in every:
            serve(edge, one, one.room.environment)
        edge.edge.rooms([one.room for one in every])
        assert [ask(one) for one in every] == ["bank", "shop", "zoo"]
        edge.edge.rooms([bank.room, zoo.room])
        assert [ask(bank), silent(shop), ask(zoo)] == ["bank", True, "zoo"]


def test_told_again_nothing_is_written(edge: RunningEdge, bank: RealRoom) -> None:
    serve(edge, bank, "bank")
    edge.edge.rooms([bank.room])
    before = {path: path.stat().st_ino for path in edge.edge.places.rooms.iterdir()}
    edge.edge.rooms([bank.room])
    assert {path: path.stat().st_ino for path in edge.edge.places.rooms.iterdir()} == before
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in before)


def test_killed_and_started_again_it_has_its_rooms(edge: RunningEdge, bank: RealRoom) -> None:
    serve(edge, bank, "bank")
    edge.edge.rooms([bank.room])
    edge.kill()
    assert silent(bank)
    edge.start()
    assert ask(bank) == "bank"


def test_told_while_it_does_not_run_it_follows_when_it_does(edge: RunningEdge, bank: RealRoom) -> None:
    serve(edge, bank, "bank")
    edge.kill()
    with pytest.raises(TransientError, match="does not answer"):
        edge.edge.rooms([bank.room])
    edge.start()
    assert ask(bank) == "bank"
    edge.edge.rooms([bank.room])
    assert ask(bank) == "bank"


def test_a_room_that_is_gone_keeps_nobody_from_starting_or_following(edge: RunningEdge, bank: RealRoom) -> None:
    serve(edge, bank, "bank")
    with room(1, "shop") as shop:
        edge.edge.rooms([bank.room, shop.room])
        edge.kill()
    edge.start()
    wait_for(lambda: ask(bank) == "bank", "the room that stands is served")
    for path in (shop.room.path, "/nowhere", "/dev/null"):
        edge.edge.rooms([bank.room, replace(shop.room, path=path)])
        assert ask(bank) == "bank"


def test_a_port_that_is_taken_in_a_room_is_one_clear_error_there_alone(edge: RunningEdge, bank: RealRoom) -> None:
    with room(1, "shop") as shop, room(3, "zoo") as zoo:
        every = [shop, bank, zoo]
        for one in every:
            serve(edge, one, one.room.environment)
        with inside(shop.room.path), socket.create_server(("::", 10_000), family=socket.AF_INET6):
            for told in (every[:2], every, every):  # one that comes while another is refused is served too
                with pytest.raises(RoomsRefusedError, match="does not listen in the room of shop") as found:
                    edge.edge.rooms([one.room for one in told])
                assert found.value.environments == {"shop"}
                assert [ask(one) for one in told[1:]] == [one.room.environment for one in told[1:]]
        edge.edge.rooms([one.room for one in every])
        assert [ask(one) for one in every] == ["shop", "bank", "zoo"]


def test_without_the_right_to_enter_namespaces_it_is_configured_as_ever(
    tmp_path: Path, bank: RealRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = RunningEdge(tmp_path / "plain")
    monkeypatch.setattr("rollout.edge.envoy.may_enter", lambda: False)
    copy = HttpCopy("host")
    try:
        world.start()
        assert "dynamic_resources" not in (world.edge.folder / "bootstrap.json").read_text()
        world.edge.write(Route(host_name="a.b.internal", legacy=(copy.address,), v2=(), weight=0, environment="b"))
        with world.client("a.b.internal") as client:
            assert client.get("/").text == "host"
        world.edge.rooms([])
        with pytest.raises(BrokenError, match="may not enter"):
            world.edge.rooms([bank.room])
    finally:
        world.close()
        copy.end()
