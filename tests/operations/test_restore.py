"""What differs between store and host part, and what is done about it: a table."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from rollout.host.known import Known
from rollout.host.ports import Attached, InstanceFacts, Phase
from rollout.model.fleet import Kind, Placement, Release, RuntimeName, Service, Tier
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import State
from rollout.operations.restore import Amends, Placed, amends, unknown

AT = datetime(2026, 11, 23, tzinfo=UTC)
LEGACY, V2 = RuntimeName.LEGACY, RuntimeName.V2
SPEC = Service(name="api", environment="shop", customer="acme", tier=Tier.TRIAL, command="serve", replicas=2)
RELEASE = Release(service="shop/api", number=3, created=AT, created_by="ann", spec=SPEC)
MOVE = Move(
    id="wave-1/shop/api",
    service="shop/api",
    wave=1,
    source=LEGACY,
    target=V2,
    strategy=Strategy.OVERLAP,
    since=AT,
    state=State.SHIFTING,
    source_token="old",
)
LAST = 40


def place(side: RuntimeName, token: str, weight: int) -> tuple[Placement, Release]:
    placement = Placement(service="shop/api", runtime=side, release=3, token=token, replicas=2, weight=weight, since=AT)
    return placement, RELEASE


def copies(side: RuntimeName, token: str, *, wanted: bool = True, count: int = 2) -> list[Attached]:
    return [
        Attached(
            id=f"{token}.{number}",
            token=token,
            replica=number,
            service="shop/api",
            runtime=side,
            release=3,
            facts=InstanceFacts(id=f"{token}.{number}", phase=Phase.RUNNING),
            wanted=wanted,
        )
        for number in range(count)
    ]


def known(weight: int | None = 0, fence: int = 7) -> Known:
    return Known(service="shop/api", fence=fence, weight=weight)


def told(found: Amends) -> tuple[list[tuple[str, int]], list[str], int | None]:
    return [(one.token, one.fence) for one in found.launch], [one.token for one in found.stop], found.weight


SETTLED = Placed(places=[place(LEGACY, "old", 100)])
MOVING = Placed(places=[place(LEGACY, "old", 50), place(V2, MOVE.token, 50)], move=MOVE)
HALF = replace(MOVING, move=replace(MOVE, doing="shift:50"))
LAUNCHING = Placed(places=[place(LEGACY, "old", 100)], move=replace(MOVE, state=State.LAUNCHING, doing="launch"))
OLD, NEW = copies(LEGACY, "old"), copies(V2, MOVE.token)


@pytest.mark.parametrize(
    ("placed", "held", "record", "want"),
    [
        pytest.param(SETTLED, OLD, known(), ([], [], None), id="as it should be"),
        pytest.param(SETTLED, OLD[:1], known(), ([("old", 7)], [], None), id="one replica is missing"),
        pytest.param(SETTLED, [], None, ([("old", LAST)], [], 0), id="the records are lost"),
        pytest.param(SETTLED, copies(LEGACY, "old", wanted=False), known(), ([("old", 7)], [], None), id="a stop half done"),
        pytest.param(SETTLED, [*OLD, *copies(LEGACY, "next")], known(), ([], ["next"], None), id="a deploy half done"),
        pytest.param(SETTLED, OLD, known(50), ([], [], 0), id="another weight"),
        pytest.param(MOVING, [*OLD, *NEW], known(50), ([], [], None), id="moving"),
        pytest.param(MOVING, [*OLD, *NEW], known(10), ([], [], None), id="moving: its weight is the driver's"),
        pytest.param(MOVING, OLD, known(50), ([(MOVE.token, 7)], [], None), id="moving: its copy is missing"),
        pytest.param(MOVING, [], None, ([("old", LAST), (MOVE.token, LAST)], [], 50), id="moving: the records are lost"),
        pytest.param(
            HALF,
            [*copies(LEGACY, "old", wanted=False), *NEW],
            known(50),
            ([], [], None),
            id="half a step: it may have stopped it",
        ),
        pytest.param(HALF, NEW, known(50), ([("old", 7)], [], None), id="half a step: unknown is lost"),
        pytest.param(LAUNCHING, [*OLD, *NEW], known(), ([], [], None), id="a move owns the copy that it launches"),
        pytest.param(
            replace(LAUNCHING, move=replace(MOVE, state=State.PROVING)), [*OLD, *NEW], known(), ([], [], None), id="and keeps it"
        ),
    ],
)
def test_amends(
    placed: Placed, held: list[Attached], record: Known | None, want: tuple[list[tuple[str, int]], list[str], int | None]
) -> None:
    found = amends(placed, held, record, LAST)
    assert told(found) == want
    assert found.needed == (want != ([], [], None))


def test_a_worker_has_no_weight() -> None:
    worker = replace(RELEASE, spec=replace(SPEC, kind=Kind.WORKER))
    placed = Placed(places=[(place(LEGACY, "old", 100)[0], worker)])
    assert told(amends(placed, [], None, LAST)) == ([("old", LAST)], [], None)


def test_what_runs_and_is_placed_nowhere_is_named_unless_somebody_works_on_it() -> None:
    held = [replace(one, service=service) for service in ("shop/b", "shop/a", "shop/api") for one in copies(LEGACY, "t")]
    ended = [replace(one, service="shop/over") for one in copies(LEGACY, "t", wanted=False)]
    assert unknown({"shop/api"}, [*held, *ended], lambda _: False) == ["shop/a", "shop/b"]
    assert unknown({"shop/api"}, held, lambda service: service == "shop/a") == ["shop/b"]
