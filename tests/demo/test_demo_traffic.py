"""The load and the neighbour's calls are added up against the edge's log, read until it is whole."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from rollout.demo.gaps import Gap
from rollout.demo.services import Part, parts
from rollout.demo.traffic import Traffic, calls_in, downtime
from rollout.edge.access_log import AccessLine
from rollout.model.fleet import RuntimeName

BEGIN = datetime(2024, 6, 4, tzinfo=UTC)


class FakeEdge(BaseHTTPRequestHandler):
    """Answers 500 to shop/search, 200 to others, and logs as the edge does."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    log: list[AccessLine] = []  # noqa: RUF012 (http.server makes one handler per connection: the log is theirs together)

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        host = self.headers["host"]
        status = 500 if host.startswith("search.") else 200
        line = AccessLine(
            began=time.time(),
            host_name=host,
            side=RuntimeName.V2,
            shed=False,
            status=status,
            duration_us=1,
            lasted_ms=1,
            attempts=1,
            flags=frozenset(),
            upstream="",
            request_id=self.headers["x-request-id"],
        )
        self.log.append(line)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def edge() -> Iterator[str]:
    FakeEdge.log = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeEdge)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def wait_for(count: int) -> None:
    end = time.monotonic() + 10
    while len(FakeEdge.log) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def traffic(fleet: Sequence[Part]) -> Traffic:
    return Traffic(fleet, called="shop/api")


def test_planted_failures_are_found_in_the_log_which_may_come_late(edge: str, tmp_path: Path) -> None:
    sent = traffic(parts(tmp_path))
    sent.start(edge)
    wait_for(40)
    looks: list[int] = []

    def late() -> list[AccessLine]:
        looks.append(1)
        return FakeEdge.log if len(looks) > 2 else []

    counted = sent.end(late, [])
    assert len(looks) == 3
    assert counted.requests.sent == len(FakeEdge.log)
    assert counted.requests.failed == counted.requests.failed_planted > 0
    assert set(counted.requests.planted_by_service) == {"shop/search"}
    assert (counted.unlogged, counted.neighbour_calls) == (0, 0)
    assert counted.longest_gap_ms > 0


def test_after_the_repair_a_failure_is_not_planted(edge: str, tmp_path: Path) -> None:
    sent = traffic(parts(tmp_path))
    sent.repaired("shop/search")
    sent.start(edge)
    wait_for(40)
    counted = sent.end(lambda: FakeEdge.log, [])
    assert counted.requests.failed_planted == 0
    assert set(counted.requests.outside_by_service) == {"shop/search"}


def test_an_answer_that_the_log_does_not_know_is_counted(edge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.demo.traffic.LOG_LIMIT_S", 0.1)
    sent = traffic(parts(tmp_path))
    sent.start(edge)
    wait_for(40)
    counted = sent.end(lambda: FakeEdge.log[1:], [])
    assert counted.unlogged == 1


def test_traffic_that_never_began_comes_to_nothing(tmp_path: Path) -> None:
    counted = traffic(parts(tmp_path)).end(list, [])
    assert (counted.requests.sent, counted.requests.failed) == (0, 0)


def test_the_calls_of_the_neighbour_are_taken_in_its_own_words() -> None:
    row = {"id": "neighbour-1", "began": 1.0, "ended": 2.0, "status": 200, "error": ""}
    (call,) = calls_in([row], "shop/api")
    assert (call.service, call.id, call.status, call.ended) == ("shop/api", "neighbour-1", 200, 2.0)


def test_declared_downtime_ends_with_the_gap_or_when_the_plan_said() -> None:
    gap = Gap(service="shop/ledger", begin=BEGIN, end=BEGIN + timedelta(seconds=2), declared_s=5)
    assert downtime(gap).end - downtime(gap).begin == 2
    assert downtime(replace(gap, declared_s=1)).end - downtime(gap).begin == 1
    assert downtime(replace(gap, end=None)).end - downtime(gap).begin == 5
