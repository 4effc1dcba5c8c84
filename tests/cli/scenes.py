"""Statuses to look at: one wave, its moves in any states, drawn at a fixed time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import RuntimeName, Tier
from rollout.model.lease import Holder, Lease
from rollout.model.move import Move
from rollout.model.plan import Pace, Strategy
from rollout.model.state import State
from rollout.operations.eta import Known, Measured
from rollout.operations.outlook import outlook
from rollout.operations.status import Around, Status, look
from rollout.store.progress import Sight, WaveFacts
from rollout.store.watched import Act

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PACE = Pace(at_once=20, watched=3, step_s=30, bake_s=300, longest_s=431)
HOLDER = Holder(user="ann", host="h1", pid=71, started=1.0, doing="execute wave-3")
SLOWER = "traffic: v2 failed 4 of 15 (26.7%), legacy 0.0%, allowed 2.0%"
PAUSE = Control(
    id=1, kind=ControlKind.PAUSE, subject="wave-3", actor="anna", host="web-1", reason="lunch", at=NOW - timedelta(seconds=3)
)
REVERTED = Act(
    number=9, at=NOW - timedelta(seconds=2), who="bob", host="h1", what="reverted", subject="shop/api", why="it is slow"
)


def move(service: str, state: State, weight: int = 0, *, ago: float = 42, **more: object) -> Move:
    row = Move(
        id=f"wave-3/{service}",
        service=service,
        wave=3,
        source=RuntimeName.LEGACY,
        target=RuntimeName.V2,
        strategy=Strategy.OVERLAP,
        since=NOW - timedelta(seconds=ago),
        state=state,
        weight=weight,
        steps=(1, 10, 50, 100),
    )
    return replace(row, **more)  # type: ignore[arg-type]  # a test's shorthand


def status(
    moves: Sequence[Move],
    *,
    size: int | None = None,
    state: str = "running",
    controls: Sequence[Control] = (),
    acts: Sequence[Act] = (),
    driven: bool = True,
    measured: Measured | None = None,
    pace: Pace = PACE,
    waves: bool = True,
) -> Status:
    counts: dict[State, int] = {}
    for row in moves:
        counts[row.state] = counts.get(row.state, 0) + 1
    size = len(moves) if size is None else size
    if size > len(moves):
        counts[State.PLANNED] = counts.get(State.PLANNED, 0) + size - len(moves)
    facts = WaveFacts(
        number=3,
        plan="plan-1",
        position=0,
        tier=Tier.HOBBY,
        size=size,
        state=state,
        began=NOW - timedelta(minutes=5),
        ended=None,
        detached=False,
        plan_expires=NOW + timedelta(days=3),
        superseded_by=None,
        pace=pace,
    )
    lease = Lease(number=7, subject="wave-3", holder=HOLDER, heartbeat=NOW, expires=NOW + timedelta(seconds=10))
    v2 = sum(row.weight == 100 for row in moves)
    sight = Sight(
        waves=[facts] if waves else [],
        counts={3: counts},
        moves=moves,
        leases=[lease] if driven else [],
        placed={"v2": v2, "legacy": size - v2},
    )
    blocked = {row.service: row.reason for row in moves if row.state is State.FELL_BACK}
    around = Around(home="/h", policy="default", blocked=blocked, controls=controls, alive=lambda _: True, now=NOW)
    known = {3: Known(pace=pace, measured=measured or Measured())}
    return outlook(look(sight, around), sight, known, controls, acts)


MIXED = [
    *(move(f"shop/failed-{n}", State.FELL_BACK, reason=SLOWER) for n in range(6)),
    move("shop/api", State.STUCK, 50, reason="health: 503; legacy has died", ago=700),
    *(move(f"blog/s{n}", State.FALLING_BACK, 10, reason=SLOWER) for n in range(2)),
    *(move(f"shop/start-{n}", State.LAUNCHING, ago=2) for n in range(4)),
    *(move(f"shop/shift-{n}", State.SHIFTING, 10, step=1, ago=12) for n in range(7)),
    *(move(f"shop/bake-{n}", State.BAKING, 100, waits_for="traffic") for n in range(5)),
    *(move(f"shop/warm-{n}", State.WARM, 100, deadline=NOW + timedelta(hours=1)) for n in range(200)),
    *(move(f"shop/done-{n}", State.FINISHED, 100) for n in range(30)),
]
LONG = "a-customer-with-quite-a-long-name/its-service-number"
STRANGE = [
    move(f"{LONG}-1", State.FELL_BACK, reason="größer: 日本語のエラー\nTraceback \x1b[31m(most recent)\t" + "x" * 300),
    move(f"{LONG}-2", State.SHIFTING, 50, step=2, waits_for="traffic → 3 of 20 requests · 日本語のサービス"),
    move("shop/api", State.SHIFTING, 1, target=RuntimeName.LEGACY, source=RuntimeName.V2),
]
SCENES = {
    "empty": status([], waves=False),
    "planned": status([], size=12, state="planned", driven=False),
    "one": status([move("shop/api", State.SHIFTING, 10, step=1, waits_for="traffic: 3 of 20 requests")]),
    "mixed": status(MIXED, size=500, acts=(REVERTED,)),
    "paused": status(MIXED, size=500, controls=(PAUSE,), acts=(REVERTED,)),
    "nobody": status(MIXED[6:18], size=500, driven=False),
    "failed": status([move(f"shop/s-{n:03}", State.FELL_BACK, reason=SLOWER) for n in range(500)], state="stopped"),
    "finished": status([move(f"shop/s-{n:03}", State.FINISHED, 100) for n in range(500)], state="ended", driven=False),
    "strange": status(STRANGE),
}
