"""What dies is mended, what belongs to nobody goes, and addresses stay what they are."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from rollout.host.rooms import Rooms
from rollout.network.mesh import namespaces
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.state import State
from rollout.network.mesh.tunnels import Tunnel
from rollout.network.mesh.userspace import UserspaceTunnels
from tests.network.mesh.mesh_rigs import (
    alone,
    connect,
    echo,
    instance,
    kill,
    mesh_of,
    processes,
    refused,
    says,
    talk,
    traces,
    until,
)

WANTED = {"one.0", "other.0"}


def tunnel_of(mesh: Mesh, tmp_path: Path, name: str) -> int:
    record = State(tmp_path / "host/mesh").members.get(name)
    assert record is not None
    return processes(mesh.mark)[mesh.mark.member_link(record.number)]


def hub_of(mesh: Mesh) -> int:
    return processes(mesh.mark)[mesh.mark.hub_link(1)]


def test_a_hub_that_is_killed(mesh: Mesh, tmp_path: Path) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    room = Rooms(tmp_path / "host/rooms").find("prod")
    with echo(one.namespace, "::"), connect(other.namespace, one.address) as line:
        assert says(line, b"before") == b"before"
        kill(hub_of(mesh))
        assert refused(other.namespace, one.address)
        assert mesh.keep(WANTED) == ["the room of prod was made again"]
        assert says(line, b"after") == b"after"
        assert talk(other.namespace, one.address) == b"hello"
    assert mesh.keep(WANTED) == []
    assert mesh.member("one.0") == one
    assert Rooms(tmp_path / "host/rooms").find("prod") == room


def test_a_tunnel_that_is_killed(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    with alone() as pid:
        other = mesh.patch(instance("other"), pid)
        for name in ("one.0", "other.0"):
            kill(tunnel_of(mesh, tmp_path, name))
        assert mesh.keep(WANTED) == ["the tunnel of one.0 was made again", "the tunnel of other.0 was made again"]
        with echo(one.namespace, "::"):
            assert talk(f"/proc/{pid}/ns/net", one.address) == b"hello"
    assert [mesh.member("one.0"), mesh.member("other.0")] == [one, other]


def test_a_tunnel_that_hangs_is_ended_too(mesh: Mesh, tmp_path: Path) -> None:
    mesh.prepare(instance("one"))
    os.kill(tunnel_of(mesh, tmp_path, "one.0"), signal.SIGSTOP)
    mesh.leave("one.0")
    assert list(processes(mesh.mark)) == [mesh.mark.hub_link(1)]


def test_a_room_whose_namespace_is_gone_gets_another_path(mesh: Mesh, tmp_path: Path) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    before = Rooms(tmp_path / "host/rooms").find("prod")
    assert before is not None
    namespaces.drop(before.path)
    until(lambda: mesh.mark.hub_link(1) not in processes(mesh.mark))
    mesh.keep(WANTED)
    after = Rooms(tmp_path / "host/rooms").find("prod")
    assert after is not None
    assert after.path != before.path
    assert after.prefix == before.prefix
    with echo(one.namespace, "::"):
        assert talk(other.namespace, one.address) == b"hello"


def test_a_hub_whose_port_was_taken_meanwhile(mesh: Mesh) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    port = mesh.hub("prod").port
    kill(hub_of(mesh))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as thief:
        thief.bind(("0.0.0.0", port))
        mesh.keep(WANTED)
        assert mesh.hub("prod").port != port
        with echo(one.namespace, "::"):
            assert talk(other.namespace, one.address) == b"hello"


def test_who_is_not_wanted_goes_and_the_empty_room_with_it(mesh: Mesh, tmp_path: Path) -> None:
    mesh.prepare(instance("one"))
    mesh.prepare(instance("stranger", "test/api"))
    assert mesh.keep({"one.0"}) == ["what was left of stranger.0 is gone", "the room of test was empty and is gone"]
    assert [room.environment for room in Rooms(tmp_path / "host/rooms").all()] == ["prod"]
    mesh.keep(())
    assert traces(mesh.mark) == []
    assert mesh.prepare(instance("one")).dns == mesh.dns_of("prod/api")


def test_what_nobody_knows_goes_at_the_first_look(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    mesh.prepare(instance("other"))
    (tmp_path / "host/mesh/members/other.0").unlink()
    again = mesh_of(tmp_path)
    assert len(again.keep({"one.0"})) == 2
    assert len(processes(mesh.mark)) == 2
    with echo(one.namespace, "::"):
        assert talk(one.namespace, one.address) == b"hello"


def test_what_nobody_knows_goes_with_the_rest(mesh: Mesh) -> None:
    name = f"{mesh.mark.links}zz"
    UserspaceTunnels().start(Tunnel(name, ""))
    os.kill(processes(mesh.mark)[name], signal.SIGSTOP)
    mesh.close()
    assert traces(mesh.mark) == []


def test_after_a_start_of_the_machine_all_is_made_again(mesh: Mesh, tmp_path: Path) -> None:
    """Nothing stands, the files do: rooms come with whoever is prepared again; who was patched waits for its process."""
    one = mesh.prepare(instance("one"))
    with alone() as pid:
        mesh.patch(instance("other"), pid)
    for process in processes(mesh.mark).values():
        kill(process)
    for path in namespaces.strays(mesh.mark.namespaces):
        namespaces.drop(path)
    again = mesh_of(tmp_path)
    assert again.prepare(instance("one")) == one
    assert again.keep(WANTED) == []
    assert len(processes(mesh.mark)) == 2


def test_tunnels_outlive_the_process_that_made_them(tmp_path: Path, mesh: Mesh) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.network.mesh.mesh_rigs import instance, mesh_of; "
        "print(mesh_of(Path(sys.argv[1])).prepare(instance('one')).address)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    again = mesh_of(tmp_path)
    assert again.keep({"one.0"}) == []
    found = again.member("one.0")
    assert found is not None
    assert found.address == done.stdout.strip()
    with echo(found.namespace, "::"):
        assert talk(again.prepare(instance("other")).namespace, found.address) == b"hello"
    for pid in processes(mesh.mark).values():
        assert Path(f"/proc/{pid}/stat").read_text().split()[3] == "1"
