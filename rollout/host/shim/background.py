"""From a command to a process in the background of nobody: double fork, lock, and an answer to whoever started it."""

import fcntl
import os
import sys
import time

from rollout.host.shim.life import Shim

HELD, UNSTARTABLE = 2, 3
TRIES, TRY_S = 30, 0.01


def keep(folder: str, lock: int, ready: int) -> None:
    """In the background process: keep it until it has ended; `ready` hears how the start went."""
    shim = Shim(folder, lock)
    try:
        shim.prepare()
        shim.start()
    except OSError as error:
        shim.guard.dismiss()
        os.write(ready, f"cannot run {error.filename}: {error.strerror}".encode())
        return
    os.write(ready, b"\n")
    os.close(ready)
    shim.run()


def take(lock: int) -> bool:
    """The lock is ours. Tried for a moment: whoever only looks whether it is held, holds it for that moment."""
    for _ in range(TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(TRY_S)
        else:
            return True
    return False


def main(folder: str) -> int:
    """Start the background process and wait until it knows whether the program runs.

    0: it runs; 2: another shim holds the lock; 3: the program cannot be run, the reason is on stderr.
    """
    lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CREAT, 0o600)
    if not take(lock):
        return HELD
    hear, ready = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            os.close(hear)
            nothing = os.open(os.devnull, os.O_RDWR)
            for target in (0, 1, 2):
                os.dup2(nothing, target)
            keep(folder, lock, ready)
        os._exit(0)
    os.close(ready)
    os.waitpid(middle, 0)
    with os.fdopen(hear, "rb") as file:
        said = file.read()
    if said == b"\n":
        return 0
    sys.stderr.buffer.write(said or b"the keeper ended at once")
    return UNSTARTABLE
