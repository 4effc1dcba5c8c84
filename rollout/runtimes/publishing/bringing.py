"""Bringing an image to the engine that lacks it: from its file, from its registry, or from the other engine.

What comes from a file or a registry is judged before. Docker gets what it can read, converted by skopeo, or takes from the
registry itself only what it lacks; Podman's own storage gets the image as it is, by skopeo, only the layers that it lacks. With
500 MB of which one small layer has changed that is 0.1 s, as long as `podman pull` takes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError, ImageRefusedError
from rollout.host.images import ImageOrder
from rollout.model.fleet import EngineName
from rollout.model.image import Form, ImageDigest, Reference
from rollout.model.masking import mask
from rollout.runtimes.engines.engine_images import EngineImages, Held
from rollout.runtimes.images.known import KnownLayers
from rollout.runtimes.publishing import files, registry, stage, unnamed
from rollout.runtimes.publishing.auth import login
from rollout.runtimes.publishing.begun import Begun, Note
from rollout.runtimes.publishing.fetched import fetched
from rollout.runtimes.publishing.files import Absent
from rollout.runtimes.publishing.skopeo import Skopeo

NOTHING = "nothing was published"
Options = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One image for one engine, under `name`."""

    order: ImageOrder
    reference: Reference
    image: ImageDigest
    engine: EngineImages
    name: str

    def note(self, diff_ids: Sequence[str], pulled: str = "") -> Note:
        """Of this image, for the time of its copy."""
        return Note(engine=self.engine.name, config=self.image.config, pulled=pulled, diff_ids=tuple(diff_ids))


@dataclass(slots=True, kw_only=True)
class Bringer:
    """Brings images. `reached`: the engines of these names that are here and answer."""

    scratch: Path
    known: KnownLayers
    env: Mapping[str, str]
    reached: Callable[[Sequence[EngineName]], Sequence[EngineImages]]
    begun: Begun = field(init=False)
    _storages: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.begun = Begun(self.scratch.with_name("begun"), self._undone)

    def bring(self, task: Task) -> Held:
        """The engine has it. BrokenError, with nothing half done on the engine, where that cannot be."""
        absent = []
        for way in self._ways(task):
            try:
                with told(task.order):
                    way(task)
                break
            except Absent as gone:
                absent.append(str(gone))
        else:
            raise _gone(task, absent)
        held = task.engine.find(task.name)
        if held is None or held.config != task.image.config:
            self._storages.clear()
            task.engine.drop(task.name)
            what = f"{task.order.service}: image {task.reference.at(task.image.digest)} became another one while it was copied"
            raise BrokenError(what, state=NOTHING, then=f"rollout service deploy {task.order.service}")
        return held

    def _ways(self, task: Task) -> Iterator[Callable[[Task], None]]:
        if task.reference.form.file:
            yield self._from_file
        if task.reference.form is Form.REGISTRY:
            yield self._from_registry
        yield self._from_the_other

    def _from_file(self, task: Task) -> None:
        for_docker = task.engine.name is EngineName.DOCKER
        with files.staged(task.reference, task.image, self.place(), self.known, for_docker=for_docker) as (found, source):
            self._copy(task, [layer.diff_id for layer in found.layers], (source, ()))

    def _from_registry(self, task: Task) -> None:
        """Judged first. What is in the layout then goes from there; for what is not, the engine asks the registry itself."""
        name = f"{task.reference.place}@{task.image.digest}"
        plain = registry.no_tls(task.reference.registry, "--tls-verify=false")
        docker = task.engine.name is EngineName.DOCKER
        try:
            with fetched(name, task.image.digest, self.skopeo(), self.known, *plain) as found:
                if docker and not found.whole:
                    self._pulled(task, name)
                    return
                again = () if docker else ((f"docker://{name}", tuple(f"--src-{one[2:]}" for one in plain)),)
                with stage.staged(found.folder, found.image, self.place(), plainly=docker) as folder:
                    self._copy(task, [layer.diff_id for layer in found.image.layers], (f"oci:{folder}", ()), *again)
        except BrokenError as error:
            raise Absent(error.what) from error

    def _pulled(self, task: Task, name: str) -> None:
        """By Docker itself, which has only our name for it afterwards."""
        known = login(task.reference.place, self.env)
        with self.begun.noted(task.note((), pulled=name)):
            try:
                task.engine.pull(task.reference.place, task.image.digest, known.header(task.reference.registry) if known else "")
            except BrokenError as error:
                raise Absent(mask(error.what, known.secrets if known else ())) from error
            pulled = task.engine.find(name)
            if pulled is not None:
                task.engine.tag(pulled, task.name)
                task.engine.drop(name)

    def _from_the_other(self, task: Task) -> None:
        """Judged when it came there, or there by somebody else, who answers for it."""
        others = [name for name in EngineName if name in {EngineName.DOCKER, EngineName.PODMAN} and name is not task.engine.name]
        for other in self.reached(others):
            if (held := other.find(task.image.config)) is not None:
                self._copy(task, held.diff_ids, (self._source(other, task.image.config), _host_of(other, "--src-daemon-host")))
                return
        raise Absent("no engine on this host has it")

    def _copy(self, task: Task, diff_ids: Sequence[str], *sources: tuple[str, Options]) -> None:
        """From the first of the sources that has all of it."""
        engine = task.engine
        docker = engine.name is EngineName.DOCKER
        target = f"docker-daemon:{task.name}" if docker else f"containers-storage:{self._storage(engine)}{task.name}"
        with self.begun.noted(task.note(diff_ids)):
            for number, (source, options) in enumerate(sources, 1):
                try:
                    self.skopeo().copy(source, target, *options, *_host_of(engine, "--dest-daemon-host"))
                    return
                except BrokenError:
                    if number == len(sources):
                        raise

    def _undone(self, note: Note) -> None:
        """See Begun. An image that has a name by now is whole, and stays."""
        engine = next(iter(self.reached([note.engine])), None)
        if engine is None:
            raise BrokenError(f"{note.engine} does not answer")
        if note.pulled:
            engine.drop(note.pulled)
        held = engine.find(note.config)
        if held is not None and held.tags:
            return
        engine.drop(note.config)
        if engine.name is EngineName.PODMAN:
            unnamed.remove(engine, self._storage(engine), note.diff_ids, self.skopeo())

    def _storage(self, engine: EngineImages) -> str:
        """Asked once: it takes Podman half a second to say, and it does not change while its service stands at that socket."""
        if engine.socket not in self._storages:
            self._storages[engine.socket] = engine.storage()
        return self._storages[engine.socket]

    def _source(self, engine: EngineImages, config: str) -> str:
        if engine.name is EngineName.DOCKER:
            return f"docker-daemon:{config}"
        return f"containers-storage:{self._storage(engine)}@{config.partition(':')[2]}"

    def skopeo(self) -> Skopeo:
        """The program, its scratch ready."""
        return Skopeo(self.place())

    def place(self) -> Path:
        """The scratch, which is there. BrokenError where it cannot be made."""
        try:
            self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BrokenError(f"cannot make {self.scratch}: {error.strerror}", then="free some space") from error
        return self.scratch


@contextmanager
def told(order: ImageOrder) -> Iterator[None]:
    """What is refused within ends as one error that names the service, in the words of the strict reader."""
    try:
        yield
    except ImageRefusedError as error:
        of = f" (release image {Reference.parse(order.reference).at(order.image.digest)})" if order.image else ""
        raise BrokenError(f"{order.service}: {error.what}{of}", state=NOTHING, then=error.then) from error


def _host_of(engine: EngineImages, option: str) -> Options:
    return (option, engine.socket) if engine.name is EngineName.DOCKER else ()


def _gone(task: Task, absent: Sequence[str]) -> BrokenError:
    service, image = task.order.service, task.image
    where = f"put it back to {task.reference.place}" if task.reference.form.file else f"bring it back as {task.order.reference}"
    return BrokenError(
        f"{service}: image {task.reference.at(image.digest)} ({image.digest}) is gone: {'; '.join(absent)}",
        state=NOTHING,
        then=f"{where}, or make a release of what is there now: rollout service deploy {service}",
    )
