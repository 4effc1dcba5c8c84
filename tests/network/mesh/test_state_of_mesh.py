"""What the mesh remembers: whole or not at all, and who gets which number."""

import os
import socket
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.network.mesh import addresses, udp
from rollout.network.mesh.addresses import Block
from rollout.network.mesh.numbers import Numbers
from rollout.network.mesh.state import Neighbour, ServiceRecord, State


def test_everything_is_there_again(tmp_path: Path) -> None:
    first = State(tmp_path)
    numbers = Numbers(first, 1)
    member, service = numbers.member("one.0", "prod", patched=True), numbers.service("prod/db")
    numbers.lead("prod/db", ("fd00::1", 6379))
    there = Block(numbers.block("prod").prefix, 2).here
    numbers.neighbour("prod", "aa", Neighbour(endpoint="10.0.0.2:4001", here=there))
    again = State(tmp_path)
    assert again.members.all() == {"one.0": member}
    assert again.services.all() == {"prod.db": ServiceRecord(service="prod/db", number=service.number, lead=("fd00::1", 6379))}
    assert again.environments.all() == first.environments.all()
    prefixes = [record.prefix for record in (numbers.environment("prod"), Numbers(again, 1).environment("test"))]
    assert prefixes == [addresses.environment_prefix(first.prefix(), number) for number in (1, 2)]


def test_a_draft_of_a_crash_is_not_read(tmp_path: Path) -> None:
    State(tmp_path)
    (tmp_path / "members/.one.0").write_text("{")
    assert State(tmp_path).members.all() == {}
    assert os.listdir(tmp_path / "members") == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    State(tmp_path)
    (tmp_path / "members/one.0").write_text("{")
    with pytest.raises(BrokenError, match=r"members/one\.0 is damaged"):
        State(tmp_path)


def test_a_number_rests_before_somebody_else_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LAST", 5)
    state = State(tmp_path)
    numbers = Numbers(state, 1)
    assert [numbers.member(f"{n}.0", "prod", patched=False).number for n in range(3)] == [2, 3, 4]
    state.members.remove("1.0")
    assert [numbers.member(f"{n}.0", "prod", patched=False).number for n in (3, 4)] == [5, 3]
    with pytest.raises(BrokenError, match="no address left: 4 instances"):
        numbers.member("5.0", "prod", patched=False)
    again = numbers.member("3.0", "prod", patched=True)
    assert (again.number, again.patched) == (5, True)
    assert state.members.get("3.0") == again


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    state = State(tmp_path)
    numbers = Numbers(state, 1)
    member = numbers.member("one.0", "prod", patched=False)
    assert numbers.port_of_member(member) == member
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as thief:
        thief.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        thief.bind(("::", member.port))
        assert not udp.free(member.port)
        changed = numbers.port_of_member(member)
    assert changed.port != member.port
    assert state.members.get("one.0") == changed


def test_what_was_joined_is_told_by_its_run(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert not state.was_joined("one.0", "4711 1")
    state.mark_joined("one.0", "4711 1")
    assert state.was_joined("one.0", "4711 1")
    assert not state.was_joined("one.0", "4712 1")
    state.forget_joined("one.0")
    state.forget_joined("one.0")
    assert not state.was_joined("one.0", "4711 1")
