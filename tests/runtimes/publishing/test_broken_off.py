"""A publish that is killed at any point, with skopeo or the engine at work: the next one leaves nothing half published.

What an engine has is told by the engine's own files: layers that no image names are shown by no command.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.model.image import ImageDigest
from rollout.runtimes.publishing.skopeo import Skopeo
from tests.runtimes.engines.real_engines import RealEngine
from tests.runtimes.images.builder import END, entry, made, sha
from tests.runtimes.publishing.conftest import Bench, Names
from tests.runtimes.publishing.registries import push, registry
from tests.runtimes.publishing.test_publisher import BOTH, OTHER, layer

LIMIT_S = 60.0
OURS = ("/publishing/", "/images/known.py", "/engines/engine_images.py")
WAYS = ("file", "registry", "registry again", "other")
SIZE = 2_000_000


def layers(engine: RealEngine) -> set[str]:
    """All layers that the engine stores, named by an image or not."""
    folder = engine.socket.parent
    if engine.name is EngineName.DOCKER:
        return {path.name for path in folder.glob("data/image/*/layerdb/sha256/*")}
    found = [json.loads(path.read_text()) for path in folder.glob("root/*-layers/layers.json")]
    return {one["id"] for told in found for one in told or ()}


@dataclass(frozen=True)
class Publish:
    """One that is about to be killed: of `image`, known as `reference`, to `engine`."""

    bench: Bench
    engine: EngineName
    reference: str
    image: ImageDigest

    @property
    def state(self) -> tuple[Names, set[str]]:
        return self.bench.names(self.engine), layers(self.bench.real[self.engine])

    @property
    def held(self) -> list[str]:
        """Under which names the engine has the image; of those with a digest Podman makes one for each by itself."""
        names = self.bench.names(self.engine)
        return [name for name, config in names if f"sha256:{config}" == self.image.config and "@" not in name]

    def killed(self, when: Callable[[], None]) -> bool:
        """In a process of its own that `when` kills, unless it ends before."""

        def run() -> None:
            bench = Bench(self.bench.folder, self.bench.real)  # connections of its own
            when()
            bench.published(self.reference, self.engine, self.image)

        child = multiprocessing.get_context("fork").Process(target=run)
        child.start()
        child.join(LIMIT_S)
        assert child.exitcode in {0, -signal.SIGKILL, -signal.SIGALRM}, child.exitcode
        return child.exitcode != 0

    def clean(self, before: tuple[Names, set[str]]) -> None:
        """What the next host part finds, and leaves: the whole image under our name, or nothing."""
        bench = Bench(self.bench.folder, self.bench.real)
        try:
            bench.publisher.tidy()
            assert not bench.publisher.scratch.exists() or not list(bench.publisher.scratch.iterdir())
            assert not list(bench.publisher.scratch.with_name("begun").glob("*"))
            _until(lambda: self.state == before or any(name.startswith(bench.shelf) for name in self.held))
            name = bench.published(self.reference, self.engine, self.image)
            assert self.held == [name]
            assert bench.publisher.drop_image(self.engine, name) == ""
        finally:
            bench.publisher.engines.close()
        _until(lambda: self.state == before)


def _until(condition: Callable[[], bool]) -> None:
    """An engine ends by itself what nobody listens to any more."""
    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit, "something half published stays"
        time.sleep(0.05)


def after_calls(count: int) -> Callable[[], None]:
    """Killed at the begin of that call of our own code."""

    def when() -> None:
        left = count

        def called(frame: FrameType, event: str, _argument: object) -> None:
            nonlocal left
            if event == "call" and any(part in frame.f_code.co_filename for part in OURS):
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(called)

    return when


def after_time(seconds: float) -> Callable[[], None]:
    """Killed so long after it has begun, wherever that is: mostly while skopeo or the engine works."""

    def when() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    return when


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("broken") / "registry") as found:
        yield found


def publish(bench: Bench, folder: Path, place: str, engine: EngineName, way: str) -> Publish:
    """An image of four layers, one of them known from another image, about to come to the engine on that way."""
    mark = f"{engine} {way}".encode()
    tars = [entry(b"base", mark * 1000) + END, *(entry(b"%d" % n, mark + os.urandom(SIZE)) + END for n in range(3))]
    bench.published(f"oci:{made(folder / 'base', tars[0])}", engine)
    web = made(folder / "web", *tars)
    reference = f"oci:{web}"
    if "registry" in way:
        reference = f"{place}/broken:{engine}-{way.replace(' ', '-')}"
        push(f"oci:{web}", reference)
    found = bench.resolved(reference, engine)
    if way == "other":
        bench.published(reference, OTHER[engine], found)
        (web / "index.json").unlink()
        (web / "oci-layout").unlink()
    if way == "registry again":
        bench.publisher.drop_image(engine, bench.published(reference, engine, found))
    return Publish(bench, engine, reference, found)


def swept(one: Publish, points: Callable[[int, float], list[Callable[[], None]]]) -> int:
    """At how many of the points it was killed. Points are made for so many calls and so many seconds as it takes in whole."""
    before = one.state
    calls = 0

    def counted(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and any(part in frame.f_code.co_filename for part in OURS)

    begin = time.monotonic()
    sys.setprofile(counted)
    try:
        name = one.bench.published(one.reference, one.engine, one.image)
    finally:
        sys.setprofile(None)
    took = time.monotonic() - begin
    one.bench.publisher.drop_image(one.engine, name)
    _until(lambda: one.state == before)
    killed = 0
    for point in points(calls, took):
        killed += one.killed(point)
        one.clean(before)
    return killed


@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_killed_leaves_nothing_half_published(
    bench: Bench, tmp_path: Path, place: str, engine: EngineName, way: str
) -> None:
    def points(calls: int, took: float) -> list[Callable[[], None]]:
        return [after_calls(calls * 3 // 4), after_time(took * 0.7)]

    assert swept(publish(bench, tmp_path, place, engine, way), points) >= 1


@pytest.mark.long
@pytest.mark.timeout(3600)
@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_every_call_and_all_the_time(bench: Bench, tmp_path: Path, place: str, engine: EngineName, way: str) -> None:
    def points(calls: int, took: float) -> list[Callable[[], None]]:
        return [
            *(after_calls(number) for number in range(1, calls + 1, max(1, calls // 60))),
            *(after_time(took * number / 40) for number in range(1, 41)),
        ]

    assert swept(publish(bench, tmp_path, place, engine, way), points) >= 60


def test_layers_that_came_before_a_copy_failed_are_gone_and_others_stay(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last layer of the layout is another one by the time when skopeo reads it."""
    base = layer("base that stays")
    kept = bench.published(f"oci:{made(tmp_path / 'base', base)}", EngineName.PODMAN)
    tars = [base, layer("second"), layer("third"), entry(b"last", os.urandom(SIZE)) + END]
    folder = made(tmp_path / "web", *tars)
    found = bench.resolved(f"oci:{folder}")
    one = Publish(bench, EngineName.PODMAN, f"oci:{folder}", found)
    before, copy, seen = one.state, Skopeo.copy, list[set[str]]()

    def exchanged(self: Skopeo, source: str, target: str, *options: str) -> None:
        (folder / "blobs/sha256" / sha(tars[-1]).removeprefix("sha256:")).write_bytes(bytes(len(tars[-1])))
        try:
            copy(self, source, target, *options)
        finally:
            seen.append(layers(bench.real[EngineName.PODMAN]))

    monkeypatch.setattr(Skopeo, "copy", exchanged)
    with pytest.raises(BrokenError, match="in truth"):
        bench.published(f"oci:{folder}", EngineName.PODMAN, found)
    assert seen[0] > before[1], "something had come"
    assert one.state == before
    assert kept in {name for name, _ in one.state[0]}
    assert not list(bench.publisher.scratch.iterdir())
