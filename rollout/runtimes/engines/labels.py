"""What tells our containers from those of others: a label for the home, and one for each thing that we know of an instance."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rollout.host.ports import InstanceSpec
from rollout.model.image import Reference

HOME, INSTANCE, SANDBOX = "rollout.home", "rollout.instance", "rollout.sandbox"
DIGITS = 10
SHORT = 12


@dataclass(frozen=True, slots=True)
class Labels:
    """Of the containers of one home, which `home` names."""

    home: str

    @classmethod
    def of_folder(cls, folder: Path) -> "Labels":
        """A home is its place on this host."""
        return cls(hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:DIGITS])

    def name(self, instance: str) -> str:
        """The container's name: the same for the same instance, and no other home's."""
        return f"rollout-{self.home}-{instance}"

    @property
    def shelf(self) -> str:
        """What the names of all images that this home has published begin with."""
        return f"localhost/rollout/{self.home}/"

    def image(self, reference: str, digest: str) -> str:
        """The name under which this image is published: the same for the same image, and no other home's."""
        return f"{self.shelf}{Reference.parse(reference).word}:{digest.partition(':')[2][:SHORT]}"

    def of(self, spec: InstanceSpec) -> Mapping[str, str]:
        """All labels of an instance; none of them is a secret."""
        return {
            HOME: self.home,
            INSTANCE: spec.id,
            "rollout.token": spec.token,
            "rollout.replica": str(spec.replica),
            "rollout.service": spec.service,
            "rollout.environment": spec.service.partition("/")[0],
            "rollout.runtime": str(spec.runtime),
            "rollout.release": str(spec.release),
        }

    def of_sandbox(self, spec: InstanceSpec) -> Mapping[str, str]:
        """Those of what only holds the network of an instance."""
        return {HOME: self.home, INSTANCE: spec.id, SANDBOX: "yes", "rollout.environment": spec.service.partition("/")[0]}

    def ours(self, labels: Mapping[str, str], instance: str) -> bool:
        """A container with these labels is that instance of this home."""
        return labels.get(HOME) == self.home and labels.get(INSTANCE) == instance

    def filters(self) -> str:
        """Lists the containers of this home and no others."""
        return json.dumps({"label": [f"{HOME}={self.home}"]})

    def instance(self, labels: Mapping[str, str]) -> str:
        """Which one a container of ours is."""
        return labels[INSTANCE]
