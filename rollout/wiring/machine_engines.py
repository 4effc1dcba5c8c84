"""Which container engines this machine has, as `doctor` tells it; none is started."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rollout.errors import RolloutError
from rollout.model.fleet import EngineName
from rollout.operations.doctor import Finding, good, missing
from rollout.runtimes.engines import bounds, rootless, sockets
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.publishing import skopeo
from rollout.wiring.containers import DIALECTS

PATIENCE_S = 3.0
LEAST_DOCKER, LEAST_PODMAN = (1, 41), (4,)
BOTH = (EngineName.DOCKER, EngineName.PODMAN)
UNBOUNDED = f"; it keeps no limits of {bounds.in_words(bounds.ALL)}: control groups v1 are root's alone"
NEED = "needed for services that run from an image"
SERVES = {
    EngineName.DOCKER: "systemctl start docker, or look why it does not answer",
    EngineName.PODMAN: "systemctl restart podman.socket, or look why it does not answer",
}


def engines(patience_s: float = PATIENCE_S) -> Iterator[Finding]:
    """Docker and Podman, and what copies images to them. `patience_s`: how long an engine may take to answer."""
    for name in BOTH:
        yield _engine(name, patience_s)
    yield _skopeo()


def _skopeo() -> Finding:
    program = sockets.which("skopeo", os.environ)
    if program is None:
        return missing("skopeo", f"is not here ({NEED} in a file or registry)", skopeo.INSTALL)
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10 * PATIENCE_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return missing("skopeo", f"{program} does not run: {error} ({NEED} in a file or registry)", skopeo.INSTALL)
    return good("skopeo", said.split()[2] if len(said.split()) > 2 else said.strip())


def _engine(name: EngineName, patience_s: float) -> Finding:
    try:
        found = sockets.find(name, os.environ)
    except RolloutError as error:
        return missing(name, error.what, error.then)
    if found.socket is not None:
        return _answering(name, found.socket, patience_s)
    if found.closed is not None and (found.named or name is EngineName.DOCKER):
        return missing(name, f"{found.closed} is not open to this user ({NEED})", sockets.OPENS[name])
    if found.named:
        variable = sockets.VARIABLE[name]
        told = f"no socket at {os.environ[variable]}, which {variable} names ({NEED})"
        return missing(name, told, f"start it, or unset {variable}")
    return _installed(name)


def _answering(name: EngineName, socket: Path, patience_s: float) -> Finding:
    api = ContainerApi(name.value, socket, "", sleep=lambda _: None, usual_s=patience_s)
    try:
        told = api.ask("GET", "/version").data
        without = _as_this_user(name, api)
    except RolloutError:
        return missing(name, f"{socket} does not answer ({NEED})", SERVES[name])
    finally:
        api.close()
    version = str(told["Version"])
    where = f"{version}, API {told['ApiVersion']} at {socket}"
    if not _new_enough(name, told):
        return missing(name, f"{where}: too old ({NEED})", f"install a newer one: {sockets.INSTALL[name]}")
    return _with_runtime(name, f"{where}{without}")


def _as_this_user(name: EngineName, api: ContainerApi) -> str:
    """What an engine of somebody who is not root cannot do, for the end of a line; of root's nothing."""
    if os.geteuid() == 0:
        return ""
    lost = bounds.ALL - bounds.kept(name, api.ask("GET", f"{DIALECTS[name].prefix}/info").data)
    return f"; it keeps no limits of {bounds.in_words(lost)}" if lost else ""


def _new_enough(name: EngineName, told: dict[str, Any]) -> bool:
    least, text = (LEAST_DOCKER, told["ApiVersion"]) if name is EngineName.DOCKER else (LEAST_PODMAN, told["Version"])
    parts = [int(part) for part in str(text).split(".")[: len(least)] if part.isdigit()]
    return tuple(parts) >= least


def _installed(name: EngineName) -> Finding:
    program = sockets.program(name, os.environ)
    if program is None or name is EngineName.DOCKER:
        return missing(name, f"no socket ({NEED})", sockets.INSTALL[name])
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10 * PATIENCE_S, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return missing(name, f"{program} does not run: {error} ({NEED})", sockets.INSTALL[name])
    version, starts = said.split()[-1], "; its service is started where one is needed and none runs"
    if os.geteuid() == 0:
        return _with_runtime(name, f"{version} installed{starts}")
    if lacks := list(rootless.lacking(os.environ)):
        what = f"{version} installed, but without root there is {', '.join(lack for lack, _ in lacks)} ({NEED})"
        return missing(name, what, "; ".join(command for _, command in lacks))
    return _with_runtime(name, f"{version} installed, without root{starts}{UNBOUNDED if rootless.bounds_nothing() else ''}")


def _with_runtime(name: EngineName, told: str) -> Finding:
    """Podman is of no use without a program that makes its containers."""
    if name is EngineName.PODMAN and not any(sockets.which(one, os.environ) for one in ("crun", "runc")):
        return missing(name, f"{told}; but neither crun nor runc is here ({NEED})", "apt-get install runc")
    return good(name, told)
