"""What the `schedule` commands work on: the home's store, the time, and the zone that people here mean."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from tzlocal import get_localzone_name

from rollout.calendar.zones import known
from rollout.model.schedule import Schedule
from rollout.operations import schedule as operations
from rollout.operations.schedule import Added, Asked, Due, Line
from rollout.operations.subject import is_scheduler, wave_number
from rollout.store.database import Database
from rollout.store.progress import Progress
from rollout.store.waves import StoredWave, Waves
from rollout.wiring import actor
from rollout.wiring.home import find


def local_zone() -> str:
    """The zone of this machine; UTC where it names none."""
    try:
        name = get_localzone_name()
    except (LookupError, ValueError, OSError):
        return "UTC"
    return name if name in known() and name != "Etc/UTC" else "UTC"


class Timetable:
    """The schedules of an open home."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wave(self, name: str) -> StoredWave:
        """The wave. UsageError for an unknown one."""
        return Waves(self._database).get(wave_number(name))

    def add(self, wave: StoredWave, asked: Asked) -> Added:
        """The wave has this schedule."""
        return operations.add(self._database, wave, asked, who=actor.user(), now=actor.now())

    def check(self, asked: Asked) -> None:
        """UsageError for times that cannot be meant."""
        operations.read(asked, actor.now())

    def remove(self, name: str, reason: str) -> Sequence[tuple[Schedule, str]]:
        """The schedule, or all of the wave, bind no more."""
        return operations.remove(self._database, name, who=actor.user(), reason=reason, now=actor.now())

    def lines(self, *, everything: bool) -> Sequence[Line]:
        """Every schedule with its next window and its last run."""
        return operations.listed(self._database, actor.now(), everything=everything)

    def upcoming(self, count: int, wave: str | None) -> Sequence[Due]:
        """The next runs. UsageError for an unknown wave."""
        number = None if wave is None else wave_number(wave)
        if number is not None and Progress(self._database).wave(number) is None:
            Waves(self._database).get(number)
        return list(islice(operations.upcoming(self._database, actor.now(), wave=number), count))

    def kept(self) -> bool:
        """Whether a scheduler runs."""
        held = actor.leases(self._database).held()
        return any(is_scheduler(one.subject) and actor.alive(one.holder) for one in held)


@contextmanager
def timetable() -> Iterator[Timetable]:
    """The schedules of the home that is found."""
    with find().opened() as database:
        yield Timetable(database)
