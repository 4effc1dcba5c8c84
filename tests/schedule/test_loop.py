"""The loop looks, does each thing once at a time, and survives what goes wrong."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from rollout.schedule.loop import LOOKING, Loop

LIMIT_S = 20.0


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


@contextmanager
def running(loop: Loop) -> Iterator[threading.Event]:
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def test_what_is_under_way_is_not_begun_again_and_others_go_on() -> None:
    looks, begun, free = [], [], threading.Event()

    def look() -> list[str]:
        looks.append(1)
        return ["wave-1", "wave-2"]

    def work(name: str) -> None:
        begun.append(name)
        if name == "wave-1":
            free.wait(LIMIT_S)

    with running(Loop(look, work, lambda *_: None, every_s=0.05)):
        until(lambda: len(looks) > 5 and begun.count("wave-2") > 2)
        assert begun.count("wave-1") == 1
        free.set()
        until(lambda: begun.count("wave-1") > 1)


def test_what_breaks_is_told_and_tried_again() -> None:
    told: list[tuple[str, str]] = []
    looks = iter([OSError("disk"), ["wave-1"], ["wave-1"]])

    def look() -> list[str]:
        found = next(looks, [])
        if isinstance(found, OSError):
            raise found
        return list(found)

    def work(name: str) -> None:
        raise ValueError("no host part")

    with running(Loop(look, work, lambda name, error: told.append((name, str(error))), every_s=0.05)):
        until(lambda: len(told) == 3)
    assert told == [(LOOKING, "disk"), ("wave-1", "no host part"), ("wave-1", "no host part")]


def test_stopping_waits_for_what_is_under_way() -> None:
    inside, ended = threading.Event(), threading.Event()
    stop = threading.Event()

    def work(_name: str) -> None:
        inside.set()
        stop.wait(LIMIT_S)
        ended.set()

    loop = Loop(lambda: ["wave-1"], work, lambda *_: None, every_s=0.05)
    thread = threading.Thread(target=loop.run, args=(stop,))
    thread.start()
    assert inside.wait(LIMIT_S)
    stop.set()
    thread.join(LIMIT_S)
    assert ended.is_set()


def test_once_does_everything_that_one_look_names() -> None:
    done: list[str] = []
    Loop(lambda: ["wave-1", "wave-2"], done.append, lambda *_: None).once()
    assert done == ["wave-1", "wave-2"]


def test_it_wakes_up_when_something_is_due_however_seldom_it_looks_else() -> None:
    """The first look is the one that learns what is due; the next would come in ten minutes."""
    looks: list[datetime] = []
    due = datetime.now(UTC) + timedelta(seconds=2)

    def look() -> list[str]:
        looks.append(datetime.now(UTC))
        return []

    loop = Loop(look, lambda _: None, lambda *_: None, every_s=600.0, due=lambda: due)
    with running(loop):
        until(lambda: any(at >= due for at in looks))
