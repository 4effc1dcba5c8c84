"""The kernel's limit of inotify instances: a file stands for it, as the real one is everybody's on this machine."""

from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.host.rooms import Rooms
from rollout.network.mesh import userspace
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.userspace import UserspaceTunnels
from rollout.network.mesh.watches import ENOUGH, Watches
from tests.network.mesh.mesh_rigs import echo, instance, talk, traces

SCARCE = """#!/bin/sh
[ "$(cat {limit})" -gt 128 ] || {{ echo "Failed to create inotify: too many open files" >&2; exit 1; }}
exec {program} "$@"
"""


@pytest.fixture
def limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of which `wireguard-go` wants more than 128."""
    (tmp_path / "limit").write_text("128\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/wireguard-go").write_text(SCARCE.format(limit=tmp_path / "limit", program=userspace.program()))
    (tmp_path / "bin/wireguard-go").chmod(0o755)
    monkeypatch.setattr(userspace, "program", lambda: str(tmp_path / "bin/wireguard-go"))
    return tmp_path / "limit"


def mesh_with(home: Path, watches: Watches | None) -> Mesh:
    return Mesh(home / "host/mesh", Rooms(home / "host/rooms"), UserspaceTunnels(watches))


def test_it_is_raised_where_it_is_reached_and_put_back_at_the_end(tmp_path: Path, limit: Path) -> None:
    note = tmp_path / "before"
    mesh = mesh_with(tmp_path, Watches(note, limit))
    try:
        one, other = (mesh.prepare(instance(name)) for name in ("one", "other"))
        with echo(one.namespace, "::"):
            assert talk(other.namespace, one.address) == b"hello"
        assert (limit.read_text(), note.read_text()) == (f"{ENOUGH}\n", "128\n")
    finally:
        mesh_with(tmp_path, Watches(note, limit)).close()
    assert (limit.read_text(), note.exists()) == ("128\n", False)
    assert traces(mesh.mark) == []


def test_without_the_right_to_raise_it_the_command_is_said(tmp_path: Path, limit: Path) -> None:
    (tmp_path / "gone").mkdir()
    for watches in (None, Watches(tmp_path / "before", tmp_path / "gone")):
        mesh = mesh_with(tmp_path, watches)
        try:
            with pytest.raises(BrokenError, match="too many open files") as found:
                mesh.prepare(instance("one"))
            assert found.value.then == f"sysctl -w fs.inotify.max_user_instances={ENOUGH}"
        finally:
            mesh.close()
        assert (traces(mesh.mark), limit.read_text()) == ([], "128\n")


def test_what_somebody_else_has_set_meanwhile_stays(tmp_path: Path, limit: Path) -> None:
    watches = Watches(tmp_path / "before", limit)
    assert watches.more()
    assert not watches.more(), "there are enough"
    limit.write_text("9000\n")
    watches.put_back()
    assert limit.read_text() == "9000\n"
    limit.write_text("128\n")
    watches.put_back()
    assert watches.more()
    limit.write_text("64\n")
    assert watches.more()
    watches.put_back()
    assert limit.read_text() == "128\n", "what is noted is how it was before us"
