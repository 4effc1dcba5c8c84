"""Where a copy is led to, where it listens besides, and what `explain` says of that."""

from types import SimpleNamespace
from typing import cast

import pytest

from rollout.cli.explain import told_of_ports
from rollout.host.ports import Attached, HostPart, InstanceFacts, Listener, Phase
from rollout.model.fleet import RuntimeName
from rollout.model.ports import RULE
from rollout.operations.listening import Listens, all_ports

SEEN = (
    Listener(pid=1, address="::", port=8080),
    Listener(pid=1, address="::", port=9090),
    Listener(pid=1, address="127.0.0.1", port=9229, loopback=True),
)


def a_host(*, apart: bool) -> HostPart:
    """It keeps one copy that is led to, and one that was stopped."""
    facts = InstanceFacts(id="i", phase=Phase.RUNNING)
    copy = Attached(
        id="i", token="t", replica=0, service="shop/a", runtime=RuntimeName.V2, release=1, facts=facts,
        address="[fd00::2]:8080", note="declared 8080", apart=apart,
    )  # fmt: skip
    stopped = Attached(
        id="s", token="s", replica=0, service="shop/a", runtime=RuntimeName.V2, release=1, facts=facts, wanted=False
    )
    return cast("HostPart", SimpleNamespace(instances=lambda _: [copy, stopped], listeners=lambda _: SEEN))


@pytest.mark.parametrize(("apart", "others", "alone"), [(True, (9090,), (9229,)), (False, (9090, 9229), ())])
def test_what_only_the_copy_itself_reaches_is_told_apart(apart: bool, others: tuple[int, ...], alone: tuple[int, ...]) -> None:
    [found] = all_ports(a_host(apart=apart), "shop/a")
    assert (found.note, found.others, found.for_itself) == ("declared 8080", others, alone)


def listens(*others: int, alone: tuple[int, ...] = ()) -> Listens:
    return Listens(runtime=RuntimeName.V2, replica=0, address="", note="declared 8080", others=others, for_itself=alone)


def test_the_rule_is_told_where_there_was_something_to_choose() -> None:
    ports, rule = told_of_ports([listens(9090, 9091, alone=(9229,))], "shop/a")
    assert ports == ("port", "declared 8080, on v2; it also listens on 9090, 9091; for itself alone on 9229")
    assert rule[0] == "traffic to"
    assert rule[1].startswith(RULE)
    assert "rollout service set shop/a --port N" in rule[1]
    assert told_of_ports([listens(alone=(9229,))], "shop/a") == [("port", "declared 8080, on v2; for itself alone on 9229")]
