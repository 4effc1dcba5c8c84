"""The last one out: ends the kept process when its shim was killed."""

import os
import signal
import time

from rollout.host.shim.processes import group_lives, send

CHUNK = 1 << 16
LOOK_S, LIMIT_S = 0.02, 5.0


class Guard:
    """A process that waits for the shim's death and then kills what it kept. Started before the first process is."""

    def __init__(self, lock: int) -> None:
        self.lock = lock
        self.pid = 0
        self.writer = -1

    def start(self, group: int) -> None:
        """From now on the guard watches; `group` is what runs already (0: nothing)."""
        if self.writer >= 0:
            os.close(self.writer)
        reader, self.writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._watch(reader)
            finally:
                os._exit(0)
        os.close(reader)
        self.tell(group)

    def tell(self, group: int) -> None:
        """This group is what it must kill; 0: nothing any more."""
        os.write(self.writer, b"%d\n" % group)

    def dismiss(self) -> None:
        """The guard is gone, or there is none."""
        if not self.pid:
            return
        self.tell(0)
        os.close(self.writer)
        os.waitpid(self.pid, 0)

    def _watch(self, reader: int) -> None:
        """It holds the lock too: free means that nothing of the process is left."""
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        for descriptor in range(3, 64):
            if descriptor not in {reader, self.lock}:
                try:
                    os.close(descriptor)
                except OSError:
                    continue
        told = b""
        while chunk := os.read(reader, CHUNK):
            told += chunk
        group = int(told.split()[-1])
        limit = time.monotonic() + LIMIT_S
        while group and group_lives(group) and time.monotonic() < limit:
            send(-group, signal.SIGKILL)
            time.sleep(LOOK_S)
