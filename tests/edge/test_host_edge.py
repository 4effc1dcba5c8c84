"""The engine's edge only translates: a service's id becomes its host name, two weights become one."""

from dataclasses import dataclass, field

import pytest

from rollout.edge.host_edge import HostEdge, host_name
from rollout.errors import UsageError
from rollout.model.fleet import RuntimeName, Service, Tier

L, V = RuntimeName.LEGACY, RuntimeName.V2


@dataclass
class Recorded:
    """A host part that only remembers what it was asked."""

    calls: list[tuple[object, ...]] = field(default_factory=list)

    def weigh(self, *asked: object) -> None:
        self.calls.append(("weigh", *asked))

    def in_flight(self, *asked: object) -> int:
        self.calls.append(("in_flight", *asked))
        return 3

    def withdraw(self, *asked: object) -> None:
        self.calls.append(("withdraw", *asked))


def test_it_asks_the_host_part_in_its_words() -> None:
    host = Recorded()
    edge = HostEdge(host)
    edge.weigh("shop/api", {L: 90, V: 10}, 7)
    edge.weigh("shop/api", {L: 100}, 7)
    assert edge.in_flight("shop/api", L) == 3
    edge.withdraw("shop/api", 8)
    assert host.calls == [
        ("weigh", "shop/api", "api.shop.internal", 10, 7),
        ("weigh", "shop/api", "api.shop.internal", 0, 7),
        ("in_flight", "shop/api", L),
        ("withdraw", "shop/api", 8),
    ]


@pytest.mark.parametrize("weights", [{}, {V: 10}, {L: 50, V: 60}, {L: 110, V: -10}])
def test_weights_must_add_up(weights: dict[RuntimeName, int]) -> None:
    host = Recorded()
    with pytest.raises(UsageError, match="add up"):
        HostEdge(host).weigh("shop/api", weights, 1)
    assert host.calls == []


def test_the_name_is_that_of_the_service() -> None:
    service = Service(name="api", environment="shop", customer="c", tier=Tier.TRIAL)
    assert host_name(service.id) == service.host_name
