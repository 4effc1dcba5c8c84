"""Whether a planned move may still begin: the service as it is now against what the plan saw."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from rollout.model.move import Move
from rollout.model.plan import PlannedMove
from rollout.planner.check import stale
from rollout.store import candidates
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.waves import Waves


class Preconditions:
    """Reads a wave's plan once, and services when their moves are about to begin."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._planned: dict[int, dict[str, PlannedMove]] = {}

    def stale(self, rows: Sequence[Move]) -> Mapping[str, str]:
        """Of rows that must not begin, by id, what changed since planning. Back moves have no preconditions."""
        forward = [row for row in rows if row.wave >= 0]
        if not forward:
            return {}
        with self._database.reading() as session:
            found = candidates.of(session, [row.service for row in forward], AsOf(now=self._now()))
        why = {row.id: stale(self._wave(row.wave)[row.service], found.get(row.service)) for row in forward}
        return {id: reason for id, reason in why.items() if reason is not None}

    def _wave(self, number: int) -> dict[str, PlannedMove]:
        if number not in self._planned:
            self._planned[number] = {move.service: move for move in Waves(self._database).get(number).wave.moves}
        return self._planned[number]
