"""A gap lasts from entering the state `gap` to leaving it; what was declared is the plan's."""

from datetime import UTC, datetime, timedelta

import pytest

from rollout.demo.gaps import Gap, Gaps
from rollout.model.fleet import Kind, RuntimeName, Tier
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import PlannedMove, Precondition, Strategy, Wave
from rollout.model.state import State

NOW = datetime(2024, 6, 4, tzinfo=UTC)


@pytest.fixture
def wave() -> Wave:
    before = Precondition(settings_hash="", tier=Tier.PRO, runtime=RuntimeName.LEGACY, pinned=False, release=1)
    move = PlannedMove(
        service="shop/ledger",
        customer="hana",
        environment="shop",
        kind=Kind.HTTP,
        strategy=Strategy.RECREATE,
        expected_s=9,
        downtime_s=4.5,
        precondition=before,
        why="",
    )
    return Wave(number=3, tier=Tier.PRO, moves=(move,))


def seen(gaps: Gaps, wave: Wave, *states: State) -> list[Gap]:
    gaps.declare(wave)
    for second, state in enumerate(states):
        at = NOW + timedelta(seconds=second)
        entry = Entry(move="wave-3/shop/ledger", kind=EntryKind.EVENT, at=at, actor="demo")
        move = Move(
            id="wave-3/shop/ledger",
            service="shop/ledger",
            wave=3,
            source=RuntimeName.LEGACY,
            target=RuntimeName.V2,
            strategy=Strategy.RECREATE,
            since=at,
            state=state,
        )
        gaps.see(entry, move)
    return gaps.all()


def test_a_gap_is_what_the_journal_says_of_it(wave: Wave) -> None:
    (gap,) = seen(Gaps(), wave, State.PUBLISHING, State.GAP, State.GAP, State.PROVING, State.BAKING)
    assert gap == Gap(
        service="shop/ledger",
        begin=NOW + timedelta(seconds=1),
        end=NOW + timedelta(seconds=3),
        declared_s=4.5,
    )


def test_a_gap_that_is_not_over_has_no_end(wave: Wave) -> None:
    (gap,) = seen(Gaps(), wave, State.PUBLISHING, State.GAP)
    assert gap.end is None


def test_without_the_state_there_is_no_gap(wave: Wave) -> None:
    assert seen(Gaps(), wave, State.PUBLISHING, State.PROVING, State.BAKING) == []
