"""Whether a planned move may still begin: the service as it is now against what the plan saw."""

from collections.abc import Callable
from datetime import datetime

from rollout.model.fleet import EngineName
from rollout.model.move import Move
from rollout.model.plan import PlannedMove
from rollout.planner.check import stale
from rollout.store import candidates
from rollout.store.candidates import AsOf
from rollout.store.database import Database
from rollout.store.waves import Waves


class Preconditions:
    """Reads a wave's plan once, and each service when its move is about to begin."""

    def __init__(self, database: Database, engine: EngineName, now: Callable[[], datetime]) -> None:
        self._database = database
        self._engine = engine
        self._now = now
        self._planned: dict[int, dict[str, PlannedMove]] = {}

    def why_stale(self, row: Move) -> str | None:
        """What changed since planning; None where the move may begin. Back moves have no preconditions."""
        if row.wave < 0:
            return None
        planned = self._wave(row.wave)[row.service]
        with self._database.reading() as session:
            found = candidates.of(session, [row.service], AsOf(now=self._now(), engine=self._engine))
        return stale(planned, found.get(row.service))

    def _wave(self, number: int) -> dict[str, PlannedMove]:
        if number not in self._planned:
            self._planned[number] = {move.service: move for move in Waves(self._database).get(number).wave.moves}
        return self._planned[number]
