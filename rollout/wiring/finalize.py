"""What `finalize` reads and writes."""

from dataclasses import replace

from rollout.operations.finalize import Readiness, readiness, still_naming, write_off
from rollout.store import candidates, manifests, schedules, setting
from rollout.store.candidates import AsOf
from rollout.wiring import actor
from rollout.wiring.home import Home, find


class Finalizing:
    """One home, for one command; the one that is found unless it is given."""

    def __init__(self, home: Home | None = None) -> None:
        self._database = (home or find()).database()

    def check(self) -> Readiness:
        """What stands against it now."""
        with self._database.reading() as session:
            fleet = candidates.every(session, self._as_of())
            found = readiness(fleet, written_off=setting.written_off(session), bound=schedules.of_open_waves(session))
            remembered = manifests.every(session)
        return replace(found, naming=still_naming(remembered))

    def finalize(self) -> None:
        """The setting is written off. WaitingError where something still needs it."""
        with self._database.writing() as session:
            fleet = candidates.every(session, self._as_of())
            write_off(session, fleet, who=actor.user(), now=actor.now())

    def _as_of(self) -> AsOf:
        return AsOf(now=actor.now())

    def close(self) -> None:
        """The store is closed."""
        self._database.close()
