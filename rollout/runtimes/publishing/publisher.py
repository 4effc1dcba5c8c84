"""Publishing an image: found out by its digest, judged, brought to the engine that will run it, named as ours.

The engine that has it already needs nothing. Else it comes from where its owner said, and where that is gone, from the other
engine.
"""

import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError, TransientError
from rollout.host.images import ImageOrder, Stocked
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName
from rollout.model.image import Form, ImageDigest, Reference
from rollout.runtimes.engines.engine_images import EngineImages, Held
from rollout.runtimes.engines.several import Engines
from rollout.runtimes.images.known import KnownLayers
from rollout.runtimes.publishing import files, registry
from rollout.runtimes.publishing.bringing import NOTHING, Bringer, Task, told

BOTH = (EngineName.DOCKER, EngineName.PODMAN)


@dataclass(slots=True, kw_only=True)
class Publisher:
    """Fulfils host.images.Images. `scratch` holds what is written for a while, `known` the layers that were judged before.

    Safe to call from many threads.
    """

    engines: Engines
    scratch: Path
    known: KnownLayers
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _bringer: Bringer = field(init=False)
    _locks: defaultdict[tuple[str, str], threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def __post_init__(self) -> None:
        self._bringer = Bringer(scratch=self.scratch, known=self.known, env=self.env, reached=self._reached)

    def tidy(self) -> None:
        """Nothing is left of what a host part before wrote for a while, nor on engines of what it broke off."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.known.prune()
        self._bringer.begun.make_good()

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """See Images."""
        return self.engines.pinned(spec)

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """See ImageShelf."""
        reference = Reference.parse(order.reference)
        if reference.form.file:
            with told(order):
                return files.look(reference)
        if reference.form is Form.REGISTRY and (found := self._of_registry(order, reference)) is not None:
            return found
        for engine in self._asked(order):
            if (held := engine.find(order.reference)) is not None:
                return _digest_of(held, reference)
        raise self._nowhere(order, reference)

    def _of_registry(self, order: ImageOrder, reference: Reference) -> ImageDigest | None:
        """What the registry says; where it says nothing, None if an engine has something of that name."""
        try:
            return registry.look(reference, self._bringer.skopeo())
        except BrokenError as error:
            if any(engine.find(order.reference) for engine in self._asked(order)):
                return None
            what = f"{order.service}: image {order.reference} is not to be had: {error.what}"
            then = error.then or f"look whether {reference.registry} answers; to log in: skopeo login {reference.registry}"
            raise BrokenError(what, state=NOTHING, then=then) from error

    def publish_image(self, order: ImageOrder) -> str:
        """See ImageShelf."""
        reference = Reference.parse(order.reference)
        image = order.image or self.resolve_image(order)
        engine = EngineImages(self.engines.choice(order.engine, order.runtime, order.service))
        name = engine.published(order.reference, image.digest)
        task = Task(order=order, reference=reference, image=image, engine=engine, name=name)
        with self._locks[engine.socket, image.config]:
            held = engine.find(image.config)
            if held is None:
                held = self._bringer.bring(task)
            if name not in held.tags:
                engine.tag(held, name)
        return name

    def stocked_images(self) -> Sequence[Stocked]:
        """See ImageShelf. What was broken off, and could not be made good when it was, is made good first."""
        self._bringer.begun.make_good()
        return [
            Stocked(engine=engine.name, name=name, config=held.config, size=held.size)
            for engine in self._reached(BOTH)
            for held in engine.every()
            for name in held.tags
            if name.startswith(engine.shelf)
        ]

    def drop_image(self, engine: EngineName, name: str) -> str:
        """See ImageShelf. BrokenError for a name that is not of ours."""
        found = next(iter(self._reached((engine,))), None)
        if found is None:
            return f"{engine} is not on this host"
        if not name.startswith(found.shelf):
            raise BrokenError(f"{name} is no image of this home", then="rollout image list")
        return found.drop(name)

    def _asked(self, order: ImageOrder) -> list[EngineImages]:
        """The engine that would run it, then the other."""
        first = EngineImages(self.engines.choice(order.engine, order.runtime, order.service))
        return [first, *self._others(first)]

    def _others(self, engine: EngineImages) -> list[EngineImages]:
        return self._reached([name for name in BOTH if name is not engine.name])

    def _reached(self, names: Sequence[EngineName]) -> list[EngineImages]:
        """Those that are here and answer."""
        found = []
        for name in names:
            try:
                engine = self.engines.reached(name)
            except (BrokenError, TransientError):
                continue
            found += [EngineImages(engine)] if engine is not None and engine.api.answers() else []
        return found

    def _nowhere(self, order: ImageOrder, reference: Reference) -> BrokenError:
        asked = " or ".join(engine.name for engine in self._asked(order))
        place = reference.place if "/" in reference.place else f"library/{reference.place}"
        hub = f"; on Docker Hub it is docker.io/{place}" if reference.place else ""
        return BrokenError(
            f"{order.service}: the image {order.reference} is not on {asked}",
            state=NOTHING,
            then=f"load it there, or say where it is: rollout service set {order.service} --image …{hub}",
        )


def _digest_of(held: Held, reference: Reference) -> ImageDigest:
    """What an engine has: by the digest of its manifest where the engine took it from there, else by its configuration."""
    said = reference.digest if reference.place else ""
    known = [one.partition("@")[2] for one in held.digests if one.partition("@")[0] == reference.place]
    manifest = said or (known[0] if known and reference.form is Form.REGISTRY else "")
    return ImageDigest(digest=manifest or held.config, config=held.config)
