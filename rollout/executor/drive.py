"""The loop that acts: claims due rows, decides, commits in groups, runs effects."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from rollout.errors import BrokenError
from rollout.executor.actions import Case, Do, Fire, Look, Remind, Seen, Wait
from rollout.executor.crowd import Crowd
from rollout.executor.decide import decide
from rollout.executor.enrol import each, enrol_wave
from rollout.executor.entries import Scribe, time_to_come_up
from rollout.executor.flights import Done, Failed, Flights, Hindered, Landing, Lost, look, run, target_is_healthy
from rollout.executor.known import Known, may_choose
from rollout.executor.ledger import Ledger, patient
from rollout.executor.ports import Control
from rollout.executor.result import Until, WaveResult
from rollout.executor.room import fitting
from rollout.executor.standing import Orders, read
from rollout.executor.steps import Task
from rollout.executor.verbs import answer, asked, changes_something, needs_healthy_target
from rollout.executor.world import World
from rollout.model.lease import Lease
from rollout.model.move import Move
from rollout.model.plan import Wave
from rollout.model.state import FINAL, Event, State, cell

BATCH = 500
RETRY_S = 2.0
ABSENT_S = 10.0
GRACE_S = 5.0
NEAR_S = 2.0


def drive(world: World, wave: Wave, lease: Lease, *, until: Until = Until.WARM) -> WaveResult:
    """Drive every move of the wave until it is warm, final or stuck (what was stuck before has one more turn); what is forbidden
    is waited for. When the wave's window is over, moves that have not begun are left for the next one. `Until.RESTING` waits for
    no time that is not near: who drives it again is told by the rows' due times, by controls, and by moves that have not begun.

    Planned moves without a row are enrolled first. A wave of back moves has a negative number and no planned moves: its rows
    were enrolled by `enrol.enrol`. Returns early when `stop_requested`; all can be resumed by a new driver from the journal.
    Raises FencedError when another driver has taken the lease over; what it drives then is no longer ours.
    """
    driver = Driver(world, wave, lease)
    while not driver.ended(until):
        driver.tick()
    return driver.result()


class Driver:
    """Drives one wave. Holds the rows of moves whose effects are in flight, and sums over the rest."""

    def __init__(self, world: World, wave: Wave, lease: Lease) -> None:
        self._world = world
        self._wave = wave
        self._lease = lease
        self._flights = Flights(world.spawn)
        self._ledger = Ledger(world, wave.number)
        self._known = Known(world)
        self._scribe = Scribe(policy=world.policy, lease=lease.number, user=lease.holder.user, setting=self._known.setting)
        self._looked: datetime | None = None
        self._around = False
        self._now = world.clock.now()
        enrol_wave(world.journal, lease, wave, policy=world.policy, now=self._now)
        self._ledger.count()
        self._orders = self._read()

    def tick(self) -> None:
        """One turn: rest, hear, obey, take in what has come back, decide what is due, begin, save, act. All at one time."""
        if self._around or self._flights:
            self._rest()
        self._now = self._world.clock.now()
        self._asked_to_stop = self._world.stop_requested()
        self._beat()
        around = self._around = self._time_to_look_around()
        if around:
            self._orders = self._read()
            self._obey()
        self._take_in()
        if around and not self._asked_to_stop:
            self._claim()
            self._begin()
        for start in self._ledger.commit(self._lease):
            self._start(start.row, start.step)

    def ended(self, until: Until) -> bool:
        """Nothing flies, and every move is where it was to be driven to, or cannot begin."""
        if self._world.stop_requested():
            self._flights.drop_looks()
        if self._flights:
            return False
        if until is Until.RESTING and self._rests():
            return True
        states = self._ledger.tally.states
        busy = self._ledger.tally.in_flight() + states[State.FINISHING] + len(self._ledger.unseen)
        warm = 0 if until is Until.WARM else states[State.WARM]
        planned = 0 if self._orders.rules.stopped or self._outside else states[State.PLANNED]
        return self._world.stop_requested() or busy + warm + planned == 0

    def _rests(self) -> bool:
        """All that may begin has begun, and every other move waits for a time that has not come: what is in flight for one
        that is not near either."""
        if not self._around:
            return False
        in_flight = self._ledger.tally.in_flight() + self._ledger.tally.states[State.FINISHING]
        soon = self._now + timedelta(seconds=NEAR_S if in_flight else 0.0)
        lost = {f"{self._wave.name}/{service}" for service in self._ledger.lost}
        return not self._world.journal.due(self._wave.number, soon, 1 + len(lost), lost)

    def result(self) -> WaveResult:
        """Where the moves stand in the journal."""
        counts = Counter(self._world.journal.counts(self._wave.number))
        stopped = self._read().rules.stopped
        waiting = stopped or self._outside
        return WaveResult(
            counts=counts,
            back=self._wave.number < 0,
            stopped=bool(stopped),
            interrupted=self._world.stop_requested(),
            waiting=(waiting,) if waiting and counts[State.PLANNED] else (),
            lost=self._ledger.lost,
            queued={row.service: row.queued for row in each(self._world.journal, self._wave.number, FINAL) if row.queued},
        )

    # hearing

    def _beat(self) -> None:
        now = self._now
        if (now - self._lease.heartbeat).total_seconds() >= self._lease.beats_s:
            lease = self._lease
            self._lease = patient(lambda: self._world.leases.renew(lease), lease, now)

    def _time_to_look_around(self) -> bool:
        now = self._now
        due = self._looked is None or (now - self._looked).total_seconds() >= self._world.tick_s or not self._flights
        if due:
            self._looked = now
        return due

    def _read(self) -> Orders:
        now = self._now
        controls = self._world.standing.controls(self._wave.number)
        self._outside = self._world.closed(now, 0.0) or ""
        return read(controls, wave=self._wave, policy=self._world.policy, tally=self._ledger.tally, closed=self._outside)

    # obeying

    def _obey(self) -> None:
        for verb in self._orders.verbs:
            if verb.subject == self._wave.name:
                rows = [row for row in self._world.journal.moves(self._wave.number) if changes_something(row, verb)]
                more = len(rows) > BATCH
                rows = rows[:BATCH]
            else:
                found = self._world.journal.move(f"{self._wave.name}/{verb.subject}")
                rows, more = ([found] if found else []), found is None
            for row in rows:
                self._obey_for(row, verb)
            if not more:
                self._ledger.taken(verb.id)

    def _obey_for(self, row: Move, verb: Control) -> None:
        row = self._flights.row(row.id) or self._ledger.row(row.id) or row
        now = self._now
        unhealthy = needs_healthy_target(row, verb) and not self._target_is_healthy(row)
        if unhealthy or not changes_something(row, verb):
            after = self._ledger.write(row, self._scribe.note(row, answer(row, verb), verb.actor, now))
        else:
            fire, queued = asked(row, verb)
            after = self._ledger.write(row, self._scribe.event(row, fire, now, actor=verb.actor, queued=queued))
        self._flights.recall(after, fully=after.state is not row.state)

    def _target_is_healthy(self, row: Move) -> bool:
        return target_is_healthy(self._world, row, self._known.release(row), min(self._world.gate_s, self._lease.beats_s))

    # taking in, claiming, beginning

    def _take_in(self) -> None:
        silent = self._flights.unanswered(self._now, self._world.gate_s)
        for row in [*self._flights.overdue(self._is_overdue), *silent]:
            self._advance(row, None)
        landed = self._flights.landed()
        self._known.read_settings([row.service for row, _ in landed if may_choose(row)])
        for row, landing in landed:
            self._settle(row, landing)

    def _is_overdue(self, row: Move) -> bool:
        case = Case(rules=self._orders.rules, row=row, seen=None, now=self._now - timedelta(seconds=GRACE_S))
        return case.late() and cell(row.path, row.state, Event.FAILED).to is not None

    def _settle(self, row: Move, landing: Landing | None) -> None:
        now = self._now
        if isinstance(landing, Done):
            row = self._ledger.write(row, self._scribe.outcome(self._task(row), landing.step, now, landing.evidence))
        elif isinstance(landing, Failed):
            fire = Fire(event=Event.FAILED, reason=landing.reason, evidence={"log": list(landing.log)})
            row = self._ledger.write(row, self._scribe.event(row, fire, now, step=landing.step))
        elif isinstance(landing, Hindered):
            return self._wait(row, Wait(until=now + timedelta(seconds=RETRY_S), hold=landing.reason))
        elif isinstance(landing, Lost):
            return self._ledger.lose({row.service: landing.reason})
        elif isinstance(landing, Seen):
            self._ledger.keep(row.id, landing.owed)
        return self._advance(row, landing if isinstance(landing, Seen) else None)

    def _claim(self) -> None:
        now = self._now
        ours = self._flights.ids() | self._ledger.ids()
        due = self._world.journal.due(self._wave.number, now, BATCH + len(ours), ours)
        rows = [row for row in due if row.service not in self._ledger.lost]
        self._known.meet(rows)
        for row in rows:
            self._advance(self._found(row, now), None)

    def _found(self, row: Move, now: datetime) -> Move:
        """A row that was due long ago had no driver: its clock stood for that time."""
        absent = (now - row.due).total_seconds() if row.due else 0.0
        if absent <= ABSENT_S or row.held_since is not None or row.state is State.STUCK:
            return row
        return self._ledger.write(row, self._scribe.absent(row, absent, now))

    def _begin(self) -> None:
        for rows, beside in fitting(self._world, self._wave, self._ledger, self._orders, self._now):
            self._begin_these(rows, beside)

    def _begin_these(self, rows: Sequence[Move], beside: Crowd | None) -> None:
        now = self._now
        stale = self._world.stale(rows)
        self._known.meet(rows)
        for row in rows:
            running = self._known.source(row)
            if row.id in stale:
                self._ledger.write(row, self._scribe.event(row, Fire(event=Event.FAILED, reason=stale[row.id]), now))
            elif running is None:
                gone = Fire(event=Event.SOURCE_LOST, reason=f"it does not run on {row.source} any more")
                self._ledger.write(row, self._scribe.event(row, gone, now))
            else:
                write = self._scribe.began(row, now, release=running.release, source_token=running.token)
                self._advance(self._ledger.begin(row, write, beside), None)

    # deciding and acting

    def _advance(self, row: Move, seen: Seen | None) -> None:
        """Decide until the move waits, has ended, or an effect is to run."""
        while row.live and not self._asked_to_stop:
            now = self._now
            action = decide(self._orders.rules, row, seen, now)
            if isinstance(action, Fire):
                row, seen = self._ledger.write(row, self._scribe.event(row, action, now, seen=seen)), None
            elif isinstance(action, Remind):
                row = self._ledger.write(row, self._scribe.remind(row, action.reason, now))
            else:
                return self._act(row, action)
        return None

    def _act(self, row: Move, action: Look | Do | Wait) -> None:
        if isinstance(action, Wait):
            return self._wait(row, action)
        if isinstance(action, Look):
            return self._ledger.start(row, None)
        if row.doing != action.step:
            row = self._ledger.write(row, self._scribe.intent(row, action, self._now))
        return self._ledger.start(row, action.step)

    def _wait(self, row: Move, wait: Wait) -> None:
        note = self._scribe.hold(row, wait, self._now)
        if note is not None:
            row = self._ledger.write(row, note)
        self._ledger.later(row, wait.until)

    def _start(self, row: Move, step: str | None) -> None:
        world, now = self._world, self._now
        release, at_once = self._known.release(row), world.at_once(row.service)
        if step is None:
            case = Case(rules=self._orders.rules, row=row, seen=None, now=now)
            job = partial(look, world, case, release, ended=self._ledger.unmeasured(row.id))
            self._flights.look(row, world.clock, job, at_once=at_once)
        elif release is None:
            self._flights.start(row, step, lambda: Hindered(reason=f"release {row.release} of {row.service} is not in the store"))
        else:
            task = self._task(row)
            self._flights.start(row, step, lambda: run(world, task, step), at_once=at_once)

    def _task(self, row: Move) -> Task:
        release = self._known.release(row)
        if release is None:
            raise BrokenError(f"release {row.release} of {row.service} is not in the store", then=f"rollout log {row.service}")
        seconds = time_to_come_up(self._world.policy, row, release)
        return Task(row=row, release=release, fence=self._lease.number, deadline_s=seconds)

    def _rest(self) -> None:
        world = self._world
        if self._flights:
            return self._flights.wait(world.tick_s)
        now = world.clock.now()
        due = world.journal.next_due(self._wave.number, now)
        seconds = world.tick_s if due is None else (due - now).total_seconds()
        return world.clock.sleep(max(0.001, min(seconds, world.tick_s)))
