"""What is left of a home's private network is found from outside, told apart from what is wanted, and ended; others' is not."""

import shutil
from pathlib import Path

from pyroute2 import IPRoute

from rollout.network.mesh import strays
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import closing, instance, kill, processes, traces


def clean(home: Path, *wanted: str) -> list[str]:
    found = strays.Strays(home / "host/mesh", wanted.__contains__)
    names, paths = list(found.tunnels()), list(found.namespaces())
    for name in names:
        strays.end_tunnel(name)
    for path in paths:
        strays.end_namespace(path)
    return names + paths


def test_what_is_wanted_stays_and_what_nobody_wants_goes(mesh: Mesh, tmp_path: Path) -> None:
    wanted, other, far = instance("a"), instance("b"), instance("c", "test/api")
    for spec in (wanted, other, far):
        mesh.prepare(spec)
    before = traces(mesh.mark)
    assert clean(tmp_path, wanted.id, other.id, far.id) == []
    assert traces(mesh.mark) == before
    gone = clean(tmp_path, wanted.id)
    assert len(gone) == 6  # tunnels and namespaces of two instances, and of the hub of one
    assert clean(tmp_path, wanted.id) == []
    assert traces(mesh.mark) != []
    assert mesh.prepare(wanted).instance == wanted.id


def test_without_records_all_of_this_home_goes_and_nothing_of_another(mesh: Mesh, tmp_path: Path) -> None:
    mesh.prepare(instance("a"))
    with closing(tmp_path / "other") as other:
        other.prepare(instance("a"))
        before = traces(other.mark)
        shutil.rmtree(tmp_path / "host/mesh")
        assert len(clean(tmp_path)) == 4
        assert traces(mesh.mark) == []
        assert traces(other.mark) == before


def test_the_way_out_of_a_wanted_room_stays(mesh: Mesh, tmp_path: Path) -> None:
    mesh.prepare(instance("a"))
    way_out = mesh.mark.outlet_link(1)  # of the first room, as its name tells
    with IPRoute() as kernel:
        kernel.link("add", ifname=way_out, kind="veth", peer=f"x{way_out}")
    assert any(path.endswith("room1.1") for path in traces(mesh.mark)), traces(mesh.mark)
    assert clean(tmp_path, instance("a").id) == []
    assert way_out in clean(tmp_path)
    assert traces(mesh.mark) == []


def test_a_control_socket_that_nobody_listens_on_is_found_and_goes(mesh: Mesh, tmp_path: Path) -> None:
    """A tunnel that is killed leaves its own."""
    mesh.prepare(instance("a"))
    member = mesh.mark.member_link(2)  # of the first instance, as its name tells
    kill(processes(mesh.mark)[member])
    socket = Path("/var/run/wireguard", f"{member}.sock")
    assert socket.exists()
    assert clean(tmp_path, instance("a").id) == []
    assert member in clean(tmp_path)
    assert not socket.exists()
