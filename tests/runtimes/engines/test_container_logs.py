"""What a container goes on writing, followed on a real Docker and a real Podman."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.contract.engine import until
from rollout.host.ports import InstanceSpec
from rollout.model.fleet import EngineName, RestartPolicy
from rollout.runtimes.engines.container_api import ContainerApi
from rollout.runtimes.engines.containers import ContainerEngine
from rollout.runtimes.engines.log_stream import LogStream
from tests.runtimes.engines.test_container_engines import container, doer

SAYS_WHAT_COMES = """
echo begun
while true; do
    [ -e /said/say ] && { while read -r line; do echo "$line"; echo "$line" >&2; done < /said/say; mv /said/say /said/done; }
    [ -e /said/end ] && { mv /said/end /said/ended; exit 0; }
    sleep 0.05
done
"""


class Follower:
    def __init__(self, engine: ContainerEngine, instance: str, *, from_end: bool) -> None:
        api = ContainerApi(engine.dialect.name.value, engine.api.path, engine.dialect.prefix, sleep=time.sleep)
        self.stream = LogStream(api, engine.labels.name(instance), from_end=from_end)
        self.lines: list[str] = []

    def look(self) -> list[str]:
        self.lines += self.stream.new_lines()
        return self.lines


@pytest.fixture
def followers() -> Iterator[list[Follower]]:
    """Closed when nothing runs any more that they could read."""
    found: list[Follower] = []
    yield found
    for one in found:
        until(lambda one=one: not one.stream.reading)
        one.stream.close()


@pytest.fixture(params=[EngineName.DOCKER, EngineName.PODMAN])
def engine(request: pytest.FixtureRequest, tmp_path: Path, followers: list[Follower]) -> Iterator[ContainerEngine]:
    engine = doer(request.getfixturevalue(f"real_{request.param.value}"), tmp_path)
    yield engine
    for name in engine.known():
        engine.take_back(name)
        engine.stop(name, 0)
        engine.forget(name)
    engine.api.close()


@pytest.fixture
def said(tmp_path: Path) -> Path:
    place = tmp_path / "said"
    place.mkdir()
    return place


def talker(engine: ContainerEngine, said: Path) -> InstanceSpec:
    program = SAYS_WHAT_COMES.replace("mv ", "busybox mv ")
    return container(program, engine.dialect.name, volumes=(f"{said}:/said",), restart=RestartPolicy.ALWAYS)


def say(said: Path, text: str) -> None:
    (said / "done").unlink(missing_ok=True)
    (said / "next").write_text(text)
    (said / "next").rename(said / "say")
    until((said / "done").exists)


def heard(said: Path, one: Follower) -> bool:
    """It listens by now: what is said is told."""
    one.look()
    say(said, "tick\n")
    return "tick" in one.look()


def test_every_line_once_through_a_restart_until_it_is_stopped(
    engine: ContainerEngine, said: Path, followers: list[Follower]
) -> None:
    spec = talker(engine, said)
    engine.start(spec)
    until(lambda: "begun" in engine.tail(spec.id, 5))
    followers += [Follower(engine, spec.id, from_end=from_end) for from_end in (False, True)]
    whole, later = followers
    until(lambda: "begun" in whole.look())
    until(lambda: heard(said, later))
    say(said, "one\n")
    until(lambda: later.look().count("one") == 2 and whole.look().count("one") == 2)
    (said / "end").write_text("")
    until(lambda: whole.look().count("begun") == 2 and later.look().count("begun") == 1)
    say(said, "two\nthree\n")
    until(lambda: later.look().count("three") == 2 and whole.look().count("three") == 2)
    engine.stop(spec.id, 0)
    until(lambda: not later.stream.reading and not whole.stream.reading)
    for follower, begun in ((whole, 2), (later, 1)):
        told = sorted(text for text in follower.look() if text != "tick")
        assert told == sorted(["begun"] * begun + ["one", "two", "three"] * 2)


def test_what_is_gone_says_nothing(engine: ContainerEngine, followers: list[Follower]) -> None:
    none = Follower(engine, "nobody.0", from_end=False)
    followers.append(none)
    assert none.look() == []
    until(lambda: not none.stream.reading)
    assert none.look() == []
