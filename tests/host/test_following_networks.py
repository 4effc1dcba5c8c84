"""Copies in networks of their own, where each may listen on the same number."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from rollout.host.following import Following
from rollout.host.ledger import Held
from rollout.host.ports import InstanceSpec, Listener
from tests.host.host_rigs import spec

PORT = 8080


class Copies:
    """Fulfils Engine and Watch as far as they are asked: pid N is copy `tN`; where it listens stands in `at`."""

    def __init__(self, *at: tuple[int, int]) -> None:
        self.at = {number: [place] for number, place in enumerate(at)}
        self.looked: list[int] = []
        self.following = Following(self, self, self.choose, lambda: 0.0)  # type: ignore[arg-type]  # all of Engine that is asked
        self.followed = [Held(spec=replace(spec(f"t{number}"), port=PORT), port=PORT) for number in self.at]

    def pids(self, instance: str) -> Sequence[int]:
        return [int(instance.removeprefix("t").partition(".")[0])]

    def listening(self) -> set[tuple[int, int]]:
        return {place for places in self.at.values() for place in places}

    def listeners(self, pids: Sequence[int]) -> Sequence[Listener]:
        self.looked += pids
        return [Listener(pid=pid, address="::", port=port, network=network) for pid in pids for network, port in self.at[pid]]

    def choose(self, _: InstanceSpec, listeners: Sequence[Listener]) -> tuple[int, str] | None:
        return (listeners[0].port, "") if listeners else None

    def look(self) -> dict[int, int]:
        """One look: the port of each copy afterwards; `looked` are those whose processes were looked at."""
        self.looked.clear()
        for held, listeners in self.following.news(self.followed):
            self.followed[self.pids(held.spec.id)[0]] = self.following.led(held, listeners)
        return {number: held.port for number, held in enumerate(self.followed)}


@pytest.fixture
def copies() -> Copies:
    copies = Copies((1, PORT), (2, PORT), (0, PORT))
    for _ in range(2):
        assert set(copies.look().values()) == {PORT}
    return copies


def test_where_nothing_moves_nobody_is_looked_at(copies: Copies) -> None:
    copies.look()
    assert copies.looked == []


@pytest.mark.parametrize("mover", [0, 1, 2])
def test_a_copy_leaves_its_port_although_others_listen_on_the_same_number(copies: Copies, mover: int) -> None:
    copies.at[mover] = [(copies.at[mover][0][0], 9090)]
    assert copies.look() == {number: 9090 if number == mover else PORT for number in copies.at}


def test_one_that_stops_listening_is_looked_at_alone(copies: Copies) -> None:
    copies.at[1] = []
    copies.look()
    assert copies.looked == [1]


def test_a_port_that_is_opened_in_one_network_makes_nobody_else_be_looked_at(copies: Copies) -> None:
    copies.at[1].append((2, 9090))
    copies.look()
    assert copies.looked == [1]
    assert [held.spare for held in copies.followed] == [0, 9090, 0]


def test_one_whose_network_was_made_again_is_found_in_the_new_one(copies: Copies) -> None:
    copies.at[0] = [(3, 9090)]
    assert copies.look()[0] == 9090
    copies.look()
    copies.look()
    assert copies.looked == []
