"""An environment on two hosts: instances reach each other over one peer."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import connect, echo, instance, refused, says, talk, until
from tests.network.mesh.test_mesh_isolation import MARKER, capture, is_wireguard
from tests.network.mesh.two_hosts import host, underlay

UDP_OVER_IPV6_AT = 14 + 40 + 8
FRAGMENT = 44


@pytest.mark.timeout(120)
def test_two_hosts_share_an_environment_over_one_peer(mesh: Mesh, tmp_path: Path) -> None:
    with ExitStack() as stack:
        here, there = stack.enter_context(underlay(mesh))
        first = stack.enter_context(host(tmp_path / "first", 1, here))
        second = stack.enter_context(host(tmp_path / "second", 2, there))
        one, hub = first("prepare", "one", "prod/api"), first("hub", "prod")
        second("neighbour", "prod", hub["public_key"], f"[fd99::1]:{hub['port']}", hub["here"])
        other, back = second("prepare", "other", "prod/api"), second("hub", "prod")
        stranger = second("prepare", "stranger", "test/api")
        first("neighbour", "prod", back["public_key"], f"[fd99::2]:{back['port']}", back["here"])
        assert other["dns"] == one["dns"]
        stack.enter_context(echo(one["namespace"], "::"))
        stack.enter_context(echo(one["namespace"], "0.0.0.0", 8081))

        until(lambda: not refused(other["namespace"], one["address"]))
        assert talk(other["namespace"], one["address4"], 8081) == b"hello"
        with ExitStack() as ear:
            with inside(here):
                heard = ear.enter_context(capture("cable"))
            assert talk(other["namespace"], one["address"], words=MARKER * 5000) == MARKER * 5000
        udp = [packet for packet in heard if packet[12:14] == b"\x86\xdd" and packet[20] == 17]
        assert len(udp) > 4
        assert all(is_wireguard(packet[UDP_OVER_IPV6_AT:]) for packet in udp)
        assert not any(packet[12:14] == b"\x86\xdd" and packet[20] == FRAGMENT for packet in heard)
        assert not any(MARKER in packet for packet in heard)
        assert refused(stranger["namespace"], one["address"])
        assert refused(here, one["address"])

        with connect(other["namespace"], one["address"]) as line:
            more = first("prepare", "more", "prod/api")
            stack.enter_context(echo(more["namespace"], "::"))
            assert talk(other["namespace"], more["address"]) == b"hello"
            assert says(line, b"unmoved") == b"unmoved"
        assert second("keep", "other.0", "stranger.0") == []
        first("neighbour", "prod", back["public_key"], "", back["here"])
        assert refused(other["namespace"], one["address"])


def test_a_block_that_is_no_neighbours_is_refused(mesh: Mesh) -> None:
    mesh.prepare(instance("one"))
    with pytest.raises(BrokenError, match="no neighbour of it"):
        mesh.neighbour("prod", "00" * 32, "127.0.0.1:1", "fd99:1:2:3:0:2::/96")
    with pytest.raises(BrokenError, match="this is its host 1"):
        mesh.neighbour("prod", "00" * 32, "127.0.0.1:1", mesh.hub("prod").here)
