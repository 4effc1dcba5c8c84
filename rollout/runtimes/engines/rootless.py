"""What Podman needs of a user who is not root, and what this machine cannot give it then. Nothing is started to find out."""

import os
import pwd
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollout.runtimes.engines.sockets import which

RANGES = (Path("/etc/subuid"), Path("/etc/subgid"))
"""Which further ids a user may give to the processes of containers (subuid(5))."""
UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")


def lacking(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What this user lacks, and the command that helps."""
    if absent := [name for name in ("newuidmap", "newgidmap") if which(name, env) is None]:
        yield f"no {' and '.join(absent)}", "apt-get install uidmap"
    name = _name()
    if empty := [str(path) for path in RANGES if not _has_range(path, name)]:
        ids = "100000-165535"
        then = f"as root: usermod --add-subuids {ids} --add-subgids {ids} {name}; then podman system migrate"
        yield f"no further ids for {name} in {' and '.join(empty)}", then


def bounds_nothing() -> bool:
    """Containers without root have no limits here, whatever is asked for: control groups v1 are root's alone."""
    return not UNIFIED.exists()


def _name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _has_range(path: Path, name: str) -> bool:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.split(":")[0] in {name, str(os.geteuid())} for line in lines)
