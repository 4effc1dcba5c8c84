"""Nobody hears or reaches what is not theirs: seen by captures, forged addresses and stolen keys."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from rollout.network.inside import inside
from rollout.network.mesh import links, namespaces
from rollout.network.mesh.mesh import Mesh
from rollout.network.mesh.state import State
from rollout.network.mesh.tunnels import Peer, Settings, Tunnel
from rollout.network.mesh.userspace import UserspaceTunnels
from tests.network.mesh.mesh_rigs import connect, echo, instance, mesh_of, refused, says, talk, until

MARKER = b"planted-marker-that-nobody-may-see"
ALL_PROTOCOLS = 0x0003
UDP_AT, UDP_HEADER = 14 + 20, 8


@contextmanager
def capture(interface: str) -> Iterator[list[bytes]]:
    """Every packet that passes the interface meanwhile; the list is filled at the end."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        ear.bind((interface, 0))
        yield heard
        ear.settimeout(0.2)
        while True:
            try:
                heard.append(ear.recv(1 << 16))
            except TimeoutError:
                return


def is_wireguard(payload: bytes) -> bool:
    return payload[0] in range(1, 5) and payload[1:4] == bytes(3)


def test_a_capture_shows_nothing_but_wireguard(mesh: Mesh, tmp_path: Path) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    ports = {record.port for record in State(tmp_path / "host/mesh").members.all().values()}
    with echo(one.namespace, "::"), capture("lo") as heard:
        assert talk(other.namespace, one.address, words=MARKER * 20) == MARKER * 20
    udp = [packet for packet in heard if packet[23] == socket.IPPROTO_UDP]
    ours = [packet for packet in udp if int.from_bytes(packet[UDP_AT : UDP_AT + 2]) in ports]
    assert len(ours) > 4
    assert all(is_wireguard(packet[UDP_AT + UDP_HEADER :]) for packet in ours)
    assert not any(MARKER in packet for packet in heard)


def test_a_capture_would_show_it(mesh: Mesh) -> None:
    """The test above can fail: in the clear it is seen."""
    with socket.create_server(("127.0.0.1", 0)) as server, capture("lo") as heard:
        line = socket.create_connection(server.getsockname())
        line.sendall(MARKER)
        line.close()
    assert any(MARKER in packet for packet in heard)


def forge(namespace: str, address: str) -> None:
    """Its owner is root in there: takes any address, and routes everything into the tunnel."""
    with inside(namespace), IPRoute() as kernel:
        index = kernel.link_lookup(ifname="mesh0")[0]
        kernel.addr("replace", index=index, address=address, prefixlen=128, flags=links.NODAD)
        kernel.route("replace", dst="fd00::/8", oif=index)


def test_another_environment_is_not_there(mesh: Mesh) -> None:
    one, neighbour = mesh.prepare(instance("one")), mesh.prepare(instance("neighbour"))
    stranger = mesh.prepare(instance("stranger", "test/api"))
    with echo(one.namespace, "::"), echo(one.namespace, "0.0.0.0", 8081):
        assert refused(stranger.namespace, one.address)
        assert refused(stranger.namespace, one.address4)
        forge(stranger.namespace, neighbour.address)
        assert refused(stranger.namespace, one.address, source=neighbour.address)
        assert refused(stranger.namespace, one.address, source=stranger.address)
        assert refused("/proc/self/ns/net", one.address)
        assert talk(neighbour.namespace, one.address) == b"hello"


def test_a_forged_source_is_dropped(mesh: Mesh) -> None:
    one, other, thief = (mesh.prepare(instance(name)) for name in ("one", "other", "thief"))
    forge(thief.namespace, other.address)
    with inside(one.namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ear:
        ear.bind(("::", 9000))
        ear.settimeout(0.5)
        with inside(thief.namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as mouth:
            mouth.bind((other.address, 0))
            mouth.sendto(b"forged", (one.address, 9000))
        with pytest.raises(TimeoutError):
            ear.recv(100)
        with inside(thief.namespace), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as mouth:
            mouth.bind((thief.address, 0))
            mouth.sendto(b"honest", (one.address, 9000))
        assert ear.recvfrom(100)[1][0] == thief.address


def shakes(mesh: Mesh, key: str, address: str, environment: str, limit_s: float) -> bool:
    """Whoever has this key, and this home's machine, gets an answer from the hub."""
    hub, tunnels, path = mesh.hub(environment), UserspaceTunnels(), f"/run/netns/{mesh.mark.namespaces}thief"
    tunnel = Tunnel(f"{mesh.mark.links}zzz", path)
    namespaces.make(path)
    try:
        tunnels.start(tunnel)
        peer = Peer(public_key=hub.public_key, endpoint=f"127.0.0.1:{hub.port}", allowed=("::/0",))
        tunnels.write(tunnel, Settings(private_key=key, peers=(peer,)))
        links.move(tunnel.name, path)
        links.dress(path, links.Dress(addresses=(f"{address}/128",), near=("fd00::/8",), far=(), settings=links.IPV6_ON))
        with suppress(OSError):
            connect(path, hub.here.partition("/")[0], limit_s=limit_s).close()
        return tunnels.shaken(tunnel, hub.public_key)
    finally:
        tunnels.end(tunnel)
        namespaces.drop(path)


def test_the_key_of_one_that_left_opens_nothing(mesh: Mesh, tmp_path: Path) -> None:
    one = mesh.prepare(instance("one"))
    mesh.prepare(instance("other"))
    record = State(tmp_path / "host/mesh").members.get("one.0")
    assert record is not None
    until(lambda: shakes(mesh, record.private_key, one.address, "prod", 0.5))
    mesh.leave("one.0")
    assert not shakes(mesh, record.private_key, one.address, "prod", 2.0)


def test_keys_are_for_their_owner_alone(mesh: Mesh, tmp_path: Path) -> None:
    mesh.prepare(instance("one"))
    folder = tmp_path / "host/mesh"
    secret = [path for path in folder.rglob("*") if path.is_file() and "joined" not in path.parts]
    assert len(secret) == 3
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_dir()} == {0o700}
    again = mesh_of(tmp_path)
    assert again.member("one.0") == mesh.member("one.0")


def test_a_connection_survives_what_others_do(mesh: Mesh) -> None:
    one, other = mesh.prepare(instance("one")), mesh.prepare(instance("other"))
    with echo(one.namespace, "::"), connect(other.namespace, one.address) as line:
        for number in range(3):
            mesh.prepare(instance(f"more{number}"))
            assert says(line, b"still here") == b"still here"
            mesh.leave(f"more{number}.0")
            assert says(line, b"and again") == b"and again"
