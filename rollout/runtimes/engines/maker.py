"""Making the container of an instance: again and again with the same result, whatever an earlier try has left."""

from dataclasses import dataclass

from rollout.errors import BrokenError
from rollout.host.joining import ALONE
from rollout.host.ports import InstanceSpec
from rollout.model.volumes import Mount
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.container_records import Records
from rollout.runtimes.engines.dialect import Dialect, Seen
from rollout.runtimes.engines.labels import Labels
from rollout.runtimes.engines.sandboxes import Sandboxes
from rollout.runtimes.engines.volumes import Volumes

CREATE_S, REMOVE_S = 60.0, 60.0
RESOLVER = "/etc/resolv.conf"
CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Maker:
    """Of one engine. Its errors are BrokenError, and AwayError where the engine does not answer."""

    dialect: Dialect
    api: ContainerApi
    records: Records
    labels: Labels
    volumes: Volumes
    sandboxes: Sandboxes | None

    def stands(self, spec: InstanceSpec) -> bool:
        """What its container was made in is still there."""
        sandboxes = self._sandboxes(spec)
        return sandboxes is None or sandboxes.stands(spec)

    def _sandboxes(self, spec: InstanceSpec) -> Sandboxes | None:
        """None for one that needs no sandbox."""
        return None if spec.network in {"", ALONE} else self.sandboxes

    def look(self, name: str) -> Seen | None:
        """The container of this name, whoever it belongs to."""
        found = self.api.ask("GET", f"/containers/{name}/json")
        return None if found.unknown else self.dialect.seen(found.data)

    def taken_back(self, spec: InstanceSpec) -> bool:
        """A container of this instance runs already, although we did not know; one that does not run is removed."""
        name = self.labels.name(spec.id)
        seen = self.look(name)
        if seen is None:
            return False
        self._check_ours(spec, seen)
        if not seen.live:
            self.api.ask("DELETE", f"/containers/{name}", params={"v": "true"}, timeout_s=REMOVE_S)
        return seen.live

    def _check_ours(self, spec: InstanceSpec, seen: Seen) -> None:
        """BrokenError where the container that has its name belongs to somebody else."""
        if not self.labels.ours(seen.labels, spec.id):
            name = self.labels.name(spec.id)
            raise BrokenError(
                f"{self.dialect.name} has a container {name} that is not of this home",
                state=f"it was not touched; nothing of {spec.id} runs",
                then=f"look at it, then remove it: {self.dialect.name} rm {name}",
            )

    def create(self, spec: InstanceSpec) -> None:
        """There is one that is ready to be started, and was never before."""
        name = self.labels.name(spec.id)
        named = {"name": name}  # Docker reads it here, Podman in the body
        mounts = self.volumes.ready(spec)
        if text := self.dialect.resolver(spec):
            mounts = [*mounts, Mount(str(self.records.resolver(spec.id, text)), RESOLVER, read_only=True)]
        body = self.dialect.mounting(self.dialect.body(spec, name, self.labels.of(spec)), mounts)
        if (sandboxes := self._sandboxes(spec)) is not None:
            sandboxes.ready(spec)
        try:
            made = self.api.ask("POST", "/containers/create", params=named, body=body, also={CONFLICT}, timeout_s=CREATE_S)
        except BrokenError:
            if (seen := self.look(name)) is None or not self.labels.ours(seen.labels, spec.id):
                self._check_image(spec)
                raise
            return
        if made.unknown:
            self._check_image(spec)
        elif made.status == CONFLICT and (seen := self.look(name)) is not None:  # made by a call whose answer was lost
            self._check_ours(spec, seen)

    def _check_image(self, spec: InstanceSpec) -> None:
        """BrokenError where the image has gone since it was pinned."""
        image = spec.image_id or spec.image
        if self.api.ask("GET", f"/images/{image}/json").unknown:
            raise BrokenError(
                f"{spec.service}: the image {spec.image} ({image}) is no longer on {self.dialect.name}",
                state=f"nothing of {spec.id} runs",
                then=self.dialect.fetch(spec.image),
            )
