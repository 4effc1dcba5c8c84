"""Egress: what an instance reaches outside, and what still reaches nobody. The outside is a namespace behind the host's link."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from rollout.network.inside import inside
from rollout.network.mesh import firewall, namespaces, strays
from rollout.network.mesh.marks import Mark, mark_of
from rollout.network.mesh.mesh import Mesh
from tests.network.mesh.mesh_rigs import connect, echo, refused, says, talk
from tests.network.mesh.two_hosts import Host, host

HERE = {False: "192.0.2.1", True: "2001:db8::1"}
OUTSIDE = {False: "192.0.2.2", True: "2001:db8::2"}
SETTINGS = {
    "ipv4/ip_forward": "0",
    "ipv4/conf/cable/forwarding": "0",
    "ipv6/conf/all/forwarding": "0",
    "ipv6/conf/lo/forwarding": "1",
    "ipv6/conf/cable/accept_ra": "1",
}
SYSCTL = Path("/proc/sys/net")


@dataclass
class World:
    """A host with a mesh (`act`), and the outside, at the other end of its cable: paths of both."""

    act: Host
    host: str
    outside: str

    def seen(self) -> tuple[object, ...]:
        return seen(self.host)


def seen(host: str) -> tuple[object, ...]:
    """Links, rules and settings of the host whose network is at this path."""
    with inside(host), IPRoute() as kernel:
        links = sorted(str(link.get_attr("IFLA_IFNAME")) for link in kernel.get_links())
        rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
        settings = {name: (SYSCTL / name).read_text().strip() for name in SETTINGS}
    return links, rules, settings


@contextmanager
def cable(mark: Mark) -> Iterator[tuple[str, str]]:
    """A host that forwards nothing, and the outside, which would send everything to it."""
    paths = tuple(f"/run/netns/{mark.namespaces}{name}" for name in ("host", "outside"))
    try:
        for path in paths:
            namespaces.make(path)
        with inside(paths[0]), IPRoute() as kernel:
            kernel.link("add", ifname="cable", kind="veth", peer={"ifname": "cable", "net_ns_fd": paths[1]})
            for name, value in SETTINGS.items():
                (SYSCTL / name).write_text(value)
        for path, near, far in ((paths[0], HERE, OUTSIDE), (paths[1], OUTSIDE, HERE)):
            with inside(path), IPRoute() as kernel:
                kernel.link("set", index=1, state="up")
                index = kernel.link_lookup(ifname="cable")[0]
                for wide, length in ((False, 24), (True, 64)):
                    kernel.addr("add", index=index, address=near[wide], prefixlen=length, flags=2 if wide else 0)
                kernel.link("set", index=index, state="up")
                for wide, everything in ((False, "0.0.0.0/0"), (True, "::/0")):
                    kernel.route("add", dst=everything, gateway=far[wide], oif=index)
        yield paths[0], paths[1]
    finally:
        for path in paths:
            namespaces.drop(path)


@pytest.fixture
def world(mesh: Mesh, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        here, outside = stack.enter_context(cable(mesh.mark))
        for address in OUTSIDE.values():
            stack.enter_context(echo(outside, address))
        yield World(stack.enter_context(host(tmp_path / "home", 1, here)), here, outside)


def reaches(member: dict[str, Any]) -> list[bool]:
    return [not refused(member["namespace"], address) for address in OUTSIDE.values()]


def test_it_is_open_or_closed_at_once_for_those_that_run(world: World) -> None:
    before = world.seen()
    one, stranger = world.act("prepare", "one", "prod/api"), world.act("prepare", "stranger", "test/api")
    assert reaches(one) == [False, False]
    world.act("egress", "prod", "open")
    assert [talk(one["namespace"], address) for address in OUTSIDE.values()] == [b"hello", b"hello"]
    assert reaches(stranger) == [False, False]
    later = world.act("prepare", "later", "prod/api")
    assert reaches(later) == [True, True]
    with connect(one["namespace"], OUTSIDE[True], limit_s=0.5) as line:
        assert says(line, b"open") == b"open"
        world.act("egress", "prod", "closed")
        with pytest.raises(OSError, match=r"timed out|nreachable|No route"):
            says(line, b"cut")
    assert [*reaches(one), *reaches(later)] == [False] * 4
    assert world.seen() == before
    assert world.act("keep", "one.0", "stranger.0", "later.0") == []


def test_the_outside_sees_the_host_alone(world: World) -> None:
    one = world.act("prepare", "one", "prod/api")
    world.act("egress", "prod", "open")
    for wide, port in ((False, 9001), (True, 9002)):
        with echo(world.outside, OUTSIDE[wide], port) as callers:
            talk(one["namespace"], OUTSIDE[wide], port)
        assert callers == [HERE[wide]]


def test_nobody_reaches_in_nor_another_environment_nor_the_host(world: World) -> None:
    one, other = world.act("prepare", "one", "prod/api"), world.act("prepare", "other", "test/api")
    for environment in ("prod", "test"):
        world.act("egress", environment, "open")
    with ExitStack() as stack:
        for wild in ("::", "0.0.0.0"):
            stack.enter_context(echo(one["namespace"], wild, 8080 if wild == "::" else 8081))
        for address in (*HERE.values(), "127.0.0.1"):
            stack.enter_context(echo(world.host, address))
        with inside(world.host), IPRoute() as kernel:
            index = next(link["index"] for link in kernel.get_links() if "_" in str(link.get_attr("IFLA_IFNAME")))
            ends = [str(one.get_attr("IFA_ADDRESS")) for one in kernel.get_addr(index=index)]
            for address in ends:
                stack.enter_context(echo(world.host, address, 8082)) if not address.startswith("fe80") else None
        assert reaches(one) == [True, True]
        assert all(refused(world.outside, one[name]) for name in ("address", "address4"))
        assert all(refused(world.host, one[name]) for name in ("address", "address4"))
        assert all(refused(other["namespace"], one[name]) for name in ("address", "address4"))
        assert all(refused(one["namespace"], address) for address in HERE.values())
        assert all(_no_answer(one["namespace"], address, 8082) for address in ends if not address.startswith("fe80"))


def _no_answer(namespace: str, address: str, port: int) -> bool:
    try:
        connect(namespace, address, port, limit_s=0.7).close()
    except OSError:
        return True
    return False


def test_what_is_broken_or_half_there_is_mended(world: World) -> None:
    one = world.act("prepare", "one", "prod/api")
    world.act("egress", "prod", "open")
    whole = world.seen()

    def link_gone() -> None:
        with IPRoute() as kernel:
            names = {str(link.get_attr("IFLA_IFNAME")): link["index"] for link in kernel.get_links()}
            kernel.link("del", index=next(index for name, index in names.items() if "_" in name))

    def rules_gone() -> None:
        subprocess.run(["nft", "flush", "ruleset"], check=True)

    def setting_gone() -> None:
        (SYSCTL / "ipv6/conf/all/forwarding").write_text("0")

    harm: Callable[[], None]
    for harm in (link_gone, rules_gone, setting_gone):
        with inside(world.host):
            harm()
        assert world.seen() != whole
        assert world.act("keep", "one.0") != []
        assert world.seen() == whole
        assert reaches(one) == [True, True]
        assert world.act("keep", "one.0") == []


def test_it_goes_and_comes_with_its_room_and_leaves_nothing(world: World) -> None:
    before = world.seen()
    world.act("prepare", "one", "prod/api")
    world.act("egress", "prod", "open")
    assert world.seen() != before
    world.act("leave", "one.0")
    world.act("keep")
    assert world.seen() == before, "its room is empty and gone"
    again = world.act("prepare", "again", "prod/api")
    assert reaches(again) == [True, True], "what was said stays"
    world.act("close")
    assert world.seen() == before
    assert reaches(world.act("prepare", "again", "prod/api")) == [True, True], "also over down and up"


def test_what_a_killed_host_part_leaves_of_it_is_found_and_goes_unless_it_is_wanted(world: World, tmp_path: Path) -> None:
    def left(*wanted: str) -> strays.Strays:
        return strays.Strays(tmp_path / "home/host/mesh", wanted.__contains__)

    before = world.seen()
    world.act("prepare", "one", "prod/api")
    assert world.act("keep", "one.0") == []
    with inside(world.host):
        assert left().way_out() == ""
    world.act("egress", "prod", "open")
    whole = world.seen()
    with inside(world.host):
        assert left("one.0").way_out() == ""
        assert left().way_out().startswith("inet rollout_")
        left().end_way_out()
        assert left().way_out() == ""
        for name in left().tunnels():
            strays.end_tunnel(name)
    assert world.seen() == before
    assert whole != before


DOCKERS = """
iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER; iptables -A DOCKER-USER -j RETURN
ip6tables -P FORWARD DROP
"""
ANOTHERS = """
nft add table inet strict
nft add chain inet strict passing '{ type filter hook forward priority 10; policy drop; }'
"""


@pytest.mark.parametrize(
    ("sets", "where"),
    [
        (DOCKERS, ["chain FORWARD of table ip filter", "chain FORWARD of table ip6 filter"]),
        (ANOTHERS, ["chain passing of table inet strict"]),
    ],
)
def test_a_firewall_that_closes_it_is_found_with_what_lets_us_through_alone(
    world: World, mesh: Mesh, tmp_path: Path, sets: str, where: list[str]
) -> None:
    mark = mark_of(tmp_path / "home/host/mesh")
    one = world.act("prepare", "one", "prod/api")
    world.act("egress", "prod", "open")
    with inside(world.host):
        assert firewall.closing(mark) == []
        subprocess.run(["sh", "-ec", sets], check=True)
        found = firewall.closing(mark)
    assert [closed.where for closed in found] == where
    assert reaches(one) == [False, False]
    with inside(world.host):
        subprocess.run(["sh", "-ec", "\n".join(closed.opens for closed in found)], check=True)
        assert firewall.closing(mark) == []
        assert len(firewall.closing(mesh.mark)) == len(where), "another home is not let through with ours"
    assert reaches(one) == [True, True]
    assert refused(world.outside, one["address"])
    assert world.act("keep", "one.0") == []
