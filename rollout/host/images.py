"""What containers are made of: ports of their own, for the desk, and for whoever publishes images through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.errors import BrokenError
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RuntimeName
from rollout.model.image import ImageDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOrder:
    """An image that a service is to run: the `reference` that its owner wrote, and where a copy of it would run.

    `image`: what the reference stood for when the release was made; None while that is to be found out.
    """

    service: str
    reference: str
    engine: EngineName
    runtime: RuntimeName
    image: ImageDigest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocked:
    """An image of ours on an engine. `name`: the one that we gave it; `config`: what the engine knows it by; `size` in bytes."""

    engine: EngineName
    name: str
    config: str
    size: int


class ImageShelf(Protocol):
    """What callers may ask of the host part about images. No fence: nothing here changes an instance. All is idempotent."""

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """What the reference stands for now. BrokenError where it stands for nothing that can be had."""

    def publish_image(self, order: ImageOrder) -> str:
        """The engine that would run it has the image, under a name of ours: that name.

        BrokenError, with nothing published, where the image is damaged or hostile, or gone everywhere.
        """

    def stocked_images(self) -> Sequence[Stocked]:
        """The images of this home that the engines have, by the names that we gave them."""

    def drop_image(self, engine: EngineName, name: str) -> str:
        """The engine has no image of ours under this name. Empty, or why it keeps it: a container uses it."""


class Images(ImageShelf, Protocol):
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

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """BrokenError: there is none."""
        raise BrokenError(f"{order.service}: no engine here runs images", then="rollout doctor")

    def publish_image(self, order: ImageOrder) -> str:
        """BrokenError: there is none."""
        raise BrokenError(f"{order.service}: no engine here runs images", then="rollout doctor")

    def stocked_images(self) -> Sequence[Stocked]:
        """None."""
        return ()

    def drop_image(self, engine: EngineName, name: str) -> str:
        """BrokenError: there is none."""
        raise BrokenError(f"{name}: {engine} is not here", then="rollout doctor")


class ImageDesk:
    """Fulfils ImageShelf by the images of the host part."""

    images: Images

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """See ImageShelf."""
        return self.images.resolve_image(order)

    def publish_image(self, order: ImageOrder) -> str:
        """See ImageShelf."""
        return self.images.publish_image(order)

    def stocked_images(self) -> Sequence[Stocked]:
        """See ImageShelf."""
        return self.images.stocked_images()

    def drop_image(self, engine: EngineName, name: str) -> str:
        """See ImageShelf."""
        return self.images.drop_image(engine, name)
