"""What this machine can and what it lacks; which WireGuard is taken."""

from pathlib import Path

import pytest

from rollout.network.mesh import kernel, machine, rules, userspace
from rollout.network.mesh.tunnels import Peer


def test_here_nothing_is_missing(tmp_path: Path) -> None:
    assert list(machine.lacks(tmp_path)) == []


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "program", lambda: None)
    monkeypatch.setattr(userspace, "program", lambda: None)
    monkeypatch.setattr(machine, "TUN", tmp_path / "tun")
    monkeypatch.setattr(kernel, "works", lambda _name: False)
    then = ["apt-get install nftables", "apt-get install wireguard-go", "modprobe tun"]
    assert [lack.then for lack in machine.lacks(tmp_path)] == then
    monkeypatch.setattr(kernel, "works", lambda _name: True)
    assert [lack.then for lack in machine.lacks(tmp_path)] == then[:1]
    assert isinstance(machine.tunnels(tmp_path), kernel.KernelTunnels)
    monkeypatch.setattr(machine, "_capabilities", lambda: 1 << 12)
    assert [lack.what for lack in machine.lacks(tmp_path)] == ["no CAP_SYS_ADMIN"]


def test_room_for_few_tunnels_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "works", lambda _name: False)
    limit = tmp_path / "max_user_instances"
    monkeypatch.setattr(machine, "INOTIFY", limit)
    assert machine.few_tunnels(tmp_path) is None
    limit.write_text("128\n")
    lack = machine.few_tunnels(tmp_path)
    assert lack is not None
    assert lack.what.startswith("room for some 116 tunnels")
    limit.write_text("8192\n")
    assert machine.few_tunnels(tmp_path) is None


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
