"""The journal as a person follows it: one value per change of a move that is worth a line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rollout.model.fleet import RuntimeName
from rollout.model.move import Entry, Move
from rollout.model.state import State
from rollout.operations.subject import wave_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A move went from one label to another: `launching` → `proving`, `shifting 10 %` → `shifting 50 %`.

    Where both are the same, what it `waits_for` is new: until `waits_until` at most, and what happens `then`.
    """

    at: datetime
    service: str
    wave: str
    before: str
    after: str
    state: State
    weight: int
    reason: str
    target: RuntimeName
    waits_for: str = ""
    waits_until: datetime | None = None
    then: str = ""


_NUMBERS = re.compile(r"[0-9]+")


class Transitions:
    """Remembers the last label of each move; hand in the rows that are there when following begins."""

    def __init__(self, rows: Iterable[Move] = ()) -> None:
        self._last = {row.id: label(row) for row in rows}
        self._waits: dict[str, str] = {}

    def of(self, entry: Entry, row: Move) -> Transition | None:
        """What this entry changed, if that is worth a line."""
        before, after = self._last.get(row.id, str(State.PLANNED)), label(row)
        waits = before == after
        if waits and not self._waits_anew(row):
            return None
        if not waits:
            self._waits.pop(row.id, None)
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
            waits_for=row.waits_for if waits else "",
            waits_until=row.waits_until if waits else None,
            then=row.then if waits else "",
        )

    def _waits_anew(self, row: Move) -> bool:
        """It waits for something that was not told yet, other numbers aside. What proves it healthy is waited for by all."""
        waits = _NUMBERS.sub("", row.waits_for)
        if not waits or row.waits_until is None or row.state is State.PROVING or self._waits.get(row.id) == waits:
            return False
        self._waits[row.id] = waits
        return True


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
