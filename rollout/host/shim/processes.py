"""Finding and signalling processes without a library."""

import os


def parents() -> dict[int, int]:
    """Parent by process, zombies left out; empty where there is no /proc (there the engine finds what got away)."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state not in b"ZX":
                found[int(name)] = int(parent)
    return found


def below(top: int, spared: int, mark: str) -> list[int]:
    """Everything that descends from `top`, without `spared`, what is kept by another shim, and what is below those.

    `mark` is the `ROLLOUT_KEPT=…` of what `top` keeps: a kept process may itself have started others to be kept.
    """
    by_parent: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        by_parent.setdefault(parent, []).append(pid)
    found: list[int] = []
    look = [top]
    while look:
        children = [pid for pid in by_parent.get(look.pop(), []) if pid != spared and not _foreign(pid, mark)]
        found += children
        look += children
    return found


def _foreign(pid: int, mark: str) -> bool:
    """Another shim, or something that another shim keeps; or what keeps a container, which belongs to its engine."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            if file.read() == b"conmon\n":
                return True
        with open(f"/proc/{pid}/environ", "rb") as file:
            marks = [part for part in file.read().split(b"\0") if part.startswith((b"ROLLOUT_KEPT=", b"ROLLOUT_SHIM="))]
    except OSError:
        return False
    return bool(marks) and os.fsencode(mark) not in marks


def group_of(pid: int) -> int:
    """Its process group; 0 when it is gone."""
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def send(pid: int, number: int) -> bool:
    """False where there is nobody (a group is named by its negative number)."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def group_lives(group: int) -> bool:
    """Something of the group runs; zombies that nobody has collected yet do not count where there is a /proc."""
    if not send(-group, 0):
        return False
    running = parents()
    return not running or any(group_of(pid) == group for pid in running)
