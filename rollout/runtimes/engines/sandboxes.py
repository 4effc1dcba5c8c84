"""The sandboxes of Docker containers that start in a network namespace which was made before; see `sandbox`."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec
from rollout.runtimes.engines import sandbox
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.dialect import search
from rollout.runtimes.engines.labels import Labels

READY_S, LOOK_S = 10.0, 0.002
LOAD_S, START_S = 60.0, 60.0
CONFLICT = 409


def name_of(container: str) -> str:
    """The sandbox of this container."""
    return f"{container}.sandbox"


@dataclass(slots=True, kw_only=True)
class Sandboxes:
    """One for each instance that needs one, of one Docker. All calls are idempotent."""

    api: ContainerApi
    labels: Labels
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _image: str = field(default="")

    def ready(self, spec: InstanceSpec) -> None:
        """Its sandbox is in the namespace at `spec.network`. BrokenError, with no sandbox left, where it cannot be."""
        if self.stands(spec):
            return
        name = name_of(self.labels.name(spec.id))
        self.remove(spec.id)
        try:
            self.api.ask("POST", "/containers/create", params={"name": name}, body=self._body(spec), also={CONFLICT})
            self.api.ask("POST", f"/containers/{name}/start", timeout_s=START_S)
            self._wait(name, spec)
        except BrokenError:
            self.remove(spec.id)
            raise

    def stands(self, spec: InstanceSpec) -> bool:
        """Its sandbox is in the namespace that stands at `spec.network` now."""
        return self._inside(name_of(self.labels.name(spec.id)), spec.network)

    def remove(self, instance: str) -> None:
        """There is none of this instance."""
        name = name_of(self.labels.name(instance))
        found = self.api.ask("GET", f"/containers/{name}/json")
        if not found.unknown and self.labels.ours(found.data["Config"].get("Labels") or {}, instance):
            self.api.ask("DELETE", f"/containers/{name}", params={"force": "true", "v": "true"}, also={CONFLICT})

    def _wait(self, name: str, spec: InstanceSpec) -> None:
        limit = self.clock() + READY_S
        while not self._inside(name, spec.network):
            if self.clock() > limit:
                raise BrokenError(
                    f"{spec.service}: Docker's sandbox {name} does not get into the network of its instance",
                    state=f"nothing of {spec.id} runs",
                    then="look whether Docker remaps users (userns-remap) or is rootless: neither may enter it; rollout doctor",
                )
            self.sleep(LOOK_S)

    def _inside(self, name: str, namespace: str) -> bool:
        """It runs there: between its start and its first instructions it is still elsewhere."""
        found = self.api.ask("GET", f"/containers/{name}/json")
        pid = 0 if found.unknown else int(found.data["State"]["Pid"])
        try:
            return bool(pid) and os.path.samefile(f"/proc/{pid}/ns/net", namespace)
        except OSError:
            return False

    def _body(self, spec: InstanceSpec) -> Mapping[str, object]:
        return {
            "Image": self._loaded(),
            "Labels": dict(self.labels.of_sandbox(spec)),
            "HostConfig": {
                "NetworkMode": "none",
                "Dns": list(spec.dns),
                "DnsSearch": search(spec),
                "CapDrop": ["ALL"],
                "CapAdd": ["SYS_ADMIN"],
                "SecurityOpt": ["no-new-privileges"],
                "ReadonlyRootfs": True,
                "PidsLimit": 32,  # what starts it needs some
                "RestartPolicy": {"Name": "always"},  # what Docker starts again needs its sandbox
                "LogConfig": {"Type": "none"},
                "Mounts": [{"Type": "bind", "Source": spec.network, "Target": sandbox.NAMESPACE, "ReadOnly": True}],
            },
        }

    def _loaded(self) -> str:
        """The name of the image, which Docker has."""
        try:
            name, archive = sandbox.image()
        except KeyError as error:
            what = f"there is no sandbox for machines of the kind {error.args[0]}"
            raise BrokenError(what, then="use Podman: rollout service set NAME --engine podman") from error
        if self._image != name and self.api.ask("GET", f"/images/{name}/json").unknown:
            self.api.ask("POST", "/images/load", params={"quiet": "true"}, content=archive, timeout_s=LOAD_S)
        self._image = name
        return name
