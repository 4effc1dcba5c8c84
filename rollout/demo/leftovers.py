"""What a demo left behind, really looked for: processes that name its folder, sockets, files."""

import os
import shutil
import socket
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import psutil


def of(folder: Path) -> list[psutil.Process]:
    """Live processes that have this folder in their environment or arguments, without this one. Zombies do not live.

    Whatever a home keeps carries a path of that home in its environment, also when it has left its parents and its group.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if any(str(folder) in text for text in (*process.environ().values(), *process.cmdline())):
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


def look(folder: Path, addresses: Iterable[str], paths: Iterable[Path]) -> list[str]:
    """What is still there, one line each; empty when nothing is. `folder` is the demo's own."""
    processes = [f"process {p.pid}: {_command(p)}" for p in of(folder)]
    sockets = [f"socket {address}" for address in sorted(set(addresses)) if answers(address)]
    files = [f"file {path}" for path in (folder, *paths) if path.exists()]
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


def sweep(folder: Path) -> None:
    """No process of this folder lives, and the folder is gone: for what is found after everything was told to end."""
    strays = of(folder)
    for process in strays:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(strays, timeout=5)
    shutil.rmtree(folder, ignore_errors=True)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "ended meanwhile"
