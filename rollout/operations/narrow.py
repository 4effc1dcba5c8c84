"""A journal that shows a driver only some services of a wave: a verb without a live driver drives these and no other."""

from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime

from rollout.executor.crowd import Crowd
from rollout.executor.ports import Batch, Control, Journal, Standing
from rollout.executor.standing import VERBS
from rollout.model.fleet import Footing, Placement, Release, Setting
from rollout.model.lease import Lease
from rollout.model.move import Move
from rollout.model.state import State

PAGE = 500


class Narrowed:
    """Fulfils `executor.ports.Journal` for the rows of `services`."""

    def __init__(self, journal: Journal, services: Collection[str]) -> None:
        self._journal = journal
        self._services = frozenset(services)

    def moves(
        self, wave: int, states: Iterable[State] | None = None, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Move]:
        """The current rows of these services."""
        return self._mine(self._journal.moves(wave, states, after=after))[:limit]

    def counts(self, wave: int) -> Mapping[State, int]:
        """How many of these services' rows stand in each state."""
        return Counter(row.state for row in self.moves(wave))

    def due(self, wave: int, now: datetime, limit: int, besides: Container[str] = ()) -> Sequence[Move]:
        """Due rows of these services, also where many others are due before them."""
        size = max(limit, PAGE)
        while True:
            found = self._journal.due(wave, now, size)
            mine = self._mine(found)
            if len(found) < size or len(mine) >= limit:
                return [row for row in mine[:limit] if row.id not in besides]
            size *= 2

    def next_due(self, wave: int, after: datetime) -> datetime | None:
        """The next time at which one of these is due; rows of others are looked past."""
        times = [row.due for row in self.moves(wave) if row.due is not None and row.due > after]
        return min(times, default=None)

    def move(self, id: str) -> Move | None:
        """One row."""
        return self._journal.move(id)

    def beside(self, wave: int) -> Crowd:
        """What is in flight in other waves, and beside these services in this one."""
        rest = (row for row in self._journal.moves(wave) if row.service not in self._services)
        return self._journal.beside(wave).and_these(rest)

    def commit(self, lease: Lease, batch: Batch) -> None:
        """As the journal does."""
        self._journal.commit(lease, batch)

    def _mine(self, rows: Iterable[Move]) -> Sequence[Move]:
        return [row for row in rows if row.service in self._services]


class NarrowedStanding:
    """Fulfils `executor.ports.Standing`. Of verbs it shows those about `services` or named in `obeys`; all see what halts."""

    def __init__(self, standing: Standing, services: Collection[str], obeys: Collection[int] = ()) -> None:
        self._standing = standing
        self._services = frozenset(services)
        self._obeys = frozenset(obeys)

    def controls(self, wave: int) -> Sequence[Control]:
        """Rows that bear on these services."""
        return [c for c in self._standing.controls(wave) if c.kind not in VERBS or self._means_these(c)]

    def release(self, service: str, number: int | None = None) -> Release | None:
        """As it stands."""
        return self._standing.release(service, number)

    def placements(self, service: str) -> Sequence[Placement]:
        """As they stand."""
        return self._standing.placements(service)

    def setting(self, service: str) -> Setting:
        """As it stands."""
        return self._standing.setting(service)

    def settings_of(self, services: Sequence[str]) -> Mapping[str, Setting]:
        """As they stand."""
        return self._standing.settings_of(services)

    def footings_of(self, services: Sequence[str]) -> Mapping[str, Footing]:
        """As they stand."""
        return self._standing.footings_of(services)

    def _means_these(self, verb: Control) -> bool:
        return verb.subject in self._services or verb.id in self._obeys
