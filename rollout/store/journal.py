"""The journal in the store: entries, rows, placements, settings, blocks, verbs and audit lines in one transaction."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from rollout.errors import ClashError, CrowdedError, TakenError
from rollout.executor.crowd import Crowd
from rollout.executor.ports import NONE, Batch, Control, Write
from rollout.model.fleet import Footing, Origin, Placement, Release, RuntimeName, Setting
from rollout.model.lease import Lease
from rollout.model.move import Move
from rollout.model.state import State
from rollout.store import audit, blocks, bulk, controls, leases, moves, pins, placements, releases, setting, snapshots
from rollout.store.database import Database

TABLE = moves.TABLE
EVERY = 2**31 - 1
"""No limit, where a statement wants one."""
_HERE = TABLE.c.wave == bindparam("wave")
_ROWS = select(TABLE.c.body, TABLE.c.due)
_PAGE = _ROWS.where(_HERE, TABLE.c.position > bindparam("after")).order_by(TABLE.c.position).limit(bindparam("most"))
_PAGE_IN = _PAGE.where(TABLE.c.state.in_(bulk.OF))
_ONE = _ROWS.where(TABLE.c.id == bindparam("of"))
_COUNTS = select(TABLE.c.state, func.count()).where(_HERE).group_by(TABLE.c.state)
_DUE = select(TABLE.c.id).where(_HERE, TABLE.c.due <= bindparam("at")).order_by(TABLE.c.due).limit(bindparam("most"))
_NEXT_DUE = select(func.min(TABLE.c.due).label("due")).where(_HERE, TABLE.c.due > bindparam("at"))


class StoreJournal:
    """Journal and Standing of one store."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def moves(
        self, wave: int, states: Iterable[State] | None = None, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Move]:
        """The rows of a wave, by position."""
        page = {"wave": wave, "after": after, "most": EVERY if limit is None else limit}
        with self._database.reading() as session:
            if states is None:
                found = bulk.find(session, _PAGE, **page)
            else:
                found = list(bulk.find_of(session, _PAGE_IN, [state.value for state in states], **page))
        return [moves.row_of(row.body, row.due) for row in found]

    def counts(self, wave: int) -> Mapping[State, int]:
        """How many rows of the wave stand in each state."""
        with self._database.reading() as session:
            return {State(state): count for state, count in bulk.find(session, _COUNTS, wave=wave)}

    def due(self, wave: int, now: datetime, limit: int, besides: Container[str] = ()) -> Sequence[Move]:
        """Rows whose time has come, oldest first."""
        with self._database.reading() as session:
            found = bulk.find(session, _DUE, wave=wave, at=moves.text(now), most=limit)
            wanted = [row.id for row in found if row.id not in besides]
            return moves.by_ids(session, wanted)

    def next_due(self, wave: int, after: datetime) -> datetime | None:
        """When the next row is due."""
        with self._database.reading() as session:
            (found,) = bulk.find(session, _NEXT_DUE, wave=wave, at=moves.text(after))
        return datetime.fromisoformat(found.due) if found.due else None

    def move(self, id: str) -> Move | None:
        """One row."""
        with self._database.reading() as session:
            return next((moves.row_of(row.body, row.due) for row in bulk.find(session, _ONE, of=id)), None)

    def beside(self, wave: int) -> Crowd:
        """What is in flight in other waves."""
        with self._database.reading() as session:
            return moves.beside(session, wave)

    def commit(self, lease: Lease, batch: Batch) -> None:
        """All of it or nothing, durable on return."""
        try:
            with self._database.writing() as session:
                self._commit(session, lease, batch)
        except IntegrityError as error:
            clash = self._clash(batch.writes)
            if clash is None:
                raise
            raise clash from error

    def _commit(self, session: Session, lease: Lease, batch: Batch) -> None:
        now = self._now()
        leases.check(session, lease)
        newer = leases.newer_on_services(session, lease, now)
        taken = {w.row.service: newer[w.row.service] for w in batch.writes if w.row.service in newer}
        if taken:
            raise TakenError({service: f"taken over by lease {number}" for service, number in taken.items()})
        if batch.beside is not None and moves.beside(session, batch.writes[0].row.wave).has_grown(batch.beside):
            raise CrowdedError("other waves have begun more moves")
        if any(write.row.seq == 1 and write.row.target is RuntimeName.LEGACY for write in batch.writes):
            setting.require_legacy(session, "no service can go back to legacy")
        first = moves.append(session, [write.entry for write in batch.writes])
        moves.put(session, batch.writes, first)
        _do(session, batch.writes)
        events = [write for write in batch.writes if write.entry.event is not None and "state" in write.entry.changes]
        audit.append_many(session, (_line(write) for write in events), now)
        moves.postpone(session, batch.later)
        if batch.taken:
            controls.end_taken(session, batch.taken, by=f"lease {lease.number} of {lease.holder.user}", now=now)

    def controls(self, wave: int) -> Sequence[Control]:
        """Rows that bear on the wave and have not ended, oldest first."""
        with self._database.reading() as session:
            return controls.bearing_on(session, wave, now=self._now())

    def release(self, service: str, number: int | None = None) -> Release | None:
        """A release, by default the newest."""
        with self._database.reading() as session:
            return releases.get(session, service, number)

    def placements(self, service: str) -> Sequence[Placement]:
        """What should run where."""
        with self._database.reading() as session:
            return placements.of(session, service)

    def setting(self, service: str) -> Setting:
        """The setting as it is now."""
        with self._database.reading() as session:
            return setting.get(session, service)

    def settings_of(self, services: Sequence[str]) -> Mapping[str, Setting]:
        """The settings as they are now."""
        with self._database.reading() as session:
            return setting.of_many(session, services)

    def footings_of(self, services: Sequence[str]) -> Mapping[str, Footing]:
        """What each stands on: a few statements for all."""
        with self._database.reading() as session:
            places = placements.of_many(session, services)
            known = releases.of_many(session, services)
            chosen = setting.of_many(session, services)
        return {
            service: Footing(placements=tuple(places.get(service, ())), setting=chosen[service], releases=known.get(service, {}))
            for service in services
        }

    def _clash(self, writes: Sequence[Write]) -> ClashError | TakenError | None:
        """Which rows could not be written, and whose they are; None where it is neither."""
        with self._database.reading() as session:
            others = moves.other_live(session, writes)
        if others:
            return ClashError(others)
        there = [write.row.service for write in writes if write.row.seq == 1 and self.move(write.row.id) is not None]
        return TakenError(dict.fromkeys(there, "enrolled by another driver")) if there else None


def _do(session: Session, writes: Sequence[Write]) -> None:
    """The effects of all writes, each kind in bulk: within one commit a service is placed, weighed or unplaced, not all."""
    all_effects = [write.effects for write in writes if write.effects is not NONE]
    placements.put(session, [place for effects in all_effects for place in effects.place])
    placements.weigh(session, [weight for effects in all_effects for weight in effects.weigh])
    placements.remove(session, *(place for effects in all_effects for place in effects.unplace))
    setting.put_many(session, [_choice(session, write, *write.effects.setting) for write in writes if write.effects.setting])
    snapshots.put(session, [snapshot for effects in all_effects for snapshot in effects.snapshots])
    for write in writes:
        if write.effects.block is not None:
            blocks.put(session, *write.effects.block, who=write.entry.actor, at=write.entry.at)


def _choice(session: Session, write: Write, service: str, chosen: Setting) -> setting.Choice:
    """What the move wants. Where it puts the old value back and the owner has pinned meanwhile, the pin is what counts."""
    entry = write.entry
    pin = pins.get(session, service) if chosen.origin is not Origin.ROLLOUT else None
    if pin is not None and pin.holds(entry.at):
        chosen = Setting(runtime=RuntimeName.LEGACY, origin=Origin.OWNER)
    return setting.Choice(service=service, setting=chosen, who=entry.actor, at=entry.at, why=entry.reason)


def _line(write: Write) -> audit.Line:
    entry, row = write.entry, write.row
    after = {"move": row.id, "state": str(row.state), "weight": row.weight}
    return audit.Line(who=entry.actor, what=f"move {entry.event}", subject=row.service, why=entry.reason, after=after)
