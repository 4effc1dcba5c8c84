"""What the scheduler is handed: looking for waves that nobody drives, and driving one."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.errors import LockedError, RolloutError
from rollout.operations import runs
from rollout.operations.driving import holding
from rollout.operations.saying import Say
from rollout.operations.subject import SCHEDULER
from rollout.operations.tend import against, settle_those_done, tend, tend_once, untended
from rollout.schedule.loop import Loop
from rollout.wiring import actor
from rollout.wiring.execute import Names
from rollout.wiring.home import find
from rollout.wiring.noted import take_over_notes
from rollout.wiring.workshop import Voice
from rollout.wiring.world import means


@contextmanager
def loop(say: Say, stop: threading.Event, *, once: bool, beside: bool = False) -> Iterator[Loop]:
    """The scheduler of the home that is found. LockedError while another one runs there, but for one that runs `beside` it."""
    home = find()
    with means(home, Voice(say=say, stop=stop.is_set), who=actor.scheduler()) as tools:
        names = Names(tools, home)

        def look() -> list[str]:
            take_over_notes(home, say=say)
            settle_those_done(tools)
            stands = against(tools, names.left)
            runs.look(tools, lambda number: "; ".join(one.text for one in stands(number)), say)
            return untended(tools, stands)

        ours: set[str] = set()

        def work(name: str) -> None:
            try:
                if once:
                    tend_once(tools, name)
                else:
                    if name not in ours:
                        say(f"{name}: nobody drives it, taken over")
                    ours.add(name)
                    if tend(tools, name).rests:
                        return
            except LockedError:
                ours.discard(name)
                return
            ours.discard(name)
            say(f"{name}: as far as it goes")

        subject = f"{SCHEDULER}:{os.getpid()}" if beside else SCHEDULER
        with holding(tools.leases, subject, actor.holder(SCHEDULER)):
            yield Loop(look, work, lambda name, error: say(broken(name, error)), due=lambda: runs.next_look(tools))


def broken(name: str, error: Exception) -> str:
    """One line about what went wrong; the next wake-up tries again."""
    return f"{name}: {error.what if isinstance(error, RolloutError) else f'{type(error).__name__}: {error}'}"
