"""The log as a stream: its lines, a place by time, and reading on over rotations."""

import random
from pathlib import Path

import pytest

from rollout.edge.access_log import AccessLog, Place, parse
from rollout.errors import BrokenError
from rollout.model.fleet import RuntimeName


def line(began: float, host: str = "api.shop.internal", side: str = "v2", *, request_id: str = "x", **over: str) -> bytes:
    fields = {"shed": "-", "status": "200", "us": "1500", "lasted": "2", "attempts": "1", "flags": "-"}
    fields |= {"upstream": "127.0.0.1:1", **over}
    return "\t".join([f"{began:.6f}", host, side, *fields.values(), request_id]).encode() + b"\n"


def test_a_line_is_read_as_it_was_written() -> None:
    found = parse(line(7.25, status="503", attempts="2", flags="URX,UF", shed="shed", request_id="a\tb")[:-1])
    assert found is not None
    assert (found.began, found.host_name, found.side) == (7.25, "api.shop.internal", RuntimeName.V2)
    assert (found.status, found.duration_us, found.attempts, found.shed) == (503, 1500, 2, True)
    assert (found.flags, found.upstream, found.request_id) == ("URX,UF", "127.0.0.1:1", "a\tb")


@pytest.mark.parametrize(
    ("over", "failed"),
    [
        ({}, False),
        ({"status": "404"}, False),
        ({"status": "500"}, True),
        ({"status": "0", "flags": "DC"}, False),
        ({"status": "0"}, True),
        ({"status": "0", "flags": "DC,UC"}, True),
        ({"flags": "UC"}, True),
        ({"flags": "UR"}, True),
        ({"flags": "DC"}, False),
    ],
)
def test_what_counts_as_a_failure(over: dict[str, str], failed: bool) -> None:
    found = parse(line(1.0, **over)[:-1])
    assert found is not None
    assert found.failed is failed


@pytest.mark.parametrize("broken", [b"", b"half a line", b"\t" * 10, line(1.0)[:-1].replace(b"v2", b"v3")])
def test_a_line_that_is_not_whole_is_no_request(broken: bytes) -> None:
    assert parse(broken) is None


def test_a_place_by_time_misses_nothing_and_spares_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    began = [round(1000 + i * 0.01, 6) for i in range(20_000)]
    path.write_bytes(b"".join(line(t) for t in began))
    log = AccessLog(path)
    seed = random.Random(7)
    for since in [0.0, 999.0, 1000.0, *(seed.uniform(1000, 1200) for _ in range(8)), 1199.99, 2000.0]:
        assert [found.began for found in log.lines(since)] == [t for t in began if t >= since]
    behind = path.stat().st_size - log.place_of(1170.0).offset
    assert behind < path.stat().st_size * 0.25


def test_reading_on_goes_over_rotations_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(line(1.0) + line(2.0)[:20])
    log = AccessLog(path)
    place = log.place_of(0.0)
    seen: list[float] = []

    def read_on(place: Place) -> Place:
        for chunk, after in log.after(place):
            seen.extend(found.began for found in map(parse, chunk.splitlines()) if found)
            place = after
        return place

    place = read_on(place)
    assert seen == [1.0]
    with path.open("ab") as file:
        file.write(line(2.0)[20:] + line(3.0))
    path.replace(tmp_path / "access.log.1")
    place = read_on(place)
    path.write_bytes(line(4.0))
    place = read_on(place)
    (tmp_path / "access.log.1").replace(tmp_path / "access.log.2")
    path.replace(tmp_path / "access.log.1")
    path.write_bytes(line(5.0))
    read_on(place)
    assert seen == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_place_whose_file_is_gone_goes_on_with_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(line(9.0))
    assert [len(chunk) for chunk, _ in AccessLog(path).after(Place(1, 10_000))] == [len(line(9.0))]


def test_no_log_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokenError, match="is not there"):
        list(AccessLog(tmp_path / "access.log").lines())
