"""The status tells what needs a person first: nobody drives, failures, and why each service waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.cli import board
from rollout.cli.when import since
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import State
from rollout.operations.status import Around, Status, look
from rollout.store.progress import Sight, WaveFacts

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=3)
HOLDER = Holder(user="ann", host="h1", pid=71, started=1.0, doing="execute wave-3")


def move(service: str, state: State, *, wave: int = 3, weight: int = 0, **more: object) -> Move:
    row = Move(
        id=f"wave-{wave}/{service}",
        service=service,
        wave=wave,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=BEFORE,
        state=state,
        weight=weight,
    )
    return replace(row, **more)  # type: ignore[arg-type]  # a test's shorthand


def wave(number: int = 3, state: str = "running") -> WaveFacts:
    return WaveFacts(
        number=number,
        plan="p",
        position=0,
        tier=Tier.HOBBY,
        size=8,
        state=state,
        began=BEFORE,
        ended=None,
        detached=False,
        plan_expires=NOW + timedelta(days=3),
        superseded_by=None,
    )


def lease(subject: str = "wave-3", expires: datetime = NOW + timedelta(seconds=10)) -> Lease:
    return Lease(number=7, subject=subject, holder=HOLDER, heartbeat=BEFORE, expires=expires)


def status(*moves: Move, leases: tuple[Lease, ...] = (), state: str = "running", alive: bool = True, **around: object) -> Status:
    counts: dict[State, int] = {}
    for row in moves:
        counts[row.state] = counts.get(row.state, 0) + 1
    sight = Sight(waves=[wave(state=state)], counts={3: counts}, moves=moves, leases=leases, placed={RuntimeName.V2: 2})
    surroundings: dict[str, object] = {"blocked": {}, "controls": (), **around}
    return look(sight, Around(home="/h", policy="default", alive=lambda _: alive, now=NOW, **surroundings))  # type: ignore[arg-type]


def text(status: Status) -> list[str]:
    return [line.plain for line in board.lines(status)]


SHIFTING = [move(f"shop/s{n}", State.SHIFTING, weight=50) for n in range(5)]


def test_a_driven_wave_names_its_driver_first() -> None:
    found = status(*SHIFTING, leases=(lease(),))
    assert found.undriven == ()
    assert text(found)[0] == "home /h · policy default · ann drives wave-3 (process 71 on h1: execute wave-3)"


def test_nobody_drives_comes_first_with_the_next_command() -> None:
    for found in (
        status(*SHIFTING),
        status(*SHIFTING, leases=(lease(expires=NOW),)),
        status(*SHIFTING, leases=(lease(),), alive=False),
    ):
        first, head, *_ = text(found)
        assert first.startswith("nobody drives wave-3 since ")
        assert first.endswith(", 5 moves at 50 %; next: rollout execute wave-3")
        assert head == "home /h · policy default · nobody drives"


def test_a_wave_that_is_over_needs_no_driver_while_its_warm_moves_wait() -> None:
    waiting = move("shop/api", State.WARM, weight=100, due=NOW + timedelta(hours=1))
    assert status(waiting, state="ended").undriven == ()
    late = status(replace(waiting, due=BEFORE), state="ended")
    assert [(u.wave, u.finishing_only) for u in late.undriven] == [("wave-3", True)]


def test_a_service_under_a_lease_of_its_own_is_not_undriven() -> None:
    row = move("shop/api", State.FALLING_BACK, weight=10)
    assert status(row, state="ended", leases=(lease("service:shop/api"),)).undriven == ()
    assert len(status(row, state="ended").undriven) == 1


def test_stuck_comes_first_and_a_fall_back_is_a_failure_only_until_it_is_repaired() -> None:
    fell = move("shop/web", State.FELL_BACK, reason="health: 503")
    stuck = move("shop/api", State.STUCK, reason="neither side is healthy")
    open_ones = status(fell, stuck, blocked={"shop/web": "health: 503"})
    assert [(i.service, i.reason) for i in open_ones.failures] == [
        ("shop/api", "neither side is healthy"),
        ("shop/web", "health: 503"),
    ]
    assert [i.service for i in status(fell, stuck).failures] == ["shop/api"]


def test_what_is_stuck_is_tried_again_only_where_somebody_drives() -> None:
    stuck = move("shop/api", State.STUCK, reason="neither side is healthy", due=NOW)
    assert [(u.wave, u.then) for u in status(stuck).undriven] == [("wave-3", "rollout execute wave-3")]
    assert [(u.wave, u.then) for u in status(stuck, state="stopped").undriven] == [("wave-3", "rollout up")]
    assert status(stuck, leases=(lease("scheduler"),), state="stopped").undriven == ()


def test_every_moving_service_tells_what_it_waits_for() -> None:
    found = status(move("shop/api", State.SHIFTING, weight=10, waits_for="traffic: 3 of 20 requests"), leases=(lease(),))
    line = next(line for line in text(found) if line.startswith("  shop/api"))
    assert "shifting 10 %  wave-3, since " in line
    assert line.endswith("(3 min), waits for traffic: 3 of 20 requests")


def test_it_tells_how_long_that_can_last_and_what_happens_then() -> None:
    ends = NOW + timedelta(minutes=5)
    row = move("shop/api", State.SHIFTING, weight=10, waits_for="traffic on v2", waits_until=ends, then="it is held")
    line = next(line for line in text(status(row, leases=(lease(),))) if line.startswith("  shop/api"))
    assert line.endswith(f"waits for traffic on v2, at most until {since(ends, NOW)}, then it is held")
    asked = Control(id=1, kind=ControlKind.REVERT, subject="shop/api", actor="bob", reason="slow", at=BEFORE)
    item = status(row, leases=(lease(),), controls=(asked,)).items[0]
    assert (item.waits_until, item.then) == (None, "")


def test_what_halts_is_told_with_who_and_why() -> None:
    paused = Control(id=1, kind=ControlKind.PAUSE, subject="*", actor="bob", reason="lunch", at=BEFORE)
    asked = replace(paused, kind=ControlKind.REVERT, subject="shop/api")
    lines = text(status(leases=(lease(),), controls=(paused, asked)))
    assert next(line for line in lines if "paused" in line).endswith(": lunch; next: rollout resume")
    assert not any("revert" in line for line in lines)


def test_long_lists_are_counted() -> None:
    found = status(*(move(f"shop/s{n:02}", State.PROVING) for n in range(30)), leases=(lease(),))
    assert "  and 10 more" in text(found)


def test_a_wave_that_rests_under_a_scheduler_is_driven_until_a_move_of_it_is_late() -> None:
    warm = move("shop/a", State.WARM, weight=100, due=NOW + timedelta(minutes=1))
    moves = (warm, move("shop/b", State.BAKING, weight=100, due=NOW + timedelta(seconds=5)))
    scheduler = (lease("scheduler"),)
    assert [(u.wave, u.moves) for u in status(*moves).undriven] == [("wave-3", 2)]
    assert status(*moves, leases=scheduler).undriven == ()
    late = replace(moves[1], due=BEFORE)
    assert [u.wave for u in status(warm, late, leases=scheduler).undriven] == ["wave-3"]
