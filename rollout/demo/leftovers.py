"""What a demo left behind, really looked for: processes by a marker in their environment, sockets, files."""

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil

MARKER = "ROLLOUT_DEMO"
"""Environment variable that every process of a demo inherits; its value names the demo."""


def marked(value: str) -> list[psutil.Process]:
    """Live processes that carry the marker with this value, without this one. Zombies do not live."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid != os.getpid() and process.environ().get(MARKER) == value
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's: a demo starts processes of its own user only
    return found


def answers(address: str) -> bool:
    """Somebody still listens on `host:port`."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((host, int(port))) == 0


def look(value: str, addresses: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """What is still there, one line each; empty when nothing is."""
    processes = [f"process {p.pid}: {_command(p)}" for p in marked(value)]
    sockets = [f"socket {address}" for address in sorted(set(addresses)) if answers(address)]
    files = [f"file {path}" for path in paths if path.exists()]
    return processes + sockets + files


def look_until_gone(look_once: Callable[[], Sequence[str]], sleep: Callable[[float], None], limit_s: float = 5.0) -> list[str]:
    """What is still there after at most `limit_s` seconds: the kernel may need a moment for what was told to end."""
    found = look_once()
    for _ in range(int(limit_s / 0.1)):
        if not found:
            break
        sleep(0.1)
        found = look_once()
    return list(found)


def sweep(value: str) -> None:
    """No marked process lives: each is killed by its id. For what is found after everything was told to end."""
    strays = marked(value)
    for process in strays:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(strays, timeout=5)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "ended meanwhile"
