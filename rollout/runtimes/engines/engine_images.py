"""The images of one engine, over its socket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.runtimes.engines.containers import BAD_REQUEST, CONFLICT, SERVER_ERROR, ContainerEngine

LOOK_S, PULL_S, DROP_S = 60.0, 600.0, 120.0
AUTH = "X-Registry-Auth"
MOUNT_PROGRAM = "overlay.mount_program"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An image that an engine has. `config`: digest of its configuration; `tags` and `digests`: names; `size` in bytes.

    `diff_ids`: digests of its layers, unpacked, from the lowest; none where it was listed among others.
    """

    config: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size: int
    diff_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineImages:
    """What is asked of an engine about images."""

    engine: ContainerEngine

    @property
    def name(self) -> EngineName:
        """Docker or Podman."""
        return self.engine.dialect.name

    @property
    def shelf(self) -> str:
        """What the names of images of ours begin with."""
        return self.engine.labels.shelf

    @property
    def socket(self) -> str:
        """Where it is asked, as a URL."""
        return f"unix://{self.engine.api.path}"

    def published(self, reference: str, digest: str) -> str:
        """The name of ours for an image."""
        return self.engine.labels.image(reference, digest)

    def find(self, name: str) -> Held | None:
        """The image of this name, digest or id; None where there is none."""
        found = self.engine.api.ask("GET", f"/images/{name}/json", also={BAD_REQUEST, SERVER_ERROR})
        return None if found.unknown or found.status in {BAD_REQUEST, SERVER_ERROR} else _held(found.data)

    def every(self) -> Sequence[Held]:
        """All images that it has."""
        return [_held(one) for one in self.engine.api.ask("GET", "/images/json", timeout_s=LOOK_S).data or []]

    def tag(self, held: Held, name: str) -> None:
        """The image has this name too. Idempotent."""
        repository, _, tag = name.rpartition(":")
        self.engine.api.ask("POST", f"/images/{held.config}/tag", params={"repo": repository, "tag": tag})

    def drop(self, name: str) -> str:
        """Nothing has this name, and an image without another one is gone. Empty, or the engine's words why it keeps it."""
        said = self.engine.api.ask("DELETE", f"/images/{name}", also={CONFLICT}, timeout_s=DROP_S)
        if said.status != CONFLICT:
            return ""
        told: Mapping[str, Any] = said.data or {}
        return str(told.get("message") or told.get("cause") or "a container uses it")

    def pull(self, place: str, digest: str, auth: str) -> None:
        """Docker has taken it from a registry by itself, the layers that it lacks. BrokenError with its own words."""
        wanted = {"fromImage": place, "tag": digest}
        headers = {AUTH: auth} if auth else {}
        said = self.engine.api.ask("POST", "/images/create", params=wanted, headers=headers, timeout_s=PULL_S)
        lines = [json.loads(line) for line in said.content.splitlines() if line.strip()]
        faults = [str(line["error"]) for line in lines if line.get("error")]
        if said.unknown or faults:
            words = faults[0] if faults else str((said.data or {}).get("message", "not found"))
            raise BrokenError(words, state="nothing was published")

    def storage(self) -> str:
        """Where Podman keeps its images on this host, in the words of containers-storage."""
        store = self.engine.api.ask("GET", "/info").data["store"]
        mount = store.get("graphOptions", {}).get(MOUNT_PROGRAM, {})
        program = mount.get("Executable", "") if isinstance(mount, dict) else str(mount)
        options = f":{MOUNT_PROGRAM}={program}" if program else ""
        return f"[{store['graphDriverName']}@{store['graphRoot']}+{store['runRoot']}{options}]"


def _held(told: Mapping[str, Any]) -> Held:
    """From either engine's words. Podman leaves the algorithm out of an id."""
    config = str(told["Id"])
    return Held(
        config=config if ":" in config else f"sha256:{config}",
        tags=tuple(told.get("RepoTags") or ()),
        digests=tuple(told.get("RepoDigests") or ()),
        size=int(told.get("Size") or 0),
        diff_ids=tuple((told.get("RootFS") or {}).get("Layers") or ()),
    )
