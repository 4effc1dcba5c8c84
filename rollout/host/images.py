"""What containers are made of: a port of its own, which the desk asks before it promises an instance anything."""

from typing import Protocol

from rollout.host.ports import InstanceSpec


class Images(Protocol):
    """The images that the engines of this host have."""

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """The same with its engine and the id that its image has there now; one without an image as it is.

        BrokenError where no engine, or not the one it names, is on this host, or where it has no such image.
        """


class NoImages:
    """Fulfils Images where nothing runs in containers: there is nothing to pin."""

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """As it is."""
        return spec
