"""What a driver leaves behind when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rollout.errors import Exit
from rollout.model.state import FINAL, MOVED, State


class Until(StrEnum):
    """How far a driver drives: until every move is warm or final, or until every one is final (or stuck), or only until there
    is nothing to be done for the moment."""

    WARM = "warm"
    FINISHED = "finished"
    RESTING = "resting"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveResult:
    """Where the moves of a wave stand. `stopped`: the failure budget was exceeded. `lost`: services that other drivers took.

    `planned` moves have not begun; `waiting` says why, one line per reason. `queued`: acts that waited for the end of a move
    and can be carried out now (service id to `revert`, `pin`, `deploy`, `stop` or `remove`).
    """

    counts: Mapping[State, int]
    back: bool = False
    stopped: bool = False
    interrupted: bool = False
    waiting: tuple[str, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    queued: Mapping[str, str] = field(default_factory=dict)

    def of(self, *states: State) -> int:
        """How many moves stand in these states."""
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def moved(self) -> int:
        """How many are warm, finishing or finished."""
        return self.of(*MOVED)

    @property
    def rests(self) -> bool:
        """Some of it is still to be done, later."""
        return not self.interrupted and self.of(*(set(State) - FINAL)) > 0

    @property
    def exit(self) -> Exit:
        """The exit code of the command that drove it."""
        if self.interrupted:
            return Exit.INTERRUPTED
        fell = self.of(State.FELL_BACK, State.ABORTED)
        if self.stopped or self.of(State.STUCK) or (self.back and fell):
            return Exit.STOPPED
        if self.waiting:
            return Exit.WAITING
        return Exit.PARTIAL if fell or self.lost or self.of(State.SKIPPED) else Exit.DONE
