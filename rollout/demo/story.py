"""The story of the demo, from the first deploy to the written-off setting. Yields events; the command line draws them.

It runs in a thread of its own, so that a signal only asks it to end: it comes to a safe point, takes everything down that it
started, and then its last event tells what is left.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rollout.demo import leftovers
from rollout.demo.cast import Cast
from rollout.demo.document import Record, not_as_told
from rollout.demo.events import (
    Asked,
    Began,
    Changed,
    Closed,
    Closing,
    Compared,
    Deployed,
    Doing,
    Ended,
    Event,
    FellBack,
    Finalized,
    Finished,
    Kept,
    Opened,
    Planned,
    Repaired,
    Said,
)
from rollout.demo.gaps import Gaps
from rollout.demo.services import Fault, Part, repaired
from rollout.demo.traffic import Traffic
from rollout.errors import RolloutError
from rollout.model.move import Entry, Move
from rollout.model.plan import Plan, Reason, Strategy, Wave
from rollout.model.state import State
from rollout.model.verdict import Outcome
from rollout.operations.numbers import Comparison

LAST_LINES = 3
INTERRUPTED = "interrupted"


class Interrupted(Exception):
    """Somebody asked the demo to end."""


@dataclass(kw_only=True)
class Story:
    """One demo. `events` plays it; `record` is what has happened until now; `error` why it did not go as told."""

    cast: Cast
    clock: Callable[[], float] = time.monotonic
    record: Record = field(default_factory=Record)
    error: str = ""
    _asked_to_end: bool = False
    _heard: bool = False
    _over: bool = False
    _told: "queue.SimpleQueue[Event | None]" = field(default_factory=queue.SimpleQueue)
    _states: dict[str, tuple[State, int]] = field(default_factory=dict)
    _last_lines: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _too_slow: dict[str, Comparison] = field(default_factory=dict)
    _gaps: Gaps = field(default_factory=Gaps)

    def events(self) -> Iterator[Event]:
        """Everything that happens, as it happens. After the last event nothing of the demo runs any more."""
        thread = threading.Thread(target=self._play, name="demo")
        thread.start()
        while (event := self._next()) is not None:
            yield event
        thread.join()

    def interrupt(self) -> None:
        """The demo comes to a safe point, takes everything down and ends. From a signal handler, any number of times."""
        self._asked_to_end = True  # not an Event: a second signal may come while the first one is being handled

    def _next(self) -> Event | None:
        """The next event; looks up often enough for signals to be handled."""
        while True:
            if self._asked_to_end and not self._heard:
                self._heard = True
                self.cast.stage.stop()
                if not self._over:
                    return Asked()
            with contextlib.suppress(queue.Empty):
                return self._told.get(timeout=0.2)

    def _play(self) -> None:
        began = self.clock()
        try:
            self._tell_all()
        except RolloutError as error:
            self.error = error.what
        except Exception as error:  # noqa: BLE001 (whatever it was, what was started must be taken down)
            self.error = f"{type(error).__name__}: {error}"
        finally:
            if self._asked_to_end:  # a terminal's Ctrl-C reaches what was just being started too: that is no error
                self.error = INTERRUPTED
            kept, self._over = self.cast.keep and not self.error, not self._asked_to_end
            if not kept:
                self._told.put(Closing())
            self._take_stock()
            if kept and not self.error:
                self._keep()
            else:
                self._take_down()
            self.record.seconds = self.clock() - began
            self._judge()
            self._told.put(None)

    def _tell_all(self) -> None:
        """The story in order."""
        stage, parts = self.cast.stage, self.cast.parts
        self._go_on()
        self._tell(Doing(text="starting the host part, the names and the edge"))
        self._tell(Opened(edge=(edge := stage.open()), example=parts[0].service.host_name))
        self._tell(Doing(text=f"starting {len(parts)} services on legacy, in four tiers and three environments"))
        for calling in (False, True):
            self._deploy([part for part in parts if part.calls is calling])
        if self.cast.traffic:
            self.cast.traffic.start(edge)
        self._pin()
        plan = stage.plan()
        self.record.stayed = sorted(one.service for one in plan.excluded if one.reason is Reason.PINNED)
        self._waves(plan)
        self._unpin()
        self._repair()
        self._waves(stage.plan())
        self._tell(Doing(text="legacy is drained and stopped everywhere"))
        stage.finish(self._move)
        self._tell(Finished(services=stage.on().get("v2", 0)))
        self._compare()
        if not self.cast.keep:
            stage.finalize()
            self.record.finalized = True
            self._tell(Finalized())

    def _pin(self) -> None:
        for part in self._pinned():
            self._tell(Said(text=self.cast.stage.pin(part.service.id, part.pin)))

    def _unpin(self) -> None:
        for part in self._pinned():
            self._tell(Said(text=self.cast.stage.unpin(part.service.id)))

    def _pinned(self) -> Sequence[Part]:
        return [part for part in self.cast.parts if part.pin]

    def _compare(self) -> None:
        """Every service as it is now; one that was too slow as it was then: that is why it came back."""
        newest = self.cast.stage.performance([part.service.id for part in self.cast.parts])
        self.record.performance = [self._too_slow.get(one.service, one) for one in newest]
        self._tell(Compared(lines=tuple(self.record.performance)))

    def _deploy(self, parts: Sequence[Part]) -> None:
        self.cast.stage.deploy([part.service for part in parts])
        for part in parts:
            service = part.service
            self._tell(
                Deployed(
                    service=service.id,
                    tier=service.tier,
                    kind=service.kind,
                    fault=part.fault.told if part.fault else "",
                    note=part.note,
                )
            )

    def _waves(self, plan: Plan) -> None:
        waves = tuple((wave.name, wave.tier, tuple(move.service for move in wave.moves)) for wave in plan.waves)
        pinned = sum(one.reason is Reason.PINNED for one in plan.excluded)
        moves = sum(len(services) for _, _, services in waves)
        self._tell(
            Planned(waves=waves, summary=f"Plan: {moves} to move, {pinned} pinned, {len(plan.excluded) - pinned} excluded")
        )
        for wave in plan.waves:
            self._gaps.declare(wave)
            self._wave(wave)

    def _wave(self, wave: Wave) -> None:
        services = tuple(move.service for move in wave.moves)
        self._tell(Began(wave=wave.name, tier=wave.tier, services=services))
        began, before = self.clock(), len(self.record.fallbacks)
        if self.cast.traffic:
            self.cast.traffic.busy(services)
        self.cast.stage.execute(wave, self._move)
        fell = len(self.record.fallbacks) - before
        moved = sum(self._states.get(service, (None, 0))[0] in _MOVED for service in services)
        self.record.waves.append(Ended(wave=wave.name, tier=wave.tier, moved=moved, fell_back=fell, seconds=self.clock() - began))
        self._tell(self.record.waves[-1])

    def _repair(self) -> None:
        """A new release without the fault for each service that fell back, and it may be planned again."""
        fallen = {fallback.service for fallback in self.record.fallbacks}
        self._tell(Doing(text="what fell back gets a release without its fault, and is planned once more"))
        compared = self.cast.stage.performance(sorted(fallen))
        self._too_slow = {one.service: one for one in compared if one.verdict is Outcome.FAIL}
        services = [repaired(part) for part in self.cast.parts if part.service.id in fallen]
        releases = self.cast.stage.deploy(services)
        for service in services:
            if self.cast.traffic:
                self.cast.traffic.repaired(service.id)
            self.cast.stage.retry(service.id)
            self._tell(Repaired(service=service.id, release=releases[service.id]))

    def _move(self, entry: Entry, move: Move) -> None:
        """A move has changed: told where its state or weight is another one."""
        self._remember(entry, move)
        seen = (move.state, move.weight if move.state is State.SHIFTING else 0)
        known, self._states[move.service] = self._states.get(move.service), seen
        if seen in (known, (State.SHIFTING, 0)):
            return
        if move.state is not State.FELL_BACK:
            self._told.put(Changed(service=move.service, state=move.state, note=_note(move)))
        else:
            slow = move.reason.startswith(Fault.SLOW.reason)  # its copy knows nothing of it
            lines = () if slow else self._last_lines.get(move.service, ())[-LAST_LINES:]
            self.record.fallbacks.append(FellBack(service=move.service, reason=move.reason, lines=lines))
            self._told.put(self.record.fallbacks[-1])

    def _remember(self, entry: Entry, move: Move) -> None:
        """What the accounts need of an entry: the last lines of a failed copy, and when a closed gap began and ended."""
        log = entry.evidence.get("log")
        if isinstance(log, list | tuple) and log:
            self._last_lines[move.service] = tuple(str(line) for line in log)
        if move.strategy is Strategy.RECREATE:
            self._gaps.see(entry, move)

    def _take_stock(self) -> None:
        """No more requests are sent; what was sent, and what runs where, is written down."""
        try:
            if self.cast.traffic:
                self._count(self.cast.traffic)
            self.record.services = dict(self.cast.stage.on())
        except Exception as error:  # noqa: BLE001 (a stage that is broken cannot be counted, but must be closed)
            self.error = self.error or f"it could not be counted: {error}"

    def _keep(self) -> None:
        """Everything runs on."""
        self.record.kept = True
        self._told.put(Kept(home=str(self.cast.folder), service=self.cast.parts[0].service.id))

    def _take_down(self) -> None:
        """Nothing runs any more; what is left is looked for, written down, and then ended by force."""
        stage = self.cast.stage
        try:
            used = stage.close()
            self.record.leftovers = leftovers.look_until_gone(lambda: leftovers.look(self.cast.folder, *used), time.sleep)
        except Exception as error:  # noqa: BLE001 (what follows ends every process all the same)
            self.error = self.error or f"it could not be taken down: {error}"
            self.record.leftovers = leftovers.look(self.cast.folder, (), ())
        leftovers.sweep(self.cast.folder)
        self._told.put(Closed(leftovers=tuple(self.record.leftovers)))

    def _count(self, traffic: Traffic) -> None:
        counted = traffic.end(self.cast.stage.lines, self._gaps.all())
        self.record.requests, self.record.longest_gap_ms = counted.requests, counted.longest_gap_ms
        self.record.unlogged, self.record.neighbour_calls = counted.unlogged, counted.neighbour_calls
        leaving = [part.service.id for part in self.cast.parts if part.leaves_port]
        self.record.port_changes = {service: counted.copies_seen.get(service, 0) for service in leaving}

    def _judge(self) -> None:
        """Where nothing went wrong by itself, the promises are looked at one by one."""
        planted = {part.service.id: part.fault.reason for part in self.cast.parts if part.fault}
        pinned, traffic = [part.service.id for part in self._pinned()], self.cast.traffic is not None
        wrong = not_as_told(self.record, services=len(self.cast.parts), planted=planted, pinned=pinned, traffic=traffic)
        self.error = self.error or "; ".join(wrong)

    def _tell(self, event: Event) -> None:
        self._told.put(event)
        self._go_on()

    def _go_on(self) -> None:
        """Nothing, unless somebody asked the demo to end."""
        if self._asked_to_end:
            raise Interrupted


_MOVED = frozenset({State.WARM, State.FINISHING, State.FINISHED})


def _note(move: Move) -> str:
    if move.state is State.SHIFTING:
        return f"{move.weight} % on {move.target}"
    return move.reason if move.state in {State.FALLING_BACK, State.STUCK, State.SKIPPED, State.ABORTED} else ""
