"""Rows of moves before they begin."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from rollout.errors import ClashError
from rollout.executor.fold import apply, to_body
from rollout.executor.ports import Batch, Journal, Write
from rollout.model.lease import Lease
from rollout.model.move import Entry, EntryKind, Move
from rollout.model.plan import PlannedMove, Strategy, Wave
from rollout.model.policy import Policy
from rollout.model.state import State

GROUP = 500
PAGE = 2000


def planned_row(wave: Wave, position: int, planned: PlannedMove, *, policy: Policy, now: datetime) -> Move:
    """The row of a planned move of a wave."""
    return Move(
        id=f"{wave.name}/{planned.service}",
        service=planned.service,
        wave=wave.number,
        source=planned.precondition.runtime,
        target=planned.precondition.runtime.other,
        strategy=planned.strategy,
        since=now,
        customer=planned.customer,
        position=position,
        steps=policy.steps if planned.strategy is Strategy.OVERLAP else (100,),
        expected_s=planned.expected_s,
    )


def back_row(done: Move, *, number: int, position: int, now: datetime, reason: str, actor: str, blocks: bool = True) -> Move:
    """The row that brings a finished service back, in the back wave `-number`; `blocks`: not when its owner pins it."""
    return Move(
        id=f"back-{number}/{done.service}",
        service=done.service,
        wave=-number,
        source=done.target,
        target=done.source,
        strategy=done.strategy,
        since=now,
        customer=done.customer,
        position=position,
        expected_s=done.expected_s,
        reason=reason,
        actor=actor,
        blocks=blocks,
        restores=done.restores,
    )


def enrol_wave(journal: Journal, lease: Lease, wave: Wave, *, policy: Policy, now: datetime) -> None:
    """Every planned move of the wave has its row."""
    if sum(journal.counts(wave.number).values()) >= len(wave.moves):
        return
    known = {row.id for row in each(journal, wave.number)}
    planned = (planned_row(wave, n, move, policy=policy, now=now) for n, move in enumerate(wave.moves))
    enrol(journal, lease, (row for row in planned if row.id not in known))


def each(journal: Journal, wave: int, states: Iterable[State] | None = None) -> Iterator[Move]:
    """All rows of a wave, read in pages."""
    after = -1
    while page := journal.moves(wave, states, after=after, limit=PAGE):
        yield from page
        after = page[-1].position


def enrol(journal: Journal, lease: Lease, rows: Iterable[Move]) -> None:
    """Every row is in the journal. One whose service has another live move is there as skipped, with that reason."""
    group: list[Move] = []
    for row in rows:
        group.append(row)
        if len(group) == GROUP:
            _commit(journal, lease, group)
            group = []
    if group:
        _commit(journal, lease, group)


def _commit(journal: Journal, lease: Lease, rows: Sequence[Move]) -> None:
    try:
        journal.commit(lease, Batch(writes=[_first(row, lease) for row in rows]))
    except ClashError as clash:
        free = [_skipped(row, clash.services.get(row.service)) for row in rows]
        journal.commit(lease, Batch(writes=[_first(row, lease) for row in free]))


def _skipped(row: Move, other: str | None) -> Move:
    return row if other is None else replace(row, state=State.SKIPPED, reason=f"moving in {other}")


def _first(row: Move, lease: Lease) -> Write:
    entry = Entry(
        move=row.id,
        kind=EntryKind.PLANNED,
        at=row.since,
        actor=row.actor or lease.holder.user,
        reason=row.reason,
        changes=to_body(row),
        lease=lease.number,
    )
    return Write(entry=entry, row=apply(None, entry))
