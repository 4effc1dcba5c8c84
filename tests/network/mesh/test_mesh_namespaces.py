"""Network namespaces by path."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.network.mesh import namespaces
from rollout.network.mesh.marks import mark_of
from rollout.network.mesh.mesh import Mesh


def mounts() -> list[str]:
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if "netns" in line]


def test_many_at_once_stand_in_one_folder(mesh: Mesh) -> None:
    paths = [mesh.mark.member_path(number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(namespaces.make, paths))
    assert mounts().count("/run/netns") == 1
    assert len({namespaces.inode(path) for path in paths} - {0, namespaces.inode("/proc/self/ns/net")}) == 40
    assert namespaces.strays(mesh.mark.namespaces) == sorted(paths)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(namespaces.drop, paths))
    assert not [mount for mount in mounts() if mesh.mark.namespaces in mount]


def test_one_that_stands_is_left_as_it_is(mesh: Mesh) -> None:
    path = mesh.mark.member_path(1)
    namespaces.make(path)
    found = namespaces.inode(path)
    namespaces.make(path)
    assert namespaces.inode(path) == found != 0
    namespaces.drop(path)
    namespaces.drop(path)
    assert namespaces.inode(path) == 0


def test_a_plain_file_is_no_namespace(mesh: Mesh, tmp_path: Path) -> None:
    assert namespaces.inode(str(tmp_path)) == 0
    (tmp_path / "file").touch()
    with pytest.raises(BrokenError, match="cannot write"):
        namespaces.make(str(tmp_path / "absent/file"))
    assert namespaces.inode(f"/proc/{os.getpid()}/ns/net") != 0


def test_two_homes_have_two_marks(tmp_path: Path) -> None:
    one, other = mark_of(tmp_path / "one"), mark_of(tmp_path / "other")
    assert one != other == mark_of(tmp_path / "one/../other")
    longest = [one.member_link(65534), one.hub_link(65535)]
    assert max(map(len, longest)) <= 15
    assert len({one.member_link(number) for number in range(2, 5000)} | {one.hub_link(1)}) == 4999
