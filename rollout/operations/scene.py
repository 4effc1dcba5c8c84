"""A Status put together from what is told while waves are driven: for whoever has no store to read, such as a demo."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from rollout.executor.ports import LEASE_S
from rollout.model.lease import Holder, Lease
from rollout.model.move import Entry, Move
from rollout.model.plan import Wave, pace
from rollout.model.policy import Policy
from rollout.model.state import State
from rollout.operations.eta import Known, Measured
from rollout.operations.outlook import outlook
from rollout.operations.status import Around, Status, look
from rollout.operations.subject import wave_name
from rollout.store.progress import Sight, WaveFacts
from rollout.store.watched import Act, Mark
from rollout.store.waves import ENDED, PLANNED, RUNNING


@dataclass(slots=True, kw_only=True)
class Scene:
    """Waves and their moves as they were told. Times are handed in. `placed`: how many services are where
    (`store.progress.PLACES`). `holder`: who drives.

    `plan` its waves, `begin` and `end` each, `tell` every durable entry with its row (it fulfils World.tell); `status` is
    what the live view draws. Not for two threads at once.
    """

    holder: Holder
    policy: Policy
    placed: Mapping[str, int] = field(default_factory=dict)
    acts: Sequence[Act] = ()
    _waves: dict[int, WaveFacts] = field(default_factory=dict)
    _moves: dict[str, Move] = field(default_factory=dict)
    _measured: dict[int, Measured] = field(default_factory=dict)
    _known: dict[int, Known] = field(default_factory=dict)
    _forgiven: set[str] = field(default_factory=set)
    _marks: int = 0

    def plan(self, waves: Sequence[Wave], plan: str, now: datetime) -> None:
        """These waves are planned."""
        for position, wave in enumerate(waves):
            measured = self._measured[wave.number] = Measured()
            self._known[wave.number] = Known(pace=pace(wave, self.policy), measured=measured)
            self._waves[wave.number] = WaveFacts(
                number=wave.number,
                plan=plan,
                position=position,
                tier=wave.tier,
                size=len(wave.moves),
                state=PLANNED,
                began=None,
                ended=None,
                detached=False,
                plan_expires=now + timedelta(days=self.policy.expires_days),
                superseded_by=None,
            )

    def begin(self, wave: int, now: datetime) -> None:
        """The wave runs."""
        self._waves[wave] = replace(self._waves[wave], state=RUNNING, began=now)

    def end(self, wave: int, now: datetime) -> None:
        """The wave has ended; what is warm goes on."""
        self._waves[wave] = replace(self._waves[wave], state=ENDED, ended=now)

    def tell(self, entry: Entry, row: Move) -> None:
        """One durable entry, and the row that it led to."""
        self._moves[row.id] = row
        self._marks += 1
        state = entry.changes.get("state")
        mark = Mark(
            number=self._marks,
            move=row.id,
            at=entry.at,
            state=State(str(state)) if state else None,
            held=bool(entry.changes.get("held_since")),
        )
        if row.wave in self._measured:
            self._measured[row.wave].feed([mark])

    def retry(self, service: str) -> None:
        """That it fell back is a failure no more."""
        self._forgiven |= {id for id, move in self._moves.items() if move.service == service}

    def status(self, now: datetime) -> Status:
        """Where everything stands."""
        moves = sorted(self._moves.values(), key=lambda move: move.since, reverse=True)
        counts: dict[int, dict[State, int]] = {}
        for move in moves:
            of_wave = counts.setdefault(move.wave, {})
            of_wave[move.state] = of_wave.get(move.state, 0) + 1
        waves = [self._waves[number] for number in sorted(self._waves)]
        shown = [move for move in moves if move.id not in self._forgiven]
        sight = Sight(waves=waves, counts=counts, moves=shown, leases=self._leases(now), placed=self.placed)
        fell = {move.service: move.reason for move in shown if move.state is State.FELL_BACK}
        around = Around(home="", policy=self.policy.name, blocked=fell, controls=(), alive=lambda _: True, now=now)
        return outlook(look(sight, around), sight, self._known, (), self.acts)

    def _leases(self, now: datetime) -> list[Lease]:
        """Whoever tells the scene drives its waves."""
        names = sorted({wave_name(move.wave) for move in self._moves.values() if move.live} | self._running())
        late = now + timedelta(seconds=LEASE_S)
        return [Lease(number=n, subject=name, holder=self.holder, heartbeat=now, expires=late) for n, name in enumerate(names)]

    def _running(self) -> set[str]:
        return {wave.name for wave in self._waves.values() if wave.state == RUNNING}
