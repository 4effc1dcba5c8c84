"""A service's address: to the edge in the room, or of kind tcp straight to an instance."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import Conntrack

from rollout.host.rooms import Rooms
from rollout.network.mesh import flows, namespaces
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.rules import EDGE_PORT
from tests.network.mesh.mesh_rigs import connect, echo, instance, kill, processes, refused, says, talk, until


def room_of(tmp_path: Path) -> str:
    room = Rooms(tmp_path / "host/rooms").find("prod")
    assert room is not None
    return room.path


def test_any_port_of_a_service_leads_to_the_edge(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    with echo(room_of(tmp_path), "::", EDGE_PORT) as callers:
        for port in (80, 5432):
            assert talk(one.namespace, mesh.address_of("prod/db"), port) == b"hello"
        assert talk(room_of(tmp_path), mesh.address_of("prod/db"), 81) == b"hello"
    assert callers[:2] == [one.address, one.address]


def test_new_connections_go_to_the_new_copy_and_held_ones_stay(mesh: Mesh) -> None:
    client, old, new = (mesh.prepare(instance(name)) for name in ("client", "old", "new"))
    service = mesh.address_of("prod/db")
    with echo(old.namespace, "::", 6379) as at_old, echo(new.namespace, "::", 6380) as at_new:
        mesh.lead("prod/db", (old.address, 6379))
        held = [connect(client.namespace, service, 1234) for _ in range(3)]
        assert [says(line, b"one") for line in held] == [b"one"] * 3
        mesh.lead("prod/db", (new.address, 6380))
        assert talk(client.namespace, service, 1234) == b"hello"
        assert [says(line, b"two") for line in held] == [b"two"] * 3
        assert (at_old, at_new) == ([client.address] * 3, [client.address])
        assert mesh.held("prod/db", old.address) == 3
        for number, line in enumerate(held):
            line.close()
            until(lambda left=2 - number: mesh.held("prod/db", old.address) == left)
    assert mesh.held("prod/db", new.address) == 0


def test_over_ipv4_it_is_the_same(mesh: Mesh) -> None:
    """For copies that listen on nothing else."""
    client, old, new = (mesh.prepare(instance(name)) for name in ("client", "old", "new"))
    service = mesh.address4_of("prod/db")
    assert refused(client.namespace, service)
    with echo(old.namespace, "0.0.0.0", 6379) as at_old, echo(new.namespace, "0.0.0.0", 6380) as at_new:
        mesh.lead("prod/db", (old.address4, 6379))
        with connect(client.namespace, service, 1234) as held:
            assert says(held, b"one") == b"one"
            mesh.lead("prod/db", (new.address4, 6380))
            assert talk(client.namespace, service, 1234) == b"hello"
            assert says(held, b"two") == b"two"
            assert (at_old, at_new) == ([client.address4], [client.address4])
            assert (mesh.held("prod/db", old.address), mesh.held("prod/db", client.address)) == (1, 0)
        until(lambda: mesh.held("prod/db", old.address) == 0)
        assert talk(new.namespace, service) == b"hello", "it may ask itself"
        mesh.lead("prod/db", None)
        assert refused(client.namespace, service)


def test_a_copy_that_has_both_gets_both(mesh: Mesh) -> None:
    """What was resolved while copies had IPv4 alone is good for one that has both."""
    client, copy = mesh.prepare(instance("client")), mesh.prepare(instance("copy"))
    mesh.lead("prod/db", (copy.address, 6379))
    for wild, service in (("::", mesh.address_of("prod/db")), ("0.0.0.0", mesh.address4_of("prod/db"))):
        with echo(copy.namespace, wild, 6379), connect(client.namespace, service) as line:
            assert says(line, b"hello") == b"hello"
            assert mesh.held("prod/db", copy.address) == 1
        until(lambda: mesh.held("prod/db", copy.address) == 0)


def test_clients_that_have_left_hold_nothing(mesh: Mesh) -> None:
    client, copy = mesh.prepare(instance("client")), mesh.prepare(instance("copy"))
    mesh.lead("prod/db", (copy.address, 6379))
    with echo(copy.namespace, "::", 6379), connect(client.namespace, mesh.address_of("prod/db"), 6379) as line:
        assert says(line, b"one") == b"one"
        assert mesh.held("prod/db", copy.address) == 1
        mesh.leave("client.0")
        assert mesh.held("prod/db", copy.address) == 0


def test_connections_to_the_edge_are_not_read_where_those_to_a_copy_are_counted(
    mesh: Mesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of thousands that pass a room each would take half a millisecond."""
    read: list[object] = []

    class Reading(Conntrack):
        def dump(self, **how: object) -> Iterator[object]:
            read.extend(super().dump(**how))
            return iter(read)

    monkeypatch.setattr(flows, "Conntrack", Reading)
    client, copy = mesh.prepare(instance("client")), mesh.prepare(instance("copy"))
    mesh.lead("prod/db", (copy.address, 6379))
    with (
        echo(room_of(tmp_path), "::", EDGE_PORT),
        echo(copy.namespace, "::", 6379),
        connect(client.namespace, mesh.address_of("prod/web"), 80) as web,
        connect(client.namespace, mesh.address_of("prod/db"), 6379) as line,
    ):
        assert (says(web, b"one"), says(line, b"one")) == (b"one", b"one")
        assert mesh.held("prod/db", copy.address) == 1
    assert len(read) == 1


def test_a_service_may_call_itself(mesh: Mesh) -> None:
    copy = mesh.prepare(instance("copy"))
    mesh.lead("prod/db", (copy.address, 6379))
    with echo(copy.namespace, "::", 6379):
        assert talk(copy.namespace, mesh.address_of("prod/db"), 6379) == b"hello"


def test_what_leads_nowhere_any_more_is_the_edges_again(mesh: Mesh, tmp_path: Path) -> None:
    copy, client = mesh.prepare(instance("copy")), mesh.prepare(instance("client"))
    mesh.lead("prod/db", (copy.address, 6379))
    mesh.lead("prod/db", None)
    mesh.lead("prod/db", None)
    with echo(room_of(tmp_path), "::", EDGE_PORT) as callers:
        assert talk(client.namespace, mesh.address_of("prod/db"), 6379) == b"hello"
    assert callers == [client.address]


def test_leads_are_given_before_the_room_and_survive_it(mesh: Mesh, tmp_path: Path) -> None:
    mesh.lead("prod/db", ("fd00::1", 6379))
    copy, client = mesh.prepare(instance("copy")), mesh.prepare(instance("client"))
    mesh.lead("prod/db", (copy.address, 6379))
    namespaces.drop(room_of(tmp_path))
    until(lambda: mesh.mark.hub_link(1) not in processes(mesh.mark))
    mesh.keep({"copy.0", "client.0"})
    with echo(copy.namespace, "::", 6379):
        assert talk(client.namespace, mesh.address_of("prod/db"), 6379) == b"hello"
        kill(processes(mesh.mark)[mesh.mark.hub_link(1)])
        mesh.keep({"copy.0", "client.0"})
        assert talk(client.namespace, mesh.address_of("prod/db"), 6379) == b"hello"
