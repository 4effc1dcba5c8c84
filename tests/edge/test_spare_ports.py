"""A copy that has opened another port and leaves its first one: the edge asks the other, and nothing has failed."""

import socket
from collections.abc import Callable

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.edge.access_log import AccessLine, parse
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]


@pytest.fixture
def left() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def lines(edge: RunningEdge, name: str, number: int) -> list[AccessLine]:
    def found() -> list[AccessLine]:
        every = map(parse, edge.edge.places.log.read_bytes().splitlines())
        return [line for line in every if line is not None and line.host_name == name]

    wait_for(lambda: len(found()) >= number, "the edge has written its log")
    return found()


def write(edge: RunningEdge, name: str, legacy: tuple[str, ...], v2: str, spare: str, weight: int = 100) -> None:
    edge.edge.write(Route(host_name=name, legacy=legacy, v2=(v2,), weight=weight, spares={v2: spare}))


def ask(client: httpx.Client, number: int = 6, method: str = "GET") -> set[tuple[int, str, str]]:
    answers = [client.request(method, "/") for _ in range(number)]
    return {(a.status_code, a.text, a.headers["x-rollout-runtime"]) for a in answers}


@pytest.mark.parametrize("retries", [True, False])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_other_port_answers_where_the_first_was_left(
    request: pytest.FixtureRequest, copies: MakeCopy, name: str, left: str, method: str, retries: bool
) -> None:
    edge: RunningEdge = request.getfixturevalue("running" if retries else "plain")
    write(edge, name, (copies("legacy").address,), left, copies("v2").address)
    with edge.client(name) as client:
        assert ask(client, method=method) == {(200, "v2", "v2")}
    assert {(line.failed, line.followed, line.attempts) for line in lines(edge, name, 6)} == {(False, True, 2)}
    assert left not in edge.edge.failing(), "it is no failure: the copy keeps its traffic"


def test_where_both_ports_refuse_legacy_answers_and_that_is_a_failure(
    running: RunningEdge, copies: MakeCopy, name: str, left: str
) -> None:
    write(running, name, (copies("legacy").address,), left, "127.0.0.1:1")
    with running.client(name) as client:
        assert ask(client, 1) == {(200, "legacy", "legacy")}
    assert [(line.attempts, line.followed) for line in lines(running, name, 1)] == [(3, False)]
    assert running.edge.failing()[left] == 1


def test_an_answer_of_the_first_port_stands(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    first, other = copies("v2"), copies("another port of it, for other things")
    first.status = 500
    write(running, name, (), first.address, other.address)
    with running.client(name) as client:
        assert ask(client, 3) == {(500, "v2", "v2")}
    assert other.seen == []


def test_a_route_is_read_as_it_was_written(running: RunningEdge, name: str) -> None:
    write(running, name, ("127.0.0.1:1",), "127.0.0.1:2", "127.0.0.1:3", 10)
    known = running.edge.routes.read(name)
    assert known is not None
    assert (known.legacy, known.v2, known.weight) == (("127.0.0.1:1",), ("127.0.0.1:2",), 10)
    assert known.spares == {"127.0.0.1:2": "127.0.0.1:3"}
