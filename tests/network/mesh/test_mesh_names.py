"""Names, health checks and the detection of ports in the real private network."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dnslib import RCODE, DNSRecord

from rollout.host.network import Member
from rollout.host.rooms import Rooms
from rollout.network.ask import Asker, Question
from rollout.network.dns_rooms import PORT, RoomNames
from rollout.network.inside import open_inside
from rollout.network.mesh.mesh import Mesh
from rollout.network.names import NamesFolder
from rollout.network.sockets import SocketTable
from tests.network.mesh.mesh_rigs import connect, echo, instance, until

SERVER = (
    "import socket, sys; s = socket.create_server((sys.argv[1], 8080), family=int(sys.argv[2])); print(1, flush=True); s.accept()"
)


@pytest.fixture
def names(tmp_path: Path, mesh: Mesh) -> Iterator[NamesFolder]:
    """Served in the mesh's rooms until after the test; the mesh is closed once that has ended."""
    folder = NamesFolder(tmp_path / "names", "127.0.0.1:1")
    server = RoomNames(str(folder.folder), Rooms(tmp_path / "host/rooms"))
    yield folder
    server.close()


def resolve(member: Member, name: str, kind: str = "AAAA") -> DNSRecord:
    """From within an instance, by TCP, which knows at once when nobody answers yet."""
    with connect(member.namespace, member.dns, PORT) as line:
        packet = DNSRecord.question(name, kind).pack()
        line.sendall(len(packet).to_bytes(2, "big") + packet)
        with line.makefile("rb") as told:
            return DNSRecord.parse(told.read(int.from_bytes(told.read(2), "big")))


def answers(member: Member) -> bool:
    with contextlib.suppress(OSError):
        return bool(resolve(member, "prod.internal").header.rcode == RCODE.NOERROR)
    return False


def test_an_instance_finds_its_neighbour_by_name_and_nobody_else(mesh: Mesh, names: NamesFolder) -> None:
    one, two = (mesh.prepare(instance(name)) for name in ("a1", "a2"))
    names.publish("v2.web.prod.internal", two.address, 8080)
    names.publish("web.stage.internal", "fd00::1", 8080)
    until(lambda: answers(one))
    found = [str(record.rdata) for record in resolve(one, "v2.web.prod.internal").rr]
    assert found == [two.address]
    with echo(two.namespace, two.address), connect(one.namespace, found[0]):
        pass
    assert resolve(one, "web.stage.internal").header.rcode == RCODE.NXDOMAIN
    with connect_udp(one) as line:
        line.send(DNSRecord.question("v2.web.prod.internal", "AAAA").pack())
        assert str(DNSRecord.parse(line.recv(4096)).rr[0].rdata) == two.address


def connect_udp(member: Member) -> socket.socket:
    line = open_inside(member.namespace, lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    line.settimeout(20)
    line.connect((member.dns, PORT))
    return line


@pytest.mark.parametrize("six", [True, False])
def test_an_instance_is_asked_in_its_room_and_its_port_is_found(mesh: Mesh, tmp_path: Path, six: bool) -> None:
    member = mesh.prepare(instance("a1"))
    address, family = (member.address, socket.AF_INET6) if six else (member.address4, socket.AF_INET)
    question = Question(host_name="api.prod.internal", timeout_s=20.0)
    place = f"[{address}]:8080" if six else f"{address}:8080"
    asker, table = Asker(Rooms(tmp_path / "host/rooms")), SocketTable()
    assert asker.ask(place, question).refused
    command = ["nsenter", f"--net={member.namespace}", sys.executable, "-S", "-c", SERVER, address, str(int(family))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            (found,) = table.listeners([process.pid])
            assert (found.address, found.port, found.loopback) == (address, 8080, False)
            assert asker.ask(place, question).said == "connected"
        finally:
            process.kill()
    assert (found.network, 8080) not in table.listening()
    asker.close()
