"""Which moves of a wave may begin now: as many as there is room for beside what is in flight."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rollout.executor.crowd import NOBODY, Crowd
from rollout.executor.ledger import Ledger
from rollout.executor.standing import Orders
from rollout.executor.world import World
from rollout.model.move import Move
from rollout.model.plan import Wave
from rollout.model.state import State

FEW, PAGE = 50, 500
"""At first as many are read as there is room for; more only where limits of customers and environments keep those back."""


def fitting(
    world: World, wave: Wave, ledger: Ledger, orders: Orders, now: datetime
) -> Iterator[tuple[Sequence[Move], Crowd | None]]:
    """Groups of rows that may begin, each with what was in flight in other waves then (None: back moves, which always may).

    The one who asks begins each group in the ledger before the next is looked for.
    """
    back = wave.number < 0
    if ledger.tally.states[State.PLANNED] == 0 or (orders.rules.forbids_beginning() and not back):
        return
    after, size = -1, min(PAGE, max(FEW, orders.limits.total - ledger.tally.in_flight()))
    beside = None if back else world.journal.beside(wave.number)
    while ledger.tally.in_flight() + (beside or NOBODY).total < orders.limits.total:
        page = world.journal.moves(wave.number, {State.PLANNED}, after=after, limit=size)
        rows = [row for row in page if _may_begin(world, ledger, orders, row, now)]
        while group := ledger.tally.fitting(rows, orders.limits, beside or NOBODY):
            yield group, beside
            rows = [row for row in rows if not ledger.touched(row.id)]
        if len(page) < size:
            return
        after, size = page[-1].position, PAGE


def _may_begin(world: World, ledger: Ledger, orders: Orders, row: Move, now: datetime) -> bool:
    if ledger.touched(row.id) or row.service in ledger.lost:
        return False
    paused = row.service in orders.rules.paused_services
    return row.path.back or not (paused or world.closed(now, row.expected_s))
