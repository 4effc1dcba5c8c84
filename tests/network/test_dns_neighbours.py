"""Names of another host: two homes, each with a room of the same environment, whose DNS servers reach each other."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dnslib import RCODE, DNSRecord

from rollout.network.inside import inside
from tests.network.namespaces import namespace
from tests.network.test_dns_rooms import API, World, room, until

HOSTS = {"here": "fd00:a:b:1:0:1:0:1", "there": "fd00:a:b:1:0:2:0:1"}
NAME = "api.prod.internal"


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[dict[str, World]]:
    """`here` and `there`, in one network namespace that stands for both: each has a hub and a DNS address of its own in it."""
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(namespace())
        made = {name: World(tmp_path / name) for name in HOSTS}
        for number, (name, world) in enumerate(made.items(), 1):
            stack.callback(world.server.close)
            neighbours = tuple(address for other, address in HOSTS.items() if other != name)
            world.opens(
                path, replace(room("prod", path, 1), dns=f"fd00:a:b:1::53:{number}", hub=HOSTS[name], neighbours=neighbours)
            )
        yield made


def found(world: World, name: str = NAME, *, tcp: bool = False) -> tuple[int, list[str]]:
    answer = world.ask("prod", name, tcp=tcp)
    return answer.header.rcode, [str(one.rdata) for one in answer.rr]


@pytest.mark.parametrize("tcp", [False, True])
def test_a_name_is_found_where_it_is_published_and_follows(worlds: dict[str, World], tcp: bool) -> None:
    here, there = worlds.values()
    assert found(here, tcp=tcp) == (RCODE.NXDOMAIN, [])
    there.names.publish(NAME, API, 80)
    assert found(here, tcp=tcp) == found(there, tcp=tcp) == (RCODE.NOERROR, [API])
    here.names.publish(NAME, "fd00::1", 80)
    assert (found(here, tcp=tcp)[1], found(there, tcp=tcp)[1]) == (["fd00::1"], [API]), "the own one comes first"
    there.names.withdraw(NAME)
    assert found(there, tcp=tcp)[1] == ["fd00::1"]
    here.names.withdraw(NAME)
    assert found(there, tcp=tcp) == found(here, tcp=tcp) == (RCODE.NXDOMAIN, [])


def beside_a_silent_one(world: World) -> None:
    """The neighbour that comes first never answers."""
    known = world.rooms.find("prod")
    assert known is not None
    world.rooms.write(replace(known, neighbours=("fd00:a:b:1:0:9:0:1", *known.neighbours)))
    until(lambda: found(world, "nobody.prod.internal") == (RCODE.SERVFAIL, []))


def test_what_is_no_name_of_the_environment_is_asked_of_nobody(worlds: dict[str, World]) -> None:
    here, there = worlds.values()
    there.names.publish("plain.prod.internal", "127.0.0.1", 80)
    assert found(here, "plain.prod.internal") == (RCODE.NXDOMAIN, [])
    there.names.publish("api.stage.internal", API, 80)
    beside_a_silent_one(here)
    for name in ("api.stage.internal", "example.org", "1.0.0.0.d.f.ip6.arpa"):
        assert found(here, name) == (RCODE.NXDOMAIN, []), name


def test_a_neighbour_that_is_silent_leaves_it_open_and_names_of_others_are_found(worlds: dict[str, World]) -> None:
    here, there = worlds.values()
    there.names.publish(NAME, API, 80)
    beside_a_silent_one(here)
    assert found(here) == (RCODE.NOERROR, [API])
    here.names.publish("own.prod.internal", API, 80)
    assert found(here, "own.prod.internal") == (RCODE.NOERROR, [API])


def test_what_a_neighbour_asks_is_asked_no_further(worlds: dict[str, World]) -> None:
    here, there = worlds.values()
    there.names.publish(NAME, API, 80)
    here.names.publish("own.prod.internal", API, 80)
    known = here.rooms.find("prod")
    assert known is not None
    with inside(known.path), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as near:
        near.settimeout(10)
        near.connect((HOSTS["here"], 53))
        for name, rcode in ((NAME, RCODE.NXDOMAIN), ("own.prod.internal", RCODE.NOERROR), ("example.org", RCODE.NXDOMAIN)):
            near.send(DNSRecord.question(name, "AAAA").pack())
            assert DNSRecord.parse(near.recv(4096)).header.rcode == rcode, name
