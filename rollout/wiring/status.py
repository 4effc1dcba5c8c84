"""What `status` and `log` read: the home's store, the policy in force, the processes behind leases."""

from collections.abc import Sequence
from datetime import timedelta

from rollout.errors import RolloutError
from rollout.operations.eta import Known, Measured, Paces
from rollout.operations.outlook import FRESH, RUNNING, STOPPED, outlook
from rollout.operations.schedule import missed, upcoming
from rollout.operations.status import SHOWN, Around, Status, look
from rollout.operations.subject import wave_number
from rollout.store import blocks, pins, setting
from rollout.store.controls import Controls
from rollout.store.database import Database
from rollout.store.history import Happening, History
from rollout.store.policies import Policies
from rollout.store.progress import Progress, WaveFacts
from rollout.store.services import Services
from rollout.store.watched import Act, Watched
from rollout.store.waves import unknown
from rollout.wiring import actor
from rollout.wiring.home import Home, find
from rollout.wiring.noted import pending, take_over_notes
from rollout.wiring.seen import is_down

LOG_LIMIT = 10_000
UNDER_WAY = frozenset({RUNNING, STOPPED})


class Board:
    """An open home for reading; one database for as long as a watch lasts."""

    def __init__(self, home: Home | None = None) -> None:
        self.home = home or find()
        self._measured: dict[int, Measured] = {}
        try:
            self.database: Database = self.home.database()
        except RolloutError as error:
            led_back = ", ".join(note.service for note in pending(self.home))
            error.state += f"; led back to legacy without the store: {led_back}" if led_back else ""
            raise

    def status(self, wave: str | None = None) -> Status:
        """Where everything stands now, or one wave. UsageError for an unknown wave.

        What was led back without the store is in the store from now on, if host part and store can be used.
        """
        take_over_notes(self.home)
        number = wave_number(wave) if wave is not None else None
        progress, now = Progress(self.database), actor.now()
        if number is not None and number > 0 and progress.wave(number) is None:
            with self.database.reading() as session:
                raise unknown(session, number)
        sight = progress.sight(states=SHOWN, wave=number)
        with self.database.reading() as session:
            blocked = {service: block.reason for service, block in blocks.every(session).items()}
            written_off = setting.written_off(session)
            pinned = pins.every(session)
        active = Policies(self.database).active()
        around = Around(
            home=str(self.home.path),
            policy=f"{active.policy.name} {active.hash[:8]}" if active else "default",
            blocked=blocked,
            controls=Controls(self.database).standing(now=now),
            alive=actor.alive,
            now=now,
            pinned=sum(pin.holds(now) for pin in pinned.values()),
            pins={service: pin.told for service, pin in sorted(pinned.items()) if pin.holds(now)},
            expired_pins={service: pin.told for service, pin in sorted(pinned.items()) if not pin.holds(now)},
            written_off=written_off,
            led_back=pending(self.home),
            next_run=next(upcoming(self.database, now, wave=number), None),
            missed=missed(self.database, now, wave=number),
            down=is_down(self.home.path),
        )
        facts, acts = {wave.number: wave for wave in sight.waves}, Watched(self.database).acts(since=now - FRESH)
        paces = self._paces([facts[n] for n in sorted({move.wave for move in sight.moves} & facts.keys())])
        return outlook(look(sight, around), sight, paces, around.controls, acts)

    def _paces(self, waves: Sequence[WaveFacts]) -> Paces:
        """What is known of the speed of waves under way; what they have shown is read once."""
        watched, known = Watched(self.database), {}
        for facts in waves:
            if facts.pace is None or facts.state not in UNDER_WAY:
                continue
            measured = self._measured.setdefault(facts.number, Measured())
            measured.feed(watched.marks(facts.name, after=measured.after))
            known[facts.number] = Known(pace=facts.pace, measured=measured)
        return known

    def log(self, *, since: timedelta | None, service: str | None, limit: int = LOG_LIMIT) -> Sequence[Happening]:
        """Who did what and every transition, newest last. UsageError for an unknown or ambiguous service."""
        subject = None
        if service is not None:
            subject = Services(self.database, self.home.keyed_hash, actor.now).find(service).id
        start = actor.now() - since if since is not None else None
        return History(self.database).read(since=start, service=subject, limit=limit)

    def news(self, wave: str | None = None) -> "News":
        """What happens from now on, of everything or of one wave."""
        return News(History(self.database), wave)

    def acts(self, after: int | None) -> tuple[Sequence[Act], int]:
        """What people did after that number (None: from now on), and the number to go on from."""
        watched = Watched(self.database)
        if after is None:
            return (), watched.last()
        found = watched.acts(after=after)
        return found, max((act.number for act in found), default=after)

    def close(self) -> None:
        """The store is closed."""
        self.database.close()


class News:
    """What has happened since it was asked last."""

    def __init__(self, history: History, wave: str | None) -> None:
        self._history = history
        self._wave = wave
        self._read = history.end()

    def more(self) -> Sequence[Happening]:
        """Everything new, oldest first."""
        first, self._read = self._read, self._history.end()
        found = self._history.between(first, self._read) if first != self._read else ()
        return [one for one in found if self._wave is None or self._is_of_it(one)]

    def _is_of_it(self, one: Happening) -> bool:
        return one.subject in {self._wave, "*"} or one.move.partition("/")[0] == self._wave
