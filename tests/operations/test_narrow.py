"""A narrowed driver sees its own services, everything that halts, and no verb about others."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.executor.memory import MemoryJournal, MemoryLeases, VirtualClock
from rollout.executor.ports import Control, ControlKind
from rollout.model.fleet import RuntimeName
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.state import State
from rollout.operations.narrow import Narrowed, NarrowedStanding

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def journal(count: int) -> MemoryJournal:
    clock = VirtualClock(NOW)
    found = MemoryJournal(MemoryLeases(clock), clock)
    for n in range(count):
        row = Move(
            id=f"wave-1/shop/s{n}",
            service=f"shop/s{n}",
            wave=1,
            source=RuntimeName.LEGACY,
            target=RuntimeName.V2,
            strategy=Strategy.OVERLAP,
            since=NOW,
            position=n,
            state=State.BAKING,
            due=NOW + timedelta(seconds=n),
        )
        found.rows[row.id] = row
    return found


def test_due_rows_are_found_behind_many_others() -> None:
    narrow = Narrowed(journal(1200), {"shop/s3", "shop/s1100"})
    late = NOW + timedelta(hours=1)
    assert [row.service for row in narrow.due(1, late, 1)] == ["shop/s3"]
    assert [row.service for row in narrow.due(1, late, 10)] == ["shop/s3", "shop/s1100"]
    assert narrow.next_due(1, NOW + timedelta(seconds=3)) == NOW + timedelta(seconds=1100)
    assert narrow.next_due(1, late) is None


def test_planned_rows_of_others_are_not_begun() -> None:
    found = journal(3)
    found.rows = {id: replace(row, state=State.PLANNED, due=None) for id, row in found.rows.items()}
    assert [row.service for row in Narrowed(found, {"shop/s2"}).moves(1, {State.PLANNED}, limit=10)] == ["shop/s2"]
    assert [row.service for row in Narrowed(found, {"shop/s2"}).moves(1)] == ["shop/s2"]


def test_verbs_about_others_wait_for_their_own_driver() -> None:
    found = journal(2)
    kinds = ((ControlKind.PAUSE, "wave-1"), (ControlKind.ABORT, "wave-1"), (ControlKind.REVERT, "shop/s0"))
    for number, (kind, subject) in enumerate((*kinds, (ControlKind.FAIL, "shop/s1")), 1):
        found.asked[number] = Control(id=number, kind=kind, subject=subject, actor="ann", reason="", at=NOW)
    assert [c.id for c in NarrowedStanding(found, {"shop/s1"}).controls(1)] == [1, 4]
    assert [c.id for c in NarrowedStanding(found, {"shop/s1"}, obeys=[2]).controls(1)] == [1, 2, 4]
