"""The main job in memory, told by the commands that a person types; and what runs on this host, on real processes."""

import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.demo.cast import Cast
from rollout.demo.services import parts
from rollout.demo.story import Story
from rollout.model.lease import Holder
from rollout.store.leases import StoreLeases
from rollout.wiring import actor
from rollout.wiring.home import Home
from tests.demo.cardboard import Cardboard
from tests.runtimes.images.builder import END, GOOD, as_tar, docker, entry, made
from tests.scenarios.badness import called
from tests.scenarios.transcript import HERE, check

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def fast(home: Path) -> Iterator[Path]:
    for policy in HERE.glob("*.toml"):
        shutil.copy(policy, home.parent)
    shutil.copytree(HERE / "compose", home.parent / "compose")
    (home.parent / "compose" / "env.txt").rename(home.parent / "compose" / ".env")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield home
    for number, handler in before.items():
        signal.signal(number, handler)
    if (home / "run").exists():
        assert called("down", "--yes").code == 0


def two_leases(home: Path, _: pytest.MonkeyPatch) -> None:
    """Lease 1: a driver that is there. Lease 2: one whose machine has been silent for a day."""
    with Home(home).opened() as database:
        StoreLeases(database, actor.now, lambda _: True).take("wave-1", actor.holder("execute wave-1", who="ann"))
        gone = Holder(user="ben", host="gone", pid=77, started=1.0, doing="execute wave-2")
        StoreLeases(database, lambda: actor.now() - timedelta(days=1), lambda _: False).take("wave-2", gone)


def without_a_private_network(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine has."""
    monkeypatch.setattr("rollout.wiring.able.lacking", lambda: iter([("no nft", "apt-get install nftables")]))


def on_cardboard(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo is played without processes, traffic and time."""
    folder = Path("/nonexistent/rollout-demo")

    def story(**_: object) -> Story:
        return Story(cast=Cast(stage=Cardboard(), parts=parts(folder), traffic=None, folder=folder))

    monkeypatch.setattr("rollout.cli.demo.story", story)


def without_engines(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        monkeypatch.setenv(variable, "unix:///nonexistent.sock")


def images(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No engines. A layout of two layers, also as a tar, what docker save wrote, one that would write outside, a damaged one."""
    without_engines(home, monkeypatch)
    layers = (GOOD + END, entry(b"srv/page", b"hello\n") + END)
    as_tar(made(home.parent / "web", *layers))
    docker(home.parent / "saved.tar", *layers)
    made(home.parent / "hostile", entry(b"../../etc/cron.d/job", b"x") + END)
    damaged = made(home.parent / "damaged", *layers)
    next(path for path in (damaged / "blobs" / "sha256").iterdir() if path.read_bytes().startswith(b"srv/page")).unlink()


PREPARED: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "unlock.txt": two_leases,
    "demo.txt": on_cardboard,
    "doctor.txt": without_engines,
    "image.txt": images,
    "environment.txt": without_a_private_network,
}


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.txt")))
def test_transcript(name: str, fast: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in PREPARED:
        PREPARED[name](fast, monkeypatch)
    check(name, fast, monkeypatch)
