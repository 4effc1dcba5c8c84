"""The volumes of a home: a folder for each, which containers of every engine mount, so that a move keeps what is in it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec
from rollout.model.volumes import Mount, mount

FOLDER = "volumes"
"""Of the host part of a home."""
OPEN = 0o777
"""Any user of an image may write to it. Nobody else on the host gets there: the folder above is the home's owner's alone."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """Below `folder` (0700) one folder for each environment, and in it one for each volume. They are never removed here."""

    folder: Path

    def ready(self, spec: InstanceSpec) -> Sequence[Mount]:
        """What its container is to mount, by absolute places that are there. BrokenError where one is not, or cannot be made."""
        return [self._ready(spec, mount(text, spec.service.partition("/")[2])) for text in spec.volumes]

    def place(self, environment: str, named: Mount) -> Path:
        """Where what is written to it is, once a container has mounted it."""
        return self.folder / environment / named.source

    def _ready(self, spec: InstanceSpec, wanted: Mount) -> Mount:
        if not wanted.named:
            if not os.path.exists(wanted.source):
                what = f"{spec.service}: {wanted.source}, which it mounts at {wanted.target}, is not on this host"
                raise BrokenError(what, state=f"nothing of {spec.id} runs", then=f"mkdir -p {wanted.source}")
            return wanted
        place = self.place(spec.service.partition("/")[0], wanted)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if not place.is_dir():
                place.mkdir(exist_ok=True)
                place.chmod(OPEN)
        except OSError as error:
            raise BrokenError(
                f"{spec.service}: the volume {wanted.source} cannot be made at {place}: {error.strerror}",
                state=f"nothing of {spec.id} runs",
                then="look at its permissions, free some space",
            ) from error
        return replace(wanted, source=str(place))
