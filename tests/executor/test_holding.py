"""What a move waits for is written down when it changes, and not at every look."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.executor.actions import Wait
from rollout.executor.entries import Scribe
from rollout.executor.fold import from_body, to_body
from rollout.model.fleet import RuntimeName, Setting
from rollout.model.move import Move
from rollout.model.plan import Strategy
from rollout.model.policy import Policy
from rollout.model.state import State
from rollout.model.verdict import few

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SCRIBE = Scribe(policy=Policy(name="p", tiers=()), lease=1, user="ann", setting=lambda _: Setting())
ROW = Move(
    id="wave-1/shop/api",
    service="shop/api",
    wave=1,
    source=RuntimeName.LEGACY,
    target=RuntimeName.V2,
    strategy=Strategy.OVERLAP,
    since=NOW,
    state=State.SHIFTING,
    seq=3,
)
QUIET = Wait(until=NOW, remark="traffic on v2 (0 of 20 requests)", ends=NOW + timedelta(minutes=30), then="it is held")


def hold(row: Move, wait: Wait) -> Move | None:
    write = SCRIBE.hold(row, wait, NOW)
    return write.row if write else None


def test_it_is_written_once_until_it_changes() -> None:
    waits = hold(ROW, QUIET)
    assert waits is not None
    assert (waits.waits_for, waits.waits_until, waits.then) == (QUIET.remark, QUIET.ends, "it is held")
    assert from_body(to_body(waits)) == waits
    assert hold(waits, QUIET) is None
    assert hold(waits, replace(QUIET, ends=NOW + timedelta(minutes=31))) is not None
    held = hold(waits, Wait(until=NOW, hold="paused", ends=QUIET.ends, then="it is brought back"))
    assert held is not None
    assert held.held_since == NOW
    assert hold(held, Wait(until=NOW, hold="paused", ends=QUIET.ends, then="it is brought back")) is None
    free = hold(held, Wait(until=NOW))
    assert free is not None
    assert (free.waits_for, free.waits_until, free.then, free.held_since) == ("", None, "", None)
    assert hold(free, Wait(until=NOW)) is None


def test_numbers_are_told_in_tenths() -> None:
    told = [few(n, 150) for n in range(150)]
    assert (told[0], told[1], told[15], told[149]) == (
        "0 of 150 requests",
        "a few of 150 requests",
        "15 or more of 150 requests",
        "135 or more of 150 requests",
    )
    assert len(set(told)) == 11
    assert len({few(n, 3) for n in range(3)}) == 3
