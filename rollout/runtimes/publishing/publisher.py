"""Publishing an image: found out by its digest, judged, brought to the engine that will run it, named as ours.

The engine that has it already needs nothing. Else it comes from where its owner said, and where that is gone, from the other
engine. Docker gets what it can read, converted by skopeo, or pulls from a registry itself; Podman's own storage gets the image as
it is, only the layers that it lacks, by skopeo too: 2.0 s against 2.7 s of `podman pull` for 100 MB with one small layer changed,
on a busy machine with the storage driver vfs. That all of a file is judged first comes to it: 1.3 s for these 100 MB.
"""

import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError, ImageRefusedError, TransientError
from rollout.host.images import ImageOrder, Stocked
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName
from rollout.model.image import Form, ImageDigest, Reference
from rollout.model.masking import mask
from rollout.runtimes.engines.engine_images import EngineImages, Held
from rollout.runtimes.engines.several import Engines
from rollout.runtimes.images.known import KnownLayers
from rollout.runtimes.publishing import files, registry
from rollout.runtimes.publishing.auth import login
from rollout.runtimes.publishing.files import Absent
from rollout.runtimes.publishing.skopeo import Skopeo

BOTH = (EngineName.DOCKER, EngineName.PODMAN)
NOTHING = "nothing was published"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One image for one engine, under `name`."""

    order: ImageOrder
    reference: Reference
    image: ImageDigest
    engine: EngineImages
    name: str


@dataclass(slots=True, kw_only=True)
class Publisher:
    """Fulfils host.images.Images. `scratch` holds what is written for a while, `known` the layers that were judged before.

    Safe to call from many threads.
    """

    engines: Engines
    scratch: Path
    known: KnownLayers
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _locks: defaultdict[tuple[str, str], threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))

    def tidy(self) -> None:
        """Nothing is left of what a host part before wrote for a while."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.known.prune()

    def pinned(self, spec: InstanceSpec) -> InstanceSpec:
        """See Images."""
        return self.engines.pinned(spec)

    def resolve_image(self, order: ImageOrder) -> ImageDigest:
        """See ImageShelf."""
        reference = Reference.parse(order.reference)
        if reference.form.file:
            with _told(order):
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
            return registry.look(reference, self._skopeo())
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
        task = _Task(order=order, reference=reference, image=image, engine=engine, name=name)
        with self._locks[engine.socket, image.config]:
            held = engine.find(image.config)
            if held is None:
                held = self._brought(task)
            if name not in held.tags:
                engine.tag(held, name)
        return name

    def _brought(self, task: _Task) -> Held:
        """The engine has it. BrokenError, with nothing half done on the engine, where that cannot be."""
        absent = []
        for bring in self._ways(task):
            try:
                bring(task)
                break
            except Absent as gone:
                absent.append(str(gone))
        else:
            raise _gone(task, absent)
        held = task.engine.find(task.name)
        if held is None or held.config != task.image.config:
            task.engine.drop(task.name)
            what = f"{task.order.service}: image {task.reference.at(task.image.digest)} became another one while it was copied"
            raise BrokenError(what, state=NOTHING, then=f"rollout service deploy {task.order.service}")
        return held

    def _ways(self, task: _Task) -> Iterator[Callable[[_Task], None]]:
        if task.reference.form.file:
            yield self._from_file
        if task.reference.form is Form.REGISTRY:
            yield self._pulled if task.engine.name is EngineName.DOCKER else self._from_registry
        yield self._from_the_other

    def _from_file(self, task: _Task) -> None:
        for_docker = task.engine.name is EngineName.DOCKER
        with (
            _told(task.order),
            files.staged(task.reference, task.image, self._place(), self.known, for_docker=for_docker) as source,
        ):
            self._copy(task, source)

    def _from_registry(self, task: _Task) -> None:
        place, plain = task.reference.place, registry.no_tls(task.reference.registry, "--src-tls-verify=false")
        try:
            self._copy(task, f"docker://{place}@{task.image.digest}", *plain)
        except BrokenError as error:
            raise Absent(error.what) from error

    def _pulled(self, task: _Task) -> None:
        """By Docker itself, which has only our name for it afterwards."""
        place, digest = task.reference.place, task.image.digest
        known = login(place, self.env)
        try:
            task.engine.pull(place, digest, known.header(task.reference.registry) if known else "")
        except BrokenError as error:
            raise Absent(mask(error.what, known.secrets if known else ())) from error
        pulled = task.engine.find(f"{place}@{digest}")
        if pulled is not None:
            task.engine.tag(pulled, task.name)
            task.engine.drop(f"{place}@{digest}")

    def _from_the_other(self, task: _Task) -> None:
        for other in self._others(task.engine):
            if other.find(task.image.config) is not None:
                self._copy(task, _source(other, task.image.config), *_host_of(other, "--src-daemon-host"))
                return
        raise Absent("no engine on this host has it")

    def _copy(self, task: _Task, source: str, *options: str) -> None:
        engine = task.engine
        if engine.name is EngineName.DOCKER:
            target = f"docker-daemon:{task.name}"
        else:
            target = f"containers-storage:{engine.storage()}{task.name}"
        self._skopeo().copy(source, target, *options, *_host_of(engine, "--dest-daemon-host"))

    def stocked_images(self) -> Sequence[Stocked]:
        """See ImageShelf."""
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

    def _skopeo(self) -> Skopeo:
        return Skopeo(self._place())

    def _place(self) -> Path:
        try:
            self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BrokenError(f"cannot make {self.scratch}: {error.strerror}", then="free some space") from error
        return self.scratch


@contextmanager
def _told(order: ImageOrder) -> Iterator[None]:
    """What is refused within ends as one error that names the service, in the words of the strict reader."""
    try:
        yield
    except ImageRefusedError as error:
        of = f" (release image {Reference.parse(order.reference).at(order.image.digest)})" if order.image else ""
        raise BrokenError(f"{order.service}: {error.what}{of}", state=NOTHING, then=error.then) from error


def _digest_of(held: Held, reference: Reference) -> ImageDigest:
    """What an engine has: by the digest of its manifest where the engine took it from there, else by its configuration."""
    said = reference.digest if reference.place else ""
    known = [one.partition("@")[2] for one in held.digests if one.partition("@")[0] == reference.place]
    manifest = said or (known[0] if known and reference.form is Form.REGISTRY else "")
    return ImageDigest(digest=manifest or held.config, config=held.config)


def _source(engine: EngineImages, config: str) -> str:
    if engine.name is EngineName.DOCKER:
        return f"docker-daemon:{config}"
    return f"containers-storage:{engine.storage()}@{config.partition(':')[2]}"


def _host_of(engine: EngineImages, option: str) -> tuple[str, ...]:
    return (option, engine.socket) if engine.name is EngineName.DOCKER else ()


def _gone(task: _Task, absent: Sequence[str]) -> BrokenError:
    service, image = task.order.service, task.image
    where = f"put it back to {task.reference.place}" if task.reference.form.file else f"bring it back as {task.order.reference}"
    return BrokenError(
        f"{service}: image {task.reference.at(image.digest)} ({image.digest}) is gone: {'; '.join(absent)}",
        state=NOTHING,
        then=f"{where}, or make a release of what is there now: rollout service deploy {service}",
    )
