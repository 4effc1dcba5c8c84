"""The edge with a real Envoy: where requests go, what a broken copy or file does, what stays after a death."""

import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from rollout.contract.edge_rig import HttpCopy, RunningEdge, wait_for
from rollout.edge.admin import active_requests
from rollout.edge.envoy import EnvoyEdge
from rollout.edge.settings import EdgeSettings
from rollout.errors import BrokenError, TransientError
from rollout.host.ports import Route

MakeCopy = Callable[[str], HttpCopy]


def route(name: str, *, legacy: list[HttpCopy], v2: list[HttpCopy], weight: int) -> Route:
    return Route(host_name=name, legacy=tuple(c.address for c in legacy), v2=tuple(c.address for c in v2), weight=weight)


def answers(client: httpx.Client, number: int) -> Counter[str]:
    return Counter(client.get("/").text for _ in range(number))


def test_the_weight_shares_the_requests(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    legacy, v2 = copies("legacy"), copies("v2")
    with running.client(name) as client:
        for weight, low, high in [(0, 0, 0), (30, 30, 90), (100, 200, 200)]:
            running.edge.write(route(name, legacy=[legacy], v2=[v2], weight=weight))
            assert low <= answers(client, 200)["v2"] <= high


@pytest.mark.parametrize(("weight", "only"), [(0, "v2"), (100, "legacy"), (50, "v2"), (50, "legacy")])
def test_a_side_without_copies_gets_nothing(running: RunningEdge, copies: MakeCopy, name: str, weight: int, only: str) -> None:
    copy = copies(only)
    sides = {"legacy": [copy] if only == "legacy" else [], "v2": [copy] if only == "v2" else []}
    running.edge.write(route(name, **sides, weight=weight))
    with running.client(name) as client:
        assert answers(client, 20) == {only: 20}


def test_the_answer_tells_which_side_it_came_from(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    running.edge.write(route(name, legacy=[copies("legacy")], v2=[copies("v2")], weight=50))
    with running.client(name) as client:
        for _ in range(30):
            answer = client.get("/")
            assert answer.headers["x-rollout-runtime"] == answer.text


def test_replicas_share_the_requests_of_their_side(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    running.edge.write(route(name, legacy=[copies("a"), copies("b"), copies("c")], v2=[], weight=0))
    with running.client(name) as client:
        assert min(answers(client, 90)[copy] for copy in "abc") >= 10


@pytest.mark.parametrize(
    ("host", "status"),
    [("{}", 200), ("{}:8080", 200), ("UPPER", 200), ("{}.evil", 404), ("evil.{}", 404), ("{}@evil", 400), ("../x", 404)],
)
def test_only_the_whole_host_name_leads_to_a_service(running: RunningEdge, copies: MakeCopy, host: str, status: int) -> None:
    running.edge.write(route("whole.test.internal", legacy=[copies("legacy")], v2=[], weight=0))
    asked = "WHOLE.Test.INTERNAL" if host == "UPPER" else host.format("whole.test.internal")
    with running.client(asked) as client:
        found = client.get("/").status_code
    assert found == status or {found, status} <= {400, 404}


def test_a_broken_file_is_503_for_that_service_alone(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    copy = copies("legacy")
    other = f"other.{name}"
    for host in (name, other):
        running.edge.write(route(host, legacy=[copy], v2=[], weight=0))
    (running.edge.places.routes / name).write_text(f"{name} {copy.address} - 0")
    with running.client(name) as broken, running.client(other) as whole:
        assert broken.get("/").status_code == 503
        assert whole.get("/").status_code == 200
        running.edge.write(route(name, legacy=[copy], v2=[], weight=0))
        assert broken.get("/").status_code == 200


def test_a_removed_service_is_unknown(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    running.edge.write(route(name, legacy=[copies("legacy")], v2=[], weight=0))
    with running.client(name) as client:
        assert client.get("/").status_code == 200
        running.edge.remove(name)
        running.edge.remove(name)
        assert client.get("/").status_code == 404


def test_a_service_without_any_copy_is_503(running: RunningEdge, name: str) -> None:
    running.edge.write(route(name, legacy=[], v2=[], weight=10))
    with running.client(name) as client:
        assert client.get("/").status_code == 503


def test_killed_and_started_again_it_serves_the_last_routes(tmp_path: Path, copies: MakeCopy, name: str) -> None:
    world = RunningEdge(tmp_path / "edge")
    try:
        world.start()
        before = world.edge.address()
        world.edge.write(route(name, legacy=[copies("legacy")], v2=[copies("v2")], weight=0))
        world.edge.write(route(name, legacy=[copies("gone")], v2=[copies("new")], weight=100))
        world.kill()
        world.start()
        assert world.edge.address() == before
        with world.client(name) as client:
            assert answers(client, 20) == {"new": 20}
    finally:
        world.close()


def test_two_edges_on_one_machine_know_nothing_of_each_other(
    running: RunningEdge, plain: RunningEdge, copies: MakeCopy, name: str
) -> None:
    running.edge.write(route(name, legacy=[copies("legacy")], v2=[], weight=0))
    with running.client(name) as here, plain.client(name) as there:
        assert (here.get("/").status_code, there.get("/").status_code) == (200, 404)


@pytest.mark.parametrize("deep", ["", "a" * 60 + "/" + "b" * 60])
def test_the_admin_socket_is_ours_alone_and_nothing_is_left_of_it(tmp_path: Path, deep: str) -> None:
    world = RunningEdge(tmp_path / deep / "edge")
    try:
        world.output = tmp_path / "edge.out"
        world.start()
        admin = world.edge.places.admin
        assert (admin.parent == world.edge.folder) is not bool(deep)
        assert len(str(admin)) <= 100
        assert (admin.stat().st_mode & 0o777, admin.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    finally:
        world.close()
    assert not admin.exists()
    assert admin.parent.exists() is not bool(deep)


def test_a_folder_for_the_socket_that_others_could_enter_is_refused(tmp_path: Path) -> None:
    edge = EnvoyEdge(tmp_path / ("a" * 60) / ("b" * 60) / "edge")
    edge.places.admin.parent.mkdir(mode=0o755)
    try:
        with pytest.raises(BrokenError, match="not a folder of ours alone"):
            edge.prepare()
    finally:
        edge.forget()


def test_a_port_that_another_program_took_is_one_clear_error(tmp_path: Path) -> None:
    edge = EnvoyEdge(tmp_path / "edge")
    edge.prepare()
    edge.check_port()
    host, port = edge.address().split(":")
    with socket.create_server((host, int(port))), pytest.raises(BrokenError, match="cannot listen") as found:
        edge.check_port()
    assert "port" in found.value.then
    assert EnvoyEdge(tmp_path / "edge").address() == edge.address()


def test_an_edge_that_does_not_run_is_not_ready_and_says_so(tmp_path: Path) -> None:
    edge = EnvoyEdge(tmp_path / "edge")
    edge.prepare()
    assert not edge.ready()
    with pytest.raises(TransientError, match="does not answer"):
        edge.in_flight(["127.0.0.1:1"])
    edge.write(Route(host_name="a.b.internal", legacy=("127.0.0.1:1",), v2=(), weight=0))


def test_rows_of_an_address_in_all_clusters_are_added_up() -> None:
    text = (
        "first::127.0.0.1:80::rq_active::2\nfirst::127.0.0.1:80::rq_active::1\nsecond::127.0.0.1:80::rq_active::4\n"
        "first::127.0.0.1:8080::rq_active::8\nfirst::[fd00::1:2]:80::rq_active::16\nfirst::127.0.0.1:80::rq_total::99\n"
    )
    assert active_requests(text, ["127.0.0.1:80"]) == 7
    assert active_requests(text, ["[fd00::1:2]:80"]) == 16
    assert active_requests(text, []) == 0


def test_a_slow_request_is_in_flight_until_it_is_answered(running: RunningEdge, copies: MakeCopy, name: str) -> None:
    slow, other = copies("slow"), copies("other")
    running.edge.write(route(name, legacy=[slow], v2=[other], weight=0))
    slow.let_go.clear()
    with running.background(name) as answer:
        wait_for(lambda: running.edge.in_flight([slow.address]) == 1, "the request is seen")
        assert running.edge.in_flight([other.address]) == 0
        running.edge.write(route(name, legacy=[slow], v2=[other], weight=100))
        assert running.edge.in_flight([slow.address, other.address]) == 1
        slow.let_go.set()
        assert answer.result().text == "slow"
    wait_for(lambda: running.edge.in_flight([slow.address]) == 0, "nothing is in flight")


def test_preparing_again_writes_nothing_and_tells_a_change(tmp_path: Path) -> None:
    assert EnvoyEdge(tmp_path / "edge").prepare() is True
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert EnvoyEdge(tmp_path / "edge").prepare() is False
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert EnvoyEdge(tmp_path / "edge", EdgeSettings(retries=False)).prepare() is True
