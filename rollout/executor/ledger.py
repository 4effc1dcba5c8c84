"""What a tick is about to make durable, all in one commit: entries, verbs obeyed, and when rows are to be looked at again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollout.errors import CrowdedError, RolloutError, TakenError
from rollout.executor.budget import Tally
from rollout.executor.crowd import Crowd
from rollout.executor.enrol import each
from rollout.executor.measuring import cut_short
from rollout.executor.ports import Batch, Write
from rollout.executor.world import World
from rollout.model.lease import Lease
from rollout.model.move import Move
from rollout.model.snapshot import Snapshot
from rollout.model.state import State

BEGUN = frozenset(State) - {State.PLANNED}


@dataclass(slots=True)
class Start:
    """An effect or a look that begins once its intent is durable; a look has no step."""

    row: Move
    step: str | None


@dataclass(slots=True)
class Ledger:
    """Collects for one commit. `lost`: services that other drivers have; they are left alone from then on.

    `unseen`: moves that were stuck when this driver began, and whose turn has not come since.
    """

    world: World
    wave: int
    tally: Tally = field(default_factory=lambda: Tally(()))
    lost: dict[str, str] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    _writes: list[Write] = field(default_factory=list)
    _later: dict[str, datetime] = field(default_factory=dict)
    _taken: list[int] = field(default_factory=list)
    _starts: list[Start] = field(default_factory=list)
    _rows: dict[str, Move] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    _beside: Crowd | None = None
    _unmeasured: dict[str, Move] = field(default_factory=dict)
    _snapshots: dict[str, Sequence[Snapshot]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.unseen = {row.id for row in each(self.world.journal, self.wave, {State.STUCK})}

    def count(self) -> None:
        """The tally is that of the journal and of what is about to be written, without services that are lost."""
        journal = self.world.journal
        if self.lost or self._rows:
            rows = {row.id: row for row in each(journal, self.wave)} | self._rows
            self.tally = Tally(row for row in rows.values() if row.service not in self.lost)
        else:
            self.tally = Tally(each(journal, self.wave, BEGUN))
            self.tally.states[State.PLANNED] = journal.counts(self.wave).get(State.PLANNED, 0)

    def write(self, before: Move, write: Write) -> Move:
        """The entry is in the next commit, with the snapshots that are kept of its move; the row it leads to."""
        if self._snapshots and (kept := self._snapshots.pop(before.id, ())):
            write = replace(write, effects=replace(write.effects, snapshots=(*write.effects.snapshots, *kept)))
        elif self.world.instrument is not None and cut_short(before, write, self.world.policy):
            self._unmeasured[before.id] = before
        self.tally.change(before, write.row)
        self._writes.append(write)
        self._rows[write.row.id] = write.row
        self._later.pop(write.row.id, None)
        self.unseen.discard(write.row.id)
        return write.row

    def begin(self, before: Move, write: Write, beside: Crowd | None) -> Move:
        """As `write`, of a move that begins because there is room for it beside what flies in other waves (None: always)."""
        if beside is not None:
            self._begun.add(before.id)
            self._beside = beside
        return self.write(before, write)

    def unmeasured(self, move: str) -> Move | None:
        """The row as it was in a period that ended without being measured; asked once."""
        return self._unmeasured.pop(move, None)

    def keep(self, move: str, snapshots: Sequence[Snapshot]) -> None:
        """The next entry of the move takes these with it."""
        if snapshots:
            self._snapshots[move] = snapshots

    def later(self, row: Move, when: datetime) -> None:
        """The row is to be looked at then."""
        self._later[row.id] = when
        self.unseen.discard(row.id)

    def taken(self, verb: int) -> None:
        """The verb is obeyed."""
        self._taken.append(verb)

    def start(self, row: Move, step: str | None) -> None:
        """The effect begins after the commit."""
        self._starts.append(Start(row, step))
        self.unseen.discard(row.id)

    def row(self, move: str) -> Move | None:
        """The row as the coming commit makes it; None where it does not change it."""
        return self._rows.get(move)

    def ids(self) -> set[str]:
        """The moves that the coming commit changes, or that are put off."""
        return {*self._rows, *self._later}

    def touched(self, move: str) -> bool:
        """The coming commit changes this row, or has decided when to look at it again."""
        return move in self._rows or move in self._later

    def lose(self, services: dict[str, str]) -> None:
        """These services are other drivers' now; nothing of ours for them is written or begun."""
        self.lost |= services
        self.unseen = {id for id in self.unseen if id.partition("/")[2] not in services}
        self._writes = [w for w in self._writes if w.row.service not in services]
        self._starts = [s for s in self._starts if s.row.service not in services]
        gone = {id for id in self._later if id.partition("/")[2] in services}
        self._later = {id: when for id, when in self._later.items() if id not in gone}
        self._rows = {id: row for id, row in self._rows.items() if row.service not in services}
        self.count()

    def commit(self, lease: Lease) -> Iterable[Start]:
        """All that was collected is durable; what may begin now. FencedError when the lease is not ours any more."""
        while self._writes or self._later or self._taken:
            try:
                self.world.journal.commit(lease, self._batch())
                break
            except TakenError as taken:
                self.lose(dict(taken.services))
            except CrowdedError:
                self._begin_none()
        return self._emptied()

    def _batch(self) -> Batch:
        beside = self._beside if any(w.row.id in self._begun for w in self._writes) else None
        return Batch(writes=self._writes, taken=self._taken, later=self._later, beside=beside)

    def _begin_none(self) -> None:
        """What was to begin in this commit does not; it is looked for room again."""
        self._writes = [w for w in self._writes if w.row.id not in self._begun]
        self._starts = [s for s in self._starts if s.row.id not in self._begun]
        self._later = {id: when for id, when in self._later.items() if id not in self._begun}
        self._rows = {id: row for id, row in self._rows.items() if id not in self._begun}
        self._begun, self._beside = set(), None
        self.count()

    def _emptied(self) -> list[Start]:
        starts, writes = self._starts, self._writes
        self._writes, self._later, self._taken, self._starts, self._rows = [], {}, [], [], {}
        self._begun, self._beside = set(), None
        for write in writes:
            self.world.tell(write.entry, write.row)
        return starts


def patient(act: Callable[[], Lease], lease: Lease, now: datetime) -> Lease:
    """A heartbeat that may fail for a while: the lease as it is now; its last error once it has expired."""
    try:
        return act()
    except RolloutError as error:
        if not error.retry or now >= lease.expires:
            raise
        return lease
