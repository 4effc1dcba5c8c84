"""When services were closed, as the journal tells it, and how long their plan had said they would be."""

from dataclasses import dataclass, replace
from datetime import datetime

from rollout.model.move import Entry, Move
from rollout.model.plan import Wave
from rollout.model.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A service was closed from `begin` to `end` (None: still), and its plan declared `declared_s` seconds of it."""

    service: str
    begin: datetime
    end: datetime | None
    declared_s: float


class Gaps:
    """Gathers the gaps of moves by `recreate`. Entries may come from any thread, those of one move in order."""

    def __init__(self) -> None:
        self._declared: dict[str, float] = {}
        self._gaps: dict[str, Gap] = {}

    def declare(self, wave: Wave) -> None:
        """What the plan says of the wave's moves."""
        self._declared |= {f"{wave.name}/{move.service}": move.downtime_s for move in wave.moves}

    def see(self, entry: Entry, move: Move) -> None:
        """A gap begins when its move enters that state, and ends when it leaves it."""
        known = self._gaps.get(move.id)
        if known is None and move.state is State.GAP:
            declared = self._declared.get(move.id, 0.0)
            self._gaps[move.id] = Gap(service=move.service, begin=entry.at, end=None, declared_s=declared)
        elif known is not None and known.end is None and move.state is not State.GAP:
            self._gaps[move.id] = replace(known, end=entry.at)

    def all(self) -> list[Gap]:
        """Every gap until now."""
        return list(self._gaps.values())
