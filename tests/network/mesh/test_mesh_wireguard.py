"""Which WireGuard is taken, and that both are told the same."""

import os
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from rollout.network.mesh import kernel, namespaces, wireguard
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.tunnels import Peer, Tunnel
from tests.network.mesh.mesh_rigs import traces


def test_the_kernels_is_taken_where_it_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = kernel._make_one, set[int]()

    def watched() -> None:
        real()
        tried.add(os.stat(namespaces.THIS_THREAD).st_ino)

    monkeypatch.setattr(kernel, "_make_one", watched)
    assert isinstance(wireguard.tunnels(tmp_path), kernel.KernelTunnels) == kernel.works()
    tried.clear()
    monkeypatch.setattr(kernel, "KIND", "bridge")
    assert kernel.works()
    monkeypatch.setattr(kernel, "KIND", "no-such-kind")
    assert not kernel.works()
    assert len(tried) == 1, "where it is tried nobody sees it, and it is gone whatever dies"
    assert tried.isdisjoint({namespaces.inode(namespaces.OWN)})


def test_links_of_the_kernel_come_and_go(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge stands for the link of WireGuard, of which this kernel may have none."""
    monkeypatch.setattr(kernel, "KIND", "bridge")
    tunnels, tunnel = kernel.KernelTunnels(), Tunnel(mesh.mark.member_link(2), mesh.mark.member_path(2))
    assert tunnels.standing(tunnel) == ""
    tunnels.start(tunnel)
    first = tunnels.standing(tunnel)
    with IPRoute() as netlink:
        assert [str(netlink.link_lookup(ifname=tunnel.name)[0])] == [first]
    tunnels.start(tunnel)
    assert tunnels.standing(tunnel) not in {"", first}
    tunnels.end(tunnel)
    tunnels.end(tunnel)
    assert tunnels.standing(tunnel) == ""
    tunnels.start(tunnel)
    assert tunnels.clear(mesh.mark.links, lambda: [tunnel.name]) == []
    assert tunnels.clear(mesh.mark.links, list) == [tunnel.name]
    assert traces(mesh.mark) == []


def test_a_link_whose_name_begins_alike_stays(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "KIND", "bridge")
    tunnels = kernel.KernelTunnels()
    one, other = (Tunnel(mesh.mark.member_link(number), mesh.mark.member_path(number)) for number in (2, 72))
    assert other.name.startswith(one.name)
    tunnels.start(other)
    tunnels.start(one)
    tunnels.end(one)
    assert tunnels.standing(other) != ""
    tunnels.end(other)
    assert traces(mesh.mark) == []


def test_the_kernel_is_told_the_same_as_the_program() -> None:
    peer = Peer(public_key="00" * 31 + "01", endpoint="[fd99::2]:4001", allowed=("fd00::/64", "100.64.0.0/10"))
    assert kernel._peer(peer) == {
        "public_key": "A" * 42 + "E=",
        "endpoint_addr": "fd99::2",
        "endpoint_port": 4001,
        "persistent_keepalive": 25,
        "replace_allowed_ips": True,
        "allowed_ips": ["fd00::/64", "100.64.0.0/10"],
    }
