"""Whether the kernel ended a container at its memory limit, from its own log: not every engine notices that."""

import os
from collections.abc import Iterator

PLACE = "/dev/kmsg"
LINE_BYTES = 8192
SIGN = "oom-kill:"


def ended_by_memory(container: str) -> bool:
    """The kernel's log names the cgroup of this container as one in which it killed for memory.

    False where the log cannot be read (it takes root), and where it has gone on so far that the line is no longer in it.
    """
    return any(SIGN in line and f"{container},task=" in line.replace(".scope", "") for line in _lines())


def _lines() -> Iterator[str]:
    try:
        log = os.open(PLACE, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        while True:
            try:
                yield os.read(log, LINE_BYTES).decode(errors="replace")
            except BrokenPipeError:  # overwritten while we read: go on with what is there
                continue
            except BlockingIOError:
                return
    finally:
        os.close(log)
