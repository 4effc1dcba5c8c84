"""Threads for effects in flight. One that hangs takes nobody's place and keeps no process from ending."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

Job = Callable[[], object]


class Effect(Future[object]):
    """What a job comes to. Cancelled while it runs, it is given up: its thread is written off, another takes its place."""

    def __init__(self, give_up: Callable[["Effect"], None]) -> None:
        super().__init__()
        self._give_up = give_up

    def cancel(self) -> bool:
        """True where the job will never run; where it runs, nobody waits for it any more."""
        if super().cancel():
            return True
        self._give_up(self)
        return False


class Threads:
    """At most `most` jobs run at once, those that were given up not counted. The threads are daemons, begun when needed."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._ready = threading.Condition()
        self._waiting: deque[tuple[Effect, Job]] = deque()
        self._running: dict[Effect, bool] = {}
        self._threads = 0
        self._idle = 0
        self._closed = False

    def submit(self, job: Job) -> Effect:
        """The job runs as soon as a thread is free. RuntimeError after `close`."""
        with self._ready:
            if self._closed:
                raise RuntimeError("no job is taken after close")
            effect = Effect(self._give_up)
            self._waiting.append((effect, job))
            if self._idle < len(self._waiting) and self._threads < self._most:
                self._begin()
            self._ready.notify()
        return effect

    def close(self, patience_s: float = 10.0) -> None:
        """No job begins any more; what runs may end within `patience_s`, what was given up is not waited for."""
        limit = time.monotonic() + patience_s
        with self._ready:
            self._closed = True
            for effect, _ in self._waiting:
                Future.cancel(effect)
            self._waiting.clear()
            self._ready.notify_all()
            while self._running and (left := limit - time.monotonic()) > 0:
                self._ready.wait(left)

    def _begin(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            effect, job = taken
            try:
                result, error = job(), None
            except BaseException as caught:  # noqa: BLE001 (the future carries it to whoever waits)
                result, error = None, caught
            wanted = self._is_over(effect)
            if error is None:
                effect.set_result(result)
            else:
                effect.set_exception(error)
            if not wanted:
                return

    def _take(self) -> tuple[Effect, Job] | None:
        with self._ready:
            while not self._closed:
                while self._waiting:
                    effect, job = self._waiting.popleft()
                    if effect.set_running_or_notify_cancel():
                        self._running[effect] = True
                        return effect, job
                self._idle += 1
                self._ready.wait()
                self._idle -= 1
            self._threads -= 1
            return None

    def _is_over(self, effect: Effect) -> bool:
        """Whether somebody still waited for it; else this thread is not one of ours any more."""
        with self._ready:
            wanted = self._running.pop(effect, False)
            self._ready.notify_all()
            return wanted

    def _give_up(self, effect: Effect) -> None:
        with self._ready:
            if self._running.pop(effect, False):
                self._threads -= 1
                if self._waiting and not self._closed:
                    self._begin()
                self._ready.notify_all()
