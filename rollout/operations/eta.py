"""When a wave, or a move, will be done: from the plan's times and from how long states of this wave have lasted. Pure.

An estimate that rests on nothing measured is a bound (`bound`: at most so long). Where nobody can know, it says why.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from statistics import median

from rollout.model.move import Move
from rollout.model.plan import Pace
from rollout.model.state import FINAL, IN_FLIGHT, MOVED, PATHS, Path, State
from rollout.store.watched import Mark

SIMULATED = 10_000
"""So many waiting moves are let begin one by one in the estimate; more are shared out evenly."""
BEFORE_WARM = (State.PUBLISHING, State.LAUNCHING, State.GAP, State.PROVING, State.SHIFTING, State.BAKING)
WATCHED = frozenset({State.SHIFTING, State.BAKING})


class Unsure(StrEnum):
    """Why nobody can say how long it takes."""

    PAUSED = "paused"
    FROZEN = "frozen"
    APPROVAL = "waiting for approval"
    STOPPED = "stopped by its failure budget"
    UNDRIVEN = "nobody drives it"
    HELD = "a move is held"
    QUIET = "too little traffic to tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Eta:
    """About so many seconds from now on, or at most so many (`bound`); None: it cannot be said, and why."""

    seconds_left: float | None = None
    bound: bool = False
    unsure: Unsure | None = None


@dataclass(slots=True)
class Measured:
    """How long states of one wave have lasted, without those in which a move was held. Fed with marks in their order."""

    lasted: dict[State, list[float]] = field(default_factory=dict)
    whole: list[float] = field(default_factory=list)
    after: int = 0
    _at: dict[str, tuple[State, datetime]] = field(default_factory=dict)
    _began: dict[str, datetime] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)

    def feed(self, marks: Iterable[Mark]) -> None:
        """These marks count too."""
        for mark in marks:
            self.after = max(self.after, mark.number)
            if mark.held:
                self._held.add(mark.move)
                self._began.pop(mark.move, None)
            if mark.state is not None:
                self._enter(mark.move, mark.state, mark.at)

    def typical(self, state: State) -> float | None:
        """The median in seconds; None where no move has left that state yet."""
        found = self.lasted.get(state)
        return median(found) if found else None

    def _enter(self, move: str, state: State, at: datetime) -> None:
        before, since = self._at.get(move, (State.PLANNED, at))
        if before is state:
            return
        if move in self._at and move not in self._held and before in IN_FLIGHT and state not in {State.FALLING_BACK, State.STUCK}:
            self.lasted.setdefault(before, []).append((at - since).total_seconds())
        self._held.discard(move)
        if state is State.PUBLISHING:
            self._began[move] = at
        if state in MOVED and (began := self._began.pop(move, None)) is not None:
            self.whole.append((at - began).total_seconds())
        if state in FINAL or state in MOVED:
            self._at.pop(move, None)
        else:
            self._at[move] = (state, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an estimate rests on: the plan's pace, and what this wave has shown."""

    pace: Pace
    measured: Measured

    def lasts(self, path: Path, state: State) -> tuple[float, bool]:
        """How long the state lasts on this path, in seconds; whether that is but a bound."""
        shown = self.measured.typical(state)
        if shown is not None:
            return shown, False
        watched = 0 if path.gap else self.pace.watched
        planned = {State.SHIFTING: watched * self.pace.step_s, State.BAKING: 0.0 if path.back else self.pace.bake_s}
        if state in planned:
            return planned[state], False
        return (self._start_s(path), True) if state in {State.LAUNCHING, State.GAP} else (0.0, False)

    def _start_s(self, path: Path) -> float:
        """The longest from launch to healthy."""
        watched = 0.0 if path.gap else self.pace.watched * self.pace.step_s
        return max(0.0, self.pace.longest_s - watched - self.pace.bake_s)


def of_move(row: Move, known: Known | None, now: datetime) -> Eta | None:
    """How long until the move is warm (a back move: finished); None where it is, is on its way back, or nothing is known."""
    if row.state not in BEFORE_WARM or known is None:
        return None
    if row.held_since is not None:
        return Eta(unsure=Unsure.HELD)
    if row.waits_until is not None and row.state in WATCHED:
        return Eta(unsure=Unsure.QUIET)
    path = PATHS[row.path]
    later = [known.lasts(row.path, state) for state in path[path.index(row.state) + 1 :] if state in BEFORE_WARM]
    here, bound = _left_here(row, known, now)
    return Eta(seconds_left=here + sum(seconds for seconds, _ in later), bound=bound or any(b for _, b in later))


def of_wave(rows: Sequence[Move], planned: int, known: Known | None, now: datetime) -> Eta | None:
    """How long until every move of the wave is warm or has ended. `rows`: those in flight. None where all are."""
    flying = [row for row in rows if row.state in IN_FLIGHT]
    if known is None or not (flying or planned):
        return None
    each = [of_move(row, known, now) or Eta(seconds_left=0.0) for row in flying]
    unsure = [one.unsure for one in each if one.unsure is not None]
    if unsure:
        return Eta(unsure=Unsure.HELD if Unsure.HELD in unsure else unsure[0])
    whole, bound = _whole(known)
    slots = [one.seconds_left or 0.0 for one in each]
    slots += [0.0] * (min(planned, known.pace.at_once - len(slots)))
    return Eta(seconds_left=_last(slots, planned, whole), bound=any(one.bound for one in each) or (bound and planned > 0))


def _left_here(row: Move, known: Known, now: datetime) -> tuple[float, bool]:
    """What is left of the present state. What has lasted longer than it should is expected to last as long again."""
    lasts, bound = known.lasts(row.path, row.state)
    passed = max(0.0, (now - row.since).total_seconds() - row.held_s)
    if row.state is not State.SHIFTING:
        return _left(lasts, passed), bound
    steps = len(row.steps) - 1
    if row.step >= steps:
        return 0.0, bound
    return _left(lasts / steps, passed) + lasts / steps * (steps - row.step - 1), bound


def _left(lasts: float, passed: float) -> float:
    return lasts - passed if passed <= lasts else passed - lasts


def _whole(known: Known) -> tuple[float, bool]:
    """A whole move, as this wave's have gone; else as long as the plan allows."""
    whole = known.measured.whole
    return (median(whole), False) if whole else (known.pace.longest_s, True)


def _last(slots: list[float], waiting: int, whole: float) -> float:
    """When the last one is done, if whoever waits begins as soon as one of the slots is free."""
    if not slots:
        return 0.0
    evenly = max(0, waiting - SIMULATED) * whole / len(slots)
    heapq.heapify(slots)
    for _ in range(min(waiting, SIMULATED)):
        heapq.heapreplace(slots, slots[0] + whole)
    return max(slots) + evenly


Paces = Mapping[int, Known]
"""What is known of each wave, by its number."""
