"""Ctrl-C and SIGTERM while something is driven: the first asks to stop at the next safe point, a second Ctrl-C ends at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rollout.errors import Exit

STDERR = 2
STOPPING = "stopping: what is under way is finished and saved first; Ctrl-C again ends at once"


class Stop:
    """Whether, and by what, this process was asked to stop."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None

    def asked(self) -> bool:
        """A signal has come."""
        return self.by is not None

    def exit_code(self, otherwise: int) -> int:
        """130 or 143 when a signal ended the command, else what it would have been."""
        if otherwise != Exit.INTERRUPTED:
            return otherwise
        return int(Exit.TERMINATED if self.by is signal.SIGTERM else Exit.INTERRUPTED)


@contextmanager
def stopping(told: str = STOPPING) -> Iterator[Stop]:
    """Signals are heard until the block ends. A second Ctrl-C is a KeyboardInterrupt.

    What is told goes straight to the file descriptor: a console may be in the middle of a line, holding its lock.
    """
    stop = Stop()

    def hear(number: int, _frame: FrameType | None) -> None:
        if stop.by is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.by = signal.Signals(number)
        with suppress(OSError):
            os.write(STDERR, f"{told}\n".encode())

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
