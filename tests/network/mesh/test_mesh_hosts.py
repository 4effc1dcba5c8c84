"""An environment on two hosts: two network namespaces with an underlay between them, a mesh of its own in each."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from rollout.errors import BrokenError
from rollout.network.inside import inside
from rollout.network.mesh import namespaces
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import closing, connect, echo, instance, refused, says, talk, until
from tests.network.mesh.test_mesh_isolation import MARKER, capture, is_wireguard

UDP_OVER_IPV6_AT = 14 + 40 + 8
FRAGMENT = 44


class Host:
    """A mesh in a process whose network namespace is the host's. What it is told: one call a line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def __call__(self, what: str, *arguments: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([what, *arguments]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def serve(home: Path, number: int) -> None:
    """What runs in the process."""
    with closing(home, host=number) as mesh:
        acts = {
            "prepare": lambda name, service: asdict(mesh.prepare(instance(name, service))),
            "hub": lambda environment: asdict(mesh.hub(environment)),
            "neighbour": mesh.neighbour,
            "keep": lambda *wanted: mesh.keep(wanted),
            "egress": lambda environment, wish: mesh.set_egress(environment, egress=wish == "open"),
            "leave": mesh.leave,
            "close": mesh.close,
        }
        for line in sys.stdin:
            what, *arguments = json.loads(line)
            print(json.dumps(acts[what](*arguments)), flush=True)


@contextmanager
def host(home: Path, number: int, namespace: str) -> Iterator[Host]:
    code = "import sys; from pathlib import Path; from tests.network.mesh.test_mesh_hosts import serve; serve(Path(sys.argv[1]), "
    command = ["nsenter", f"--net={namespace}", sys.executable, "-c", f"{code}{number})", str(home)]
    with closing(home), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Host(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


@contextmanager
def underlay(mesh: Mesh) -> Iterator[tuple[str, str]]:
    """Paths of two empty hosts, fd99::1 and fd99::2, with one cable between them."""
    paths = tuple(f"/run/netns/{mesh.mark.namespaces}host{number}" for number in (1, 2))
    try:
        for path in paths:
            namespaces.make(path)
        with inside(paths[0]), IPRoute() as kernel:
            kernel.link("add", ifname="cable", kind="veth", peer={"ifname": "cable", "net_ns_fd": paths[1]})
        for path, address in zip(paths, ("fd99::1", "fd99::2"), strict=True):
            with inside(path), IPRoute() as kernel:
                kernel.link("set", index=1, state="up")
                index = kernel.link_lookup(ifname="cable")[0]
                kernel.addr("add", index=index, address=address, prefixlen=64, flags=2)
                kernel.link("set", index=index, state="up")
        yield paths[0], paths[1]
    finally:
        for path in paths:
            namespaces.drop(path)


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
