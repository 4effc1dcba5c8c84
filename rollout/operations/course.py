"""What the journal says a move came to: when it had moved, when and why it came back, how long nobody could reach it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.model.move import Move
from rollout.model.state import MOVED, Event, State
from rollout.operations.subject import wave_name
from rollout.store.reported import Effect, Turn

GATES = ("health", "traffic", "performance")
ASKED = {
    Event.FAIL: "failed by a person",
    Event.REVERT: "reverted by a person",
    Event.ABORT: "wave aborted",
    Event.PIN: "pinned",
    Event.OWNER: "its owner acted",
    Event.REMOVE: "removed",
    Event.BUDGET: "failure budget of the wave",
    Event.HOLD_OVER: "held too long",
}
"""Why a move came back, where no gate and no failure of its own is the cause."""
TURNS_BACK = frozenset({State.FALLING_BACK, State.STUCK})


class Mark(StrEnum):
    """What a report counts by time."""

    MOVED = "moved"
    FELL_BACK = "fell_back"
    BROUGHT_BACK = "brought_back"
    REVERTED = "reverted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """It happened then. `gained`: by how many services v2 has more of them than before."""

    at: datetime
    mark: Mark
    gained: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A move that was turned back at `at`, for a `cause` (the sort of reason) and a `reason`.

    `state`: where it stands; `back_s`: how long it took until the service was where it had been, None where it is not yet.
    `afterwards`: what became of the service.
    """

    service: str
    wave: str
    at: datetime
    state: State
    cause: str
    reason: str
    back_s: float | None
    afterwards: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A service that cannot run twice was away, at the longest from `begin` to `end` (None: it still is).

    From the order to stop the one copy to the confirmed switch of traffic to the other, by the journal: the time without an
    answer lies inside. `declared_s`: what the plan had said, None where it said nothing (on the way back).
    """

    service: str
    wave: str
    begin: datetime
    end: datetime | None
    seconds: float
    declared_s: float | None


def counted(move: Move, turns: Sequence[Turn]) -> Iterator[Counted]:
    """What the move adds to the counts, in the order of time."""
    on_v2 = False
    for turn in turns:
        if move.path.back:
            if turn.after is State.FINISHED and turn.before is not State.FINISHED:
                yield Counted(at=turn.at, mark=Mark.REVERTED, gained=-1)
        elif turn.after in MOVED and not on_v2:
            on_v2 = True
            yield Counted(at=turn.at, mark=Mark.MOVED, gained=1)
        elif turn.after in {State.FELL_BACK, State.ABORTED} and turn.before is not turn.after:
            mark = Mark.FELL_BACK if turn.after is State.FELL_BACK else Mark.BROUGHT_BACK
            yield Counted(at=turn.at, mark=mark, gained=-1 if on_v2 else 0)
            on_v2 = False


def fallback(move: Move, turns: Sequence[Turn]) -> Fallback | None:
    """Why and when the move was turned back; None where it was not, or is on its way again."""
    turned = [turn for turn in turns if turn.after in TURNS_BACK and turn.before not in TURNS_BACK]
    if not turned or move.state not in TURNS_BACK | {State.FELL_BACK, State.ABORTED}:
        return None
    first = turned[-1]
    ended = next((turn.at for turn in turns if turn.at >= first.at and turn.after in {State.FELL_BACK, State.ABORTED}), None)
    return Fallback(
        service=move.service,
        wave=wave_name(move.wave),
        at=first.at,
        state=move.state,
        cause=_cause(first),
        reason=first.reason or move.reason,
        back_s=(ended - first.at).total_seconds() if ended else None,
    )


def _cause(turn: Turn) -> str:
    gate = turn.reason.partition(":")[0]
    if turn.event is Event.FAILED and gate in GATES:
        return f"{gate} gate"
    return ASKED.get(turn.event) or f"failed while {turn.before.replace('_', ' ')}"


def gaps(move: Move, effects: Sequence[Effect], declared_s: float | None, now: datetime) -> Iterator[Gap]:
    """When the service was away, where its copies cannot overlap."""
    begin: datetime | None = None
    declared = declared_s
    for effect in effects:
        back = effect.step.startswith("undo:")
        if begin is None and not effect.done and (effect.step == "gap" or (back and effect.step != "undo:publish")):
            begin, declared = effect.at, None if back or move.path.back else declared_s
        elif begin is not None and effect.done and (effect.step.startswith("shift:") or effect.step == "undo:gap"):
            yield _gap(move, begin, effect.at, declared, now)
            begin = None
    if begin is not None and move.live:
        yield _gap(move, begin, None, declared, now)


def _gap(move: Move, begin: datetime, end: datetime | None, declared_s: float | None, now: datetime) -> Gap:
    return Gap(
        service=move.service,
        wave=wave_name(move.wave),
        begin=begin,
        end=end,
        seconds=((end or now) - begin).total_seconds(),
        declared_s=declared_s,
    )
