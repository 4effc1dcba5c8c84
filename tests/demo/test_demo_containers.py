"""The whole demo in containers, on real engines of the test's own: as told, and nothing is left of it, also when it is ended."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollout.demo import leftovers
from rollout.network.mesh.marks import NAMESPACES, mark_of
from tests.runtimes.engines.real_engines import IMAGE, RealEngine

ROOT = Path(__file__).parents[2]
LIMIT_S = 600.0
"""Four times as long as it takes on two cores that have nothing else to do."""
AT_WORK = 8
FILES = ["document.json", "story.txt"]
MOMENTS = {
    "containers are made": "starting 24 services",
    "the first move": "shop/coupons    launching",
    "a closed gap": "blog/mailer     gap",
    "the last legacy copies end": "legacy is drained",
}
"""What it has told when somebody ends it: while containers are made, while they move, while the last go."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for everything temporary; what a failed test left there is ended."""
    folder = Path(tempfile.mkdtemp(prefix="t-")).resolve()
    yield folder
    leftovers.sweep(folder)


@pytest.fixture(params=["containers"])
def engines(request: pytest.FixtureRequest) -> list[RealEngine]:
    """Both; the long tests ask for one of them too."""
    names = ("real_docker", "real_podman") if request.param == "containers" else (f"real_{request.param}",)
    return [request.getfixturevalue(name) for name in names]


class Demo:
    """A running demo; what it tells is in `story`, what it prints in `document`."""

    def __init__(self, place: Path, engines: list[RealEngine]) -> None:
        self._place, self._engines = place, engines
        self._story, self._document = (place / name for name in reversed(FILES))
        self._before = in_engines(engines)
        env = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": str(ROOT)}
        for engine in engines:
            env |= engine.environment
        name = engines[0].name if len(engines) == 1 else "containers"
        words = [sys.executable, "-m", "rollout", "demo", "--engine", name, "--json"]
        with self._story.open("wb") as told, self._document.open("wb") as printed:
            self.process = subprocess.Popen(words, env=env, stdout=printed, stderr=told, start_new_session=True)
        self.until(lambda: bool(list(place.glob("rollout-demo-*"))))
        (home,) = place.glob("rollout-demo-*")
        self._mark = mark_of(home / ".rollout" / "host" / "mesh")

    @property
    def told(self) -> str:
        return self._story.read_text()

    @property
    def containers(self) -> int:
        return sum(len(engine.containers()) for engine in self._engines)

    def until(self, condition: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not condition():
            assert self.process.poll() is None, self.told
            assert time.monotonic() < limit, self.told
            time.sleep(0.05)

    def in_network(self) -> list[str]:
        """What its private network has on the machine: namespaces, links, tunnels with their control sockets, mounts."""
        marks = (self._mark.links, self._mark.namespaces)
        places = (NAMESPACES, Path("/sys/class/net"), Path("/var/run/wireguard"))
        paths = [str(path) for place in places for mark in marks for path in place.glob(f"{mark}*")]
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        found = [line for line in mounts if str(self._place) in line or any(mark in line for mark in marks)]
        return paths + found + [line for line in commands() if any(mark in line for mark in marks)]

    def ended(self) -> dict[str, object]:
        """Its document; nothing that it made is there: in engines and in the network, of processes, mounts and files."""
        self.process.wait(LIMIT_S)
        processes = [" ".join(one.cmdline()) for one in leftovers.of(self._place)]
        files = sorted(path.name for path in self._place.iterdir())
        assert (in_engines(self._engines), self.in_network(), processes, files) == (self._before, [], [], FILES)
        return dict(json.loads(self._document.read_text()))

    def close(self) -> None:
        """It has taken everything down, also where a test failed."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(LIMIT_S)


@pytest.fixture
def demo(place: Path, engines: list[RealEngine]) -> Iterator[Demo]:
    started = Demo(place, engines)
    yield started
    started.close()


def in_engines(engines: list[RealEngine]) -> dict[str, list[str]]:
    """Containers, sandboxes among them, and images."""
    containers = [str(one["Id"]) for engine in engines for one in engine.containers()]
    images = []
    for engine in engines:
        with engine.client() as client:
            listed = client.get(f"{engine.prefix}/images/json").json()
        images += [str(tag) for one in listed for tag in one.get("RepoTags") or [] if "rollout/" in tag or IMAGE in tag]
    return {"containers": sorted(containers), "images": sorted(images)}


def commands() -> Iterator[str]:
    """Of all processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue


def as_told(result: dict[str, object]) -> None:
    requests = result["requests"]
    assert isinstance(requests, dict)
    assert (result.get("error"), result["leftovers"], result["finalized"]) == (None, [], True)
    assert result["services"] == {"legacy": 0, "v2": 24}
    assert (requests["failed_outside_declared_downtime"], requests["retried"]) == (0, 0)
    assert requests["failed_planted"] >= 1


@pytest.mark.timeout(800)
def test_the_whole_demo_runs_on_docker_and_podman_and_leaves_nothing(demo: Demo) -> None:
    as_told(demo.ended())
    assert demo.process.returncode == 0
    own = re.findall(r"shop/coupons fell back to legacy by itself: .* does not come up on v2", demo.told)
    assert len(own) == 1, demo.told


@pytest.mark.long
@pytest.mark.timeout(800)
@pytest.mark.parametrize("engines", ["docker", "podman"], indirect=True)
def test_the_whole_demo_runs_on_one_engine_alone(demo: Demo) -> None:
    as_told(demo.ended())
    assert demo.process.returncode == 0


@pytest.mark.long
@pytest.mark.timeout(800)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_ended_at_any_moment_it_leaves_nothing(demo: Demo, moment: str, number: signal.Signals, code: int) -> None:
    demo.until(lambda: MOMENTS[moment] in demo.told)
    demo.until(lambda: demo.containers >= AT_WORK and len(demo.in_network()) >= AT_WORK)
    os.killpg(demo.process.pid, number)
    result = demo.ended()
    assert (demo.process.returncode, result["error"], result["leftovers"]) == (code, "interrupted", [])


def test_without_its_engine_nothing_is_started_and_what_helps_is_said(place: Path) -> None:
    env = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": str(ROOT), "DOCKER_HOST": f"unix://{place}/none"}
    words = [sys.executable, "-m", "rollout", "demo", "--engine", "containers", "--json"]
    said = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout) == (1, "")
    assert "docker: no socket at" in said.stderr
    assert "nothing was started" in said.stderr
    assert "unset DOCKER_HOST" in said.stderr
    assert list(place.iterdir()) == []
