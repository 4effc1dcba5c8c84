"""Instances in the private network: prepared before they start, or patched in while they run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.host.rooms import Rooms
from rollout.network.mesh import links
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import alone, closing, echo, instance, mesh_of, processes, refused, talk, traces


def test_two_that_were_prepared_talk(mesh: Mesh) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other", "prod/db"))
    assert one.address != other.address
    for address, any_address in ((one.address, "::"), (one.address4, "0.0.0.0")):
        with echo(one.namespace, any_address) as callers:
            assert talk(other.namespace, address, words=b"x" * 100_000) == b"x" * 100_000
        assert callers == [other.address if ":" in address else other.address4]


def test_who_is_patched_in_talks_to_who_was_prepared(mesh: Mesh) -> None:
    one = mesh.prepare(instance("one"))
    with alone() as pid:
        other = mesh.patch(instance("other"), pid)
        with echo(f"/proc/{pid}/ns/net", "::"):
            assert talk(one.namespace, other.address) == b"hello"
        assert os.stat(other.namespace).st_ino == os.stat(f"/proc/{pid}/ns/net").st_ino


def test_a_room_reaches_its_members_on_ipv4_too(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    room = Rooms(tmp_path / "host/rooms").find("prod")
    assert room is not None
    assert (room.dns, room.egress) == (one.dns, False)
    with echo(one.namespace, "0.0.0.0"):
        assert talk(room.path, one.address4) == b"hello"


def test_a_second_time_changes_nothing(mesh: Mesh) -> None:
    one = mesh.prepare(instance("one"))
    with alone() as pid:
        other = mesh.patch(instance("other"), pid)
        before = processes(mesh.mark)
        assert mesh.prepare(instance("one")) == one == mesh.member("one.0")
        assert mesh.patch(instance("other"), pid) == other
        assert processes(mesh.mark) == before
        assert len(before) == 3


def test_who_was_started_again_elsewhere_is_patched_again(mesh: Mesh) -> None:
    one = mesh.prepare(instance("one"))
    with alone() as pid:
        first = mesh.patch(instance("other"), pid)
    with alone() as pid:
        assert mesh.patch(instance("other"), pid) == first
        with echo(f"/proc/{pid}/ns/net", "::"):
            assert talk(one.namespace, first.address) == b"hello"


def test_who_has_left_is_nowhere(mesh: Mesh) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    with echo(one.namespace, "::"):
        assert talk(other.namespace, one.address) == b"hello"
        mesh.leave("one.0")
        assert refused(other.namespace, one.address)
    mesh.leave("one.0")
    assert mesh.member("one.0") is None
    assert len(processes(mesh.mark)) == 2
    assert mesh.prepare(instance("new")).address != one.address


def test_nobody_of_the_hosts_own_network_is_patched(mesh: Mesh) -> None:
    with pytest.raises(BrokenError, match="shares the host's own network"):
        mesh.patch(instance("one"), os.getpid())
    with pytest.raises(BrokenError):
        mesh.patch(instance("one"), 2**22 + 1)
    assert mesh.member("one.0") is None
    mesh.keep(())
    assert traces(mesh.mark) == []


def test_what_fails_leaves_nothing(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    mesh.prepare(instance("one"))
    before = set(traces(mesh.mark))

    def broken(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(links, "dress", broken)
    with pytest.raises(BrokenError, match=r"new\.0 cannot join"):
        mesh.prepare(instance("new"))
    assert set(traces(mesh.mark)) == before
    assert mesh.member("new.0") is None


def test_two_homes_side_by_side(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    with closing(tmp_path / "second") as second:
        other = second.prepare(instance("one"))
        assert other.address != one.address
        with echo(one.namespace, "::"):
            assert refused(other.namespace, one.address)
    with echo(one.namespace, "::"):
        assert talk(one.namespace, one.address) == b"hello"
    assert len(processes(mesh.mark)) == 2


def test_addresses_are_for_ever(mesh: Mesh, tmp_path: Path) -> None:
    service, dns = mesh.address_of("prod/api"), mesh.dns_of("prod/api")
    assert len({service, mesh.address_of("prod/db"), mesh.address_of("test/api")}) == 3
    one = mesh.prepare(instance("one"))
    mesh.close()
    assert traces(mesh.mark) == []
    again = mesh_of(tmp_path)
    assert (again.address_of("prod/api"), again.dns_of("prod/api")) == (service, dns)
    assert again.prepare(instance("one")) == one


def test_plain_processes_are_not_in_it(mesh: Mesh) -> None:
    assert mesh.covers(instance("one"))
    assert not mesh.covers(replace(instance("one"), image=""))
