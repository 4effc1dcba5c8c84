"""The journal as a person follows it: one value per change of a move that is worth a line."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, Move
from rollout.model.state import State
from rollout.operations.subject import wave_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A move went from one label to another: `launching` → `proving`, `shifting 10 %` → `shifting 50 %`."""

    at: datetime
    service: str
    wave: str
    before: str
    after: str
    state: State
    weight: int
    reason: str
    target: RuntimeName


class Transitions:
    """Remembers the last label of each move; hand in the rows that are there when following begins."""

    def __init__(self, rows: Iterable[Move] = ()) -> None:
        self._last = {row.id: label(row) for row in rows}

    def of(self, entry: Entry, row: Move) -> Transition | None:
        """What this entry changed, if that is worth a line."""
        before, after = self._last.get(row.id, str(State.PLANNED)), label(row)
        if before == after:
            return None
        if row.live:
            self._last[row.id] = after
        else:
            self._last.pop(row.id, None)
        return Transition(
            at=entry.at,
            service=row.service,
            wave=wave_name(row.wave),
            before=before,
            after=after,
            state=row.state,
            weight=row.weight,
            reason=entry.reason,
            target=row.target,
        )


def label(row: Move) -> str:
    """The state, and in shifting the target's share of traffic."""
    return f"{row.state} {row.weight} %" if row.state is State.SHIFTING and row.weight else str(row.state)


BACK = {
    "planned": "on v2",
    "publishing": "publishing legacy",
    "launching": "launching legacy",
    "proving": "proving legacy",
    "shifting": "shifting to legacy",
    "finishing": "stopping v2",
    "finished": "back on legacy",
}


def words(label: str, *, back: bool) -> str:
    """A label for people; that of a back move names the side, since its words are those of the way forward."""
    told = label.replace("_", " ")
    if not back:
        return told
    return f"{told.removeprefix('shifting ')} on legacy" if told.endswith("%") else BACK.get(label, told)
