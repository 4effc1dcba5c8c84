"""The engine's ports in memory: shipped, for `--dry-run`, the simulator and tests. One contract suite holds for all."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta

from rollout.errors import ClashError, CrowdedError, FencedError, TakenError
from rollout.executor.crowd import NOBODY, Crowd
from rollout.executor.locked import locked
from rollout.executor.ports import LEASE_S, Batch, Clock, Control, Effects, Write
from rollout.model.fleet import Footing, Placement, Release, RuntimeName, Setting
from rollout.model.lease import Holder, Lease
from rollout.model.move import Entry, Move
from rollout.model.snapshot import Snapshot
from rollout.model.state import State


class VirtualClock:
    """Time that leaps."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The present virtual time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """The time is `seconds` later."""
        self._now += timedelta(seconds=max(seconds, 0.0))


def inline(effect: Callable[[], object]) -> "Future[object]":
    """Spawn that has run the effect when it returns. What is no Exception (a crash) goes through."""
    future: Future[object] = Future()
    try:
        future.set_result(effect())
    except Exception as error:  # noqa: BLE001 (the future carries it, as a thread's would)
        future.set_exception(error)
    return future


class MemoryLeases:
    """Leases in memory. `alive`: whether the process of a holder lives."""

    def __init__(self, clock: Clock, alive: Callable[[Holder], bool] = lambda _: True, *, lasts_s: float = LEASE_S) -> None:
        self._clock = clock
        self._alive = alive
        self._lasts_s = lasts_s
        self._held: dict[str, Lease] = {}
        self._number = 0

    def take(self, subject: str, holder: Holder) -> Lease:
        """A new lease; LockedError where a live holder has it."""
        now = self._clock.now()
        present = self._held.get(subject)
        if present is not None and present.expires > now and self._alive(present.holder):
            raise locked(present)
        self._number += 1
        return self._keep(Lease(number=self._number, subject=subject, holder=holder, heartbeat=now, expires=now))

    def renew(self, lease: Lease) -> Lease:
        """Heartbeat; FencedError when it is not ours any more."""
        self.check(lease)
        return self._keep(lease)

    def give_back(self, lease: Lease) -> None:
        """The subject is free."""
        present = self._held.get(lease.subject)
        if present is not None and present.number == lease.number:
            del self._held[lease.subject]

    def held(self) -> Sequence[Lease]:
        """All that have not expired, by number."""
        return sorted((x for x in self._held.values() if x.expires > self._clock.now()), key=lambda x: x.number)

    def check(self, lease: Lease) -> None:
        """FencedError when the lease is not ours any more."""
        present = self._held.get(lease.subject)
        if present is None or present.number != lease.number:
            by = f"lease {present.number} of {present.holder.user}" if present else "nobody: it was unlocked"
            raise FencedError(f"{lease.subject}: taken over by {by}", then="rollout status")

    def newer(self, service: str, lease: Lease) -> Lease | None:
        """A live lease on that one service with a higher number."""
        present = self._held.get(f"service:{service}")
        newer = present is not None and present.number > lease.number and present.expires > self._clock.now()
        return present if newer else None

    def _keep(self, lease: Lease) -> Lease:
        now = self._clock.now()
        kept = replace(lease, heartbeat=now, expires=now + timedelta(seconds=self._lasts_s))
        self._held[lease.subject] = kept
        return kept


class MemoryJournal:
    """Journal and Standing in memory."""

    def __init__(self, leases: MemoryLeases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self.entries: list[Entry] = []
        self.rows: dict[str, Move] = {}
        self.asked: dict[int, Control] = {}
        self.taken: set[int] = set()
        self.blocked: dict[str, str] = {}
        self.measured: list[Snapshot] = []
        self.placed: dict[tuple[str, RuntimeName], Placement] = {}
        self.settings: dict[str, Setting] = {}
        self.releases: dict[str, list[Release]] = {}

    def moves(
        self, wave: int, states: Iterable[State] | None = None, *, after: int = -1, limit: int | None = None
    ) -> Sequence[Move]:
        """The rows of a wave, by position."""
        wanted = frozenset(State if states is None else states)
        found = [r for r in self.rows.values() if r.wave == wave and r.state in wanted and r.position > after]
        return sorted(found, key=lambda r: r.position)[:limit]

    def counts(self, wave: int) -> Mapping[State, int]:
        """How many rows of the wave stand in each state."""
        return Counter(row.state for row in self.rows.values() if row.wave == wave)

    def due(self, wave: int, now: datetime, limit: int, besides: Container[str] = ()) -> Sequence[Move]:
        """Rows whose time has come, oldest first."""
        found = [(r.due, r) for r in self.moves(wave) if r.due is not None and r.due <= now]
        return [r for _, r in sorted(found, key=lambda x: (x[0], x[1].position))[:limit] if r.id not in besides]

    def next_due(self, wave: int, after: datetime) -> datetime | None:
        """When the next row is due."""
        return min((r.due for r in self.moves(wave) if r.due is not None and r.due > after), default=None)

    def move(self, id: str) -> Move | None:
        """One row."""
        return self.rows.get(id)

    def beside(self, wave: int) -> Crowd:
        """What is in flight in other waves."""
        return NOBODY.and_these(r for r in self.rows.values() if r.wave != wave)

    def commit(self, lease: Lease, batch: Batch) -> None:
        """All or nothing."""
        self._leases.check(lease)
        self._check(lease, batch.writes)
        if batch.beside is not None and self.beside(batch.writes[0].row.wave).has_grown(batch.beside):
            raise CrowdedError("other waves have begun more moves")
        for write in batch.writes:
            self.entries.append(write.entry)
            self.rows[write.row.id] = replace(write.row, due=first_due(write.row, write.entry.at))
            self._do(write.effects)
        for id, due in batch.later.items():
            if self.rows[id].due is not None:
                self.rows[id] = replace(self.rows[id], due=due)
        self.taken.update(batch.taken)

    def _check(self, lease: Lease, writes: Sequence[Write]) -> None:
        taken: dict[str, str] = {}
        counts = {id: row.seq for id, row in self.rows.items()}
        for write in writes:
            newer = self._leases.newer(write.row.service, lease)
            if newer is not None:
                taken[write.row.service] = f"taken over by lease {newer.number}"
            elif counts.get(write.row.id, 0) != write.row.seq - 1:
                taken[write.row.service] = "taken over by another driver"
            counts[write.row.id] = write.row.seq
        if taken:
            raise TakenError(taken)
        self._check_one_live_move(writes)

    def _check_one_live_move(self, writes: Sequence[Write]) -> None:
        live = {r.service: r.id for r in self.rows.values() if r.live}
        clash: dict[str, str] = {}
        for write in writes:
            other = live.get(write.row.service)
            if write.row.live and other not in {None, write.row.id}:
                clash[write.row.service] = str(other)
            elif write.row.live:
                live[write.row.service] = write.row.id
            elif other == write.row.id:
                del live[write.row.service]
        if clash:
            raise ClashError(clash)

    def _do(self, effects: Effects) -> None:
        for placement in effects.place:
            self.placed[placement.service, placement.runtime] = placement
        for service, runtime, weight in effects.weigh:
            if (service, runtime) in self.placed:
                self.placed[service, runtime] = replace(self.placed[service, runtime], weight=weight)
        for key in effects.unplace:
            self.placed.pop(key, None)
        if effects.setting is not None:
            self.settings[effects.setting[0]] = effects.setting[1]
        self.measured.extend(effects.snapshots)
        if effects.block is not None:
            self.blocked[effects.block[0]] = effects.block[1]

    def controls(self, wave: int) -> Sequence[Control]:
        """Rows that bear on the wave and have not ended."""
        now = self._clock.now()
        subjects = {"*", f"wave-{wave}", f"back-{-wave}", *(r.service for r in self.rows.values() if r.wave == wave)}
        standing = (c for c in self.asked.values() if c.id not in self.taken and (c.until is None or c.until > now))
        return [c for c in standing if c.subject in subjects]

    def release(self, service: str, number: int | None = None) -> Release | None:
        """A release, by default the newest."""
        known = self.releases.get(service, [])
        return next((r for r in reversed(known) if number in {None, r.number}), None)

    def placements(self, service: str) -> Sequence[Placement]:
        """What should run where."""
        return [p for (name, _), p in self.placed.items() if name == service]

    def setting(self, service: str) -> Setting:
        """The setting as it is now."""
        return self.settings.get(service, Setting())

    def settings_of(self, services: Sequence[str]) -> Mapping[str, Setting]:
        """The settings as they are now."""
        return {service: self.setting(service) for service in services}

    def footings_of(self, services: Sequence[str]) -> Mapping[str, Footing]:
        """What each stands on."""
        return {service: self._footing(service) for service in services}

    def _footing(self, service: str) -> Footing:
        releases = {release.number: release for release in self.releases.get(service, [])}
        return Footing(placements=tuple(self.placements(service)), setting=self.setting(service), releases=releases)


def first_due(row: Move, at: datetime) -> datetime | None:
    """A row that was just written is due at once, unless it waits to begin or has ended."""
    return None if row.state is State.PLANNED or not row.live else at
