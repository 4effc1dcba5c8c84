"""Logs of several copies: the last lines, and following through rotation and new copies."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.executor.memory import VirtualClock
from rollout.host.ports import Attached, InstanceFacts, Phase
from rollout.model.fleet import RuntimeName
from rollout.operations.logs import Line, follow, last


class Host:
    """Copies with a log on disk each. Each wait of the follower lets the next thing happen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copies: list[Attached] = []

    def add(self, runtime: RuntimeName, replica: int = 0) -> Path:
        log = self.folder / f"{runtime}.{replica}"
        log.write_text("")
        facts = InstanceFacts(id=log.name, phase=Phase.RUNNING, started=float(len(self.copies)), log=str(log))
        self.copies.append(
            Attached(id=log.name, token="t", replica=replica, service="shop/api", runtime=runtime, release=1, facts=facts)
        )
        return log

    def instances(self, service: str | None = None) -> Sequence[Attached]:
        return self.copies

    def tail(self, instance: str, lines: int) -> Sequence[str]:
        return (self.folder / instance).read_text().splitlines()[-lines:]


class Script(VirtualClock):
    """Does the next of `acts` at each sleep; ends the following when none is left."""

    def __init__(self, *acts: object) -> None:
        super().__init__(datetime(2024, 6, 4, tzinfo=UTC))
        self.acts = iter(acts)

    def sleep(self, seconds: float) -> None:
        act = next(self.acts, None)
        if act is None:
            raise KeyboardInterrupt
        act()  # type: ignore[operator]  # acts are callables


def write(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def collect(host: Host, clock: Script) -> list[Line]:
    found: list[Line] = []
    lines = follow(host, "shop/api", None, clock, lambda _one, _end: None)  # type: ignore[arg-type]  # the part of HostPart that logs use
    with pytest.raises(KeyboardInterrupt):
        while True:
            found.append(next(lines))
    return found


def test_the_last_lines_of_each_copy_of_that_side(tmp_path: Path) -> None:
    host = Host(tmp_path)
    write(host.add(RuntimeName.LEGACY), "a\nb\nc\n")
    write(host.add(RuntimeName.V2, 1), "d\n")
    both = last(host, "shop/api", None, 2)  # type: ignore[arg-type]  # the part of HostPart that logs use
    assert both == [Line("legacy.0", "b"), Line("legacy.0", "c"), Line("v2.1", "d")]
    assert last(host, "shop/api", RuntimeName.V2, 2) == [Line("v2.1", "d")]  # type: ignore[arg-type]  # as above


def test_following_begins_at_the_end_and_gives_whole_lines(tmp_path: Path) -> None:
    host = Host(tmp_path)
    log = host.add(RuntimeName.LEGACY)
    write(log, "old\n")
    clock = Script(lambda: write(log, "new\nhal"), lambda: None, lambda: write(log, "f\n"), lambda: None)
    assert collect(host, clock) == [Line("legacy.0", "new"), Line("legacy.0", "half")]


def test_rotation_loses_no_line(tmp_path: Path) -> None:
    host = Host(tmp_path)
    log = host.add(RuntimeName.LEGACY)

    def rotate() -> None:
        write(log, "last of old\n")
        log.rename(f"{log}.1")
        log.write_text("first of new\n")

    clock = Script(lambda: write(log, "one\n"), rotate, lambda: None)
    assert [line.text for line in collect(host, clock)] == ["one", "last of old", "first of new"]


def test_a_copy_that_is_started_later_is_followed_from_its_beginning(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.add(RuntimeName.LEGACY)
    clock = Script(lambda: write(host.add(RuntimeName.V2), "hello\n"), lambda: None, lambda: None)
    assert collect(host, clock) == [Line("v2.0", "hello")]
