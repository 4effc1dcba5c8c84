"""How soon a launch listens, and how soon it can be found: two figures of their own."""

from datetime import datetime

from rollout.executor.ports import Clock


class Pace:
    """Of one launch, from the start of its first process on; of several replicas the last one counts.

    `known`: False where processes of it ran before this call, begun by an earlier one: nobody knows since when, and no figure
    is made up.
    """

    def __init__(self, clock: Clock, *, known: bool) -> None:
        self._clock = clock
        self._known = known
        self._began: datetime | None = None
        self._listening: dict[str, datetime] = {}
        self._found: dict[str, datetime] = {}

    def starts(self) -> None:
        """Its first process is started now."""
        self._began = self._clock.now()

    def listens(self, instance: str) -> None:
        """The instance has been seen to listen (one that has no port: to run); only the first time counts."""
        self._listening.setdefault(instance, self._clock.now())

    def found(self, instance: str) -> None:
        """Its names lead to where it listens, and the edge can route to it."""
        self._found[instance] = self._clock.now()

    @property
    def launched_s(self) -> float | None:
        """Until the last instance listened."""
        return self._until(self._listening)

    @property
    def discoverable_s(self) -> float | None:
        """Until the last instance could be found; None where nothing serves."""
        return self._until(self._found)

    def _until(self, times: dict[str, datetime]) -> float | None:
        if not self._known or self._began is None or not times:
            return None
        return (max(times.values()) - self._began).total_seconds()
