"""Where container engines listen on this host: what their own variables say, else the usual places."""

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName

VARIABLE = {EngineName.DOCKER: "DOCKER_HOST", EngineName.PODMAN: "CONTAINER_HOST"}
PASSED_ON = (
    *(*VARIABLE.values(), "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"),
)
"""What the host part is told of the environment of the command that starts it, so that both find the same engines."""
INSTALL = {
    EngineName.DOCKER: "apt-get install docker.io, and start it",
    EngineName.PODMAN: "apt-get install podman runc",
}
OPENS = {
    EngineName.DOCKER: "usermod -aG docker $USER, then log in again; or run as root; or --engine podman, which needs no root",
    EngineName.PODMAN: "unset CONTAINER_HOST, or run as root",
}
"""What opens a socket that is closed to this user."""
SCHEME = "unix://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where an engine is to be asked; `socket` None where nobody listens. `named`: its variable says where, and only there.

    `closed`: where it listens for others than this user, who has none to ask.
    """

    socket: Path | None
    named: bool
    closed: Path | None = None


def find(engine: EngineName, env: Mapping[str, str]) -> Found:
    """The socket of the engine. BrokenError where its variable names something else than a socket of this host."""
    variable = VARIABLE[engine]
    named = env.get(variable, "")
    if named:
        if not named.startswith(SCHEME):
            raise BrokenError(
                f"{variable}={named} is no socket of this host",
                then=f"set {variable} to {SCHEME}/… or unset it: containers run on the host of their host part",
            )
        return _found([Path(named.removeprefix(SCHEME))], named=True)
    return _found(usual(engine, env), named=False)


def closed(engine: EngineName) -> Path | None:
    """Where it listens, but not for this user; None where it may be asked, or is not here."""
    return find(engine, os.environ).closed


def _found(places: Sequence[Path], *, named: bool) -> Found:
    there = [path for path in places if _is_socket(path)]
    ours = next((path for path in there if os.access(path, os.R_OK | os.W_OK)), None)
    return Found(socket=ours, named=named, closed=there[0] if there and ours is None else None)


def usual(engine: EngineName, env: Mapping[str, str]) -> list[Path]:
    """Where it listens when nobody has said otherwise: for root the host's, for others their own one first."""
    own = Path(env.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    if engine is EngineName.DOCKER:
        places = [own / "docker.sock", Path("/var/run/docker.sock")]
    else:
        places = [own / "podman/podman.sock", Path("/run/podman/podman.sock")]
    return places[::-1] if os.geteuid() == 0 else places


def program(engine: EngineName, env: Mapping[str, str]) -> str | None:
    """Its program, where it is installed."""
    return which(engine.value, env)


def which(name: str, env: Mapping[str, str]) -> str | None:
    """A program, also where only root usually looks."""
    return shutil.which(name, path=f"{env.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
