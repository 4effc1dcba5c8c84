"""Every row of the table of port detection, as data."""

import pytest

from rollout.host.ports import Listener
from rollout.network.choose import Wanted, choose
from rollout.network.detect import is_loopback


def at(port: int, address: str = "127.0.0.1") -> Listener:
    return Listener(pid=1, address=address, port=port, loopback=is_loopback(address))


PLAIN = Wanted(given=40001)
DECLARED = Wanted(given=8080, declared=8080)
CONTAINER = Wanted(given=8080, declared=8080, reached_from_outside=True)


@pytest.mark.parametrize(
    ("listeners", "wanted", "port", "note"),
    [
        ([at(8080)], DECLARED, 8080, "declared 8080"),
        ([at(9000), at(8080)], DECLARED, 8080, "declared 8080"),
        ([at(40001)], PLAIN, 40001, "given PORT 40001"),
        ([at(8081)], DECLARED, 8081, "found 8081, declared 8080"),
        ([at(8081)], PLAIN, 8081, "found 8081, given PORT 40001"),
        ([at(8081), at(8081, "0.0.0.0")], PLAIN, 8081, "found 8081, given PORT 40001"),
        ([at(8080, "0.0.0.0")], DECLARED, 8080, "declared 8080"),
        ([at(8080, "::")], DECLARED, 8080, "declared 8080"),
        ([at(8080, "::ffff:127.0.0.1")], DECLARED, 8080, "declared 8080"),
        ([at(8080, "::1"), at(8081)], DECLARED, 8081, "found 8081, declared 8080"),
        ([at(8080, "::")], CONTAINER, 8080, "declared 8080"),
        ([at(8080, "0.0.0.0")], CONTAINER, 8080, "declared 8080"),
        ([at(8080), at(8081, "::")], CONTAINER, 8081, "found 8081, declared 8080"),
    ],
)
def test_a_port_is_chosen(listeners: list[Listener], wanted: Wanted, port: int, note: str) -> None:
    choice = choose(listeners, wanted, None)
    assert (choice.port, choice.note, choice.problem) == (port, note, "")


@pytest.mark.parametrize(
    ("listeners", "wanted", "problem"),
    [
        ([], PLAIN, "it listens on no port (given PORT 40001)"),
        ([], DECLARED, "it listens on no port (declared 8080)"),
        ([at(8082), at(8081)], DECLARED, "several ports: 8081, 8082; set one (--port N)"),
        ([at(8080, "::1")], DECLARED, "it listens only on ::1:8080: make it listen on 127.0.0.1 or 0.0.0.0 (HOST says which)"),
        ([at(8080)], CONTAINER, "it listens only on 127.0.0.1:8080, for itself alone: make it listen on [::] (HOST=::)"),
        ([at(8080, "::1")], CONTAINER, "it listens only on ::1:8080, for itself alone: make it listen on [::] (HOST=::)"),
    ],
)
def test_what_is_wrong_is_said(listeners: list[Listener], wanted: Wanted, problem: str) -> None:
    choice = choose(listeners, wanted, None)
    assert (choice.port, choice.problem) == (None, problem)


@pytest.mark.parametrize(
    ("answering", "port"),
    [({8082}, 8082), ({8081, 8082}, None), (set(), None)],
)
def test_among_several_the_one_that_answers_the_health_path(answering: set[int], port: int | None) -> None:
    choice = choose([at(8081), at(8082)], DECLARED, answering.__contains__)
    assert choice.port == port
    assert ("8082 answers the health path" in choice.note) == (port is not None)
    assert choice.problem == ("" if port else "several ports: 8081, 8082; set one (--port N)")


@pytest.mark.parametrize(
    ("listeners", "wanted", "stuck"),
    [
        ([at(8080)], CONTAINER, True),
        ([at(8080, "::1"), at(9229)], CONTAINER, True),
        ([at(9229)], CONTAINER, False),
        ([], CONTAINER, False),
        ([at(8080), at(8081, "::")], CONTAINER, False),
    ],
)
def test_stuck_is_what_has_the_port_for_itself_and_nothing_for_others(
    listeners: list[Listener], wanted: Wanted, *, stuck: bool
) -> None:
    assert choose(listeners, wanted, None).stuck is stuck


def test_only_an_expected_port_is_certain_at_first_sight() -> None:
    assert choose([at(8080)], DECLARED, None).settled
    assert not choose([at(8081)], DECLARED, None).settled
