"""Copies that have a network of their own: whatever listens there is theirs, and is seen at once."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rollout.errors import RolloutError
from rollout.host import views
from rollout.host.joining import ALONE
from rollout.host.ledger import Held
from rollout.host.ports import Engine, InstanceSpec, Listener, Watch

LOOK_S = 0.004
"""A look takes 0.1 ms, and only while a copy is being started: its engine says that it runs long after it does."""


def listeners(engine: Engine, watch: Watch, spec: InstanceSpec) -> Sequence[Listener] | None:
    """What a copy listens on that runs in a network of its own; None for any other, whose processes have to be looked at."""
    facts = engine.facts(spec.id) if spec.network else None
    if facts is None or not facts.pid:
        return None
    return watch.apart(f"/proc/{facts.pid}/ns/net", (facts.pid,))


@contextmanager
def seen_to_listen(watch: Watch, held: Held, lead: Callable[[Held], object]) -> Iterator[None]:
    """While the body starts this copy: as soon as it listens on its port, `lead` is told so, and nothing else is done of it.

    That is for one that is expected, whose network stood before: the body must do nothing that `lead` does. A failure of
    `lead` is not told: whoever waits for the copy leads to it again.
    """
    if not held.expected or held.spec.network in {"", ALONE}:
        yield
        return
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            now = arrived(held, watch.apart(held.spec.network) or ())
            if now != held:
                with contextlib.suppress(RolloutError):
                    lead(now)
                return
            ended.wait(LOOK_S)

    looking = threading.Thread(target=look, name=f"expects {held.spec.id}")
    looking.start()
    try:
        yield
    finally:
        ended.set()
        looking.join()


def arrived(held: Held, listeners: Sequence[Listener]) -> Held:
    """The copy is no longer expected where it listens, for others too, on its port; else it is as it was."""
    if held.port not in {one.port for one in listeners if not one.loopback}:
        return held
    return replace(held, expected=False, ipv4=views.ipv4(listeners, held.port))
