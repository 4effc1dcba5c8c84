"""The smallest scheduler: a wake-up looks for what is to be done, and each piece of it runs once at a time, in a thread."""

import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

Due = Callable[[], datetime | None]
Look = Callable[[], Sequence[str]]
Work = Callable[[str], None]
Broken = Callable[[str, Exception], None]

AT_ONCE = 32
LOOKING = "look"
LOOKING_THEN = "look when due"


class Loop:
    """Wakes up every `every_s` seconds, and when something is `due`. `look` names what is to be done; `work` does one of these.

    What is under way is not begun again. A wake-up that was missed is made up for once. `broken` hears what went wrong, the
    loop goes on: the next wake-up looks again.
    """

    def __init__(self, look: Look, work: Work, broken: Broken, *, every_s: float = 1.0, due: Due = lambda: None) -> None:
        self._look = look
        self._work = work
        self._broken = broken
        self._every_s = every_s
        self._due = due
        self._at: datetime | None = None
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._pool = futures.ThreadPoolExecutor(AT_ONCE)

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop` is set and what is under way has ended."""
        pools = {LOOKING: ThreadPoolExecutor(1)}
        scheduler = BackgroundScheduler(executors=pools, timezone="UTC")
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None, "executor": LOOKING}
        at_once = datetime.now(UTC)
        scheduler.add_job(lambda: self._wake(scheduler), "interval", seconds=self._every_s, next_run_time=at_once, **options)
        scheduler.start()
        try:
            stop.wait()
        finally:
            scheduler.shutdown(wait=True)
            self._pool.shutdown(wait=True)

    def once(self) -> None:
        """One look; what it names is done, one after the other."""
        for name in self._look():
            self._do(name)

    def _wake(self, scheduler: BackgroundScheduler) -> None:
        try:
            found = self._look()
            self._wake_at(scheduler, self._due())
        except Exception as error:  # noqa: BLE001 (a look that broke is told; the next wake-up looks again)
            self._broken(LOOKING, error)
            return
        for name in found:
            if self._take(name):
                self._pool.submit(self._do, name)

    def _wake_at(self, scheduler: BackgroundScheduler, at: datetime | None) -> None:
        """A wake-up only looks: what a library would run at that time in two processes, the store gives to one of them."""
        if at is not None and at != self._at:
            options = {"id": LOOKING_THEN, "replace_existing": True, "misfire_grace_time": None, "executor": LOOKING}
            scheduler.add_job(lambda: self._wake(scheduler), "date", run_date=at, **options)
        self._at = at

    def _take(self, name: str) -> bool:
        with self._lock:
            if name in self._busy:
                return False
            self._busy.add(name)
            return True

    def _do(self, name: str) -> None:
        try:
            self._work(name)
        except Exception as error:  # noqa: BLE001 (the work of one wave must not end the others')
            self._broken(name, error)
        finally:
            with self._lock:
                self._busy.discard(name)
