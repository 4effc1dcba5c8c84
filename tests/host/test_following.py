"""Whether a copy leaves its port is seen in time: the edge knows the other port before, and where it is led afterwards."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from rollout.contract.host_part import FENCE, NAME, SERVICE, V2
from rollout.host.following import SPARE_S, UNSURE_S
from rollout.host.ports import InstanceSpec, Listener
from tests.host.host_rigs import MemoryRig

FIRST = 20001
AT = "127.0.0.1:"


class Rig(MemoryRig):
    """One copy on v2 that is followed. `listening` tells which ports anybody listens on, and is counted by `looked`."""

    def __init__(self, folder: Path) -> None:
        self.looked = 0
        self.answering: set[int] = set()
        super().__init__(folder)
        self.watch = self
        self.again()
        self.now = 1000.0
        self.desk.start(self.spec("t1", runtime=V2), FENCE)
        self.desk.attach("t1.0", FIRST, "", FENCE)
        self.desk.weigh(SERVICE, NAME, 100, FENCE)
        self.desk.follow("t1.0", FENCE)
        self.listens(FIRST)
        self.desk.look()

    def listening(self) -> set[tuple[int, int]]:
        return {(listener.network, listener.port) for listener in self.seen()}

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        self.looked += bool(pids)
        return self.programs.listeners(pids)

    def seen(self) -> Sequence[Listener]:
        return self.programs.listeners(self.programs.pids("t1.0"))

    def listens(self, *ports: int) -> None:
        self.programs.listen("t1.0", *ports)

    def choose(self, _: InstanceSpec, listeners: Sequence[Listener]) -> tuple[int, str] | None:  # type: ignore[override]
        found = [one.port for one in listeners if len(listeners) == 1 or one.port in self.answering]
        return (found[0], f"found {found[0]}") if len(found) == 1 else None

    def led(self) -> tuple[tuple[str, ...], dict[str, str]]:
        route = self.edge.routes[NAME]
        return route.v2, dict(route.spares)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "host")


def test_a_port_that_is_opened_besides_is_known_to_the_edge_and_led_to_once_the_first_is_closed(rig: Rig) -> None:
    rig.listens(FIRST, 6001)
    rig.desk.look()
    assert rig.led() == ((f"{AT}{FIRST}",), {f"{AT}{FIRST}": f"{AT}6001"})
    rig.edge.busy[f"{AT}6001"] = 2
    assert rig.desk.in_flight(SERVICE, V2) == 2, "what it works on there is waited for too"
    rig.listens(6001)
    rig.desk.look()
    assert rig.led() == ((f"{AT}6001",), {})
    rig.listens(6001, 6002)
    rig.desk.look()
    assert rig.led() == ((f"{AT}6001",), {f"{AT}6001": f"{AT}6002"})


def test_a_port_that_is_opened_before_the_first_look_is_a_new_one_too(rig: Rig) -> None:
    rig.desk.start(rig.spec("t2", runtime=V2), FENCE)
    rig.desk.attach("t2.0", 20002, "", FENCE)
    rig.programs.listen("t2.0", 20002)
    rig.desk.follow("t2.0", FENCE)
    rig.programs.listen("t2.0", 20002, 6002)
    rig.desk.look()
    assert rig.led()[1] == {f"{AT}20002": f"{AT}6002"}


def test_one_that_is_closed_again_is_forgotten(rig: Rig) -> None:
    rig.listens(FIRST, 6001)
    rig.desk.look()
    rig.listens(FIRST)
    rig.desk.look()
    assert rig.led() == ((f"{AT}{FIRST}",), {})


def test_a_port_that_stays_open_beside_the_first_is_no_next_one(rig: Rig) -> None:
    rig.listens(FIRST, 6001)
    rig.desk.look()
    rig.now += SPARE_S
    rig.desk.look()
    assert rig.led() == ((f"{AT}{FIRST}",), {})
    rig.listens(FIRST, 6001, 6002)
    rig.desk.look()
    assert rig.led()[1] == {f"{AT}{FIRST}": f"{AT}6002"}


def test_of_several_the_one_that_answers_soon_is_known(rig: Rig) -> None:
    rig.listens(FIRST, 6001, 6002)
    rig.desk.look()
    assert rig.led()[1] == {}
    rig.answering = {6002}
    rig.now += UNSURE_S / 2
    rig.desk.look()
    assert rig.led()[1] == {f"{AT}{FIRST}": f"{AT}6002"}


def test_where_nothing_moves_nothing_is_looked_at(rig: Rig) -> None:
    before = rig.looked
    rig.desk.look()
    assert rig.looked == before


def test_a_service_that_is_asked_about_is_looked_at_at_once(rig: Rig) -> None:
    rig.listens(6001)
    rig.desk.look_at_ports(SERVICE)
    assert rig.led() == ((f"{AT}6001",), {})
    rig.desk.look_at_ports("shop/nobody")


def test_nobody_is_led_back_to_a_port_that_was_left_meanwhile(rig: Rig) -> None:
    """A slow look that has seen both ports ends after a quick one that has seen the second alone."""
    rig.listens(FIRST, 6001)
    held = rig.desk.ledger.record(SERVICE).held["t1.0"]
    rig.listens(6001)
    rig.desk.look_at_ports(SERVICE)
    rig.desk._follow(held, [Listener(pid=1, address="127.0.0.1", port=port) for port in (FIRST, 6001)])
    assert rig.led() == ((f"{AT}6001",), {})
