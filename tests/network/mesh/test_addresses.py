"""Who has which address."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.network.mesh import addresses
from rollout.network.mesh.addresses import Block, block_of

HOME = addresses.home_prefix(bytes.fromhex("0123456789"))
NUMBERS = st.integers(addresses.FIRST, addresses.LAST)
HOSTS = st.integers(1, addresses.HOSTS)


def test_the_shape_of_a_home() -> None:
    assert HOME == "fd01:2345:6789::/48"
    block = Block(addresses.environment_prefix(HOME, 1), 1)
    assert block.prefix == "fd01:2345:6789:1::/64"
    assert block.member(2) == "fd01:2345:6789:1:0:1:0:2"
    assert block.member4(2) == "100.64.0.2"
    assert (block.service(7), block.service4(7)) == ("fd01:2345:6789:1:5:1:0:7", "100.64.128.7")
    assert (block.services, block.services4) == ("fd01:2345:6789:1:5:1::/96", "100.64.128.0/17")
    assert block.dns == "fd01:2345:6789:1::53"
    assert (block.here, block.here4) == ("fd01:2345:6789:1:0:1::/96", "100.64.0.0/16")
    assert Block(block.prefix, addresses.HOSTS).member4(addresses.LAST) == "100.127.127.255"
    assert Block(block.prefix, addresses.HOSTS).service4(addresses.LAST_SERVICE4) == "100.127.255.254"
    assert block.service4(addresses.LAST_SERVICE4 + 1) == ""


@given(HOSTS, NUMBERS, HOSTS, NUMBERS, st.integers(1, (1 << 32) - 1))
def test_no_two_have_the_same(host: int, number: int, other_host: int, other: int, service: int) -> None:
    prefix = addresses.environment_prefix(HOME, 3)
    here, there = Block(prefix, host), Block(prefix, other_host)
    same = (host, number) == (other_host, other)
    assert (here.member(number) == there.member(other)) == same
    assert (here.member4(number) == there.member4(other)) == same
    assert here.has(there.member(other)) == (host == other_host)
    assert here.service(service) not in {here.member(number), here.dns}
    for address, network in (
        (here.member(number), here.here),
        (here.member4(number), here.here4),
        (here.service(service), here.services),
    ):
        assert ipaddress.ip_address(address) in ipaddress.ip_network(network)
        assert ipaddress.ip_address(address).compressed == address
    assert not here.has(here.service(service))
    assert (here.service(service) == there.service(service)) == (host == other_host)
    assert not there.service4(service) or there.service4(service) not in {here.member4(number), there.member4(other)}


@given(HOSTS, NUMBERS, HOSTS, st.integers(1, addresses.LAST_SERVICE4 + 1))
def test_twins(host: int, number: int, other_host: int, service: int) -> None:
    prefix = addresses.environment_prefix(HOME, 3)
    here, there = Block(prefix, host), Block(prefix, other_host)
    assert there.twin(here.member(number)) == here.member4(number)
    assert there.twin(here.service(service)) == here.service4(service)
    for stranger in (here.dns, here.outlet(1), addresses.environment_prefix(HOME, 4).replace("/64", "1:0:2"), "fd00::1", "::1"):
        assert here.twin(stranger) == ""


@given(HOSTS, st.integers(1, addresses.ENVIRONMENTS))
def test_a_block_by_its_network(host: int, environment: int) -> None:
    block = Block(addresses.environment_prefix(HOME, environment), host)
    assert block_of(block.here) == block


@pytest.mark.parametrize("network", ["fd01::/64", "fd01::/96", "fd01:0:0:1:5::/96", "fd01:0:0:1:0:41::/96", "100.64.0.0/16"])
def test_what_is_no_block(network: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (ipaddress's own words for some)
        block_of(network)
