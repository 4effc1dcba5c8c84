"""The rooms on disk."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.host.rooms import Room, Rooms

ONE = Room(environment="prod", path="/run/netns/a", prefix="fd00:a:b:1::/64", dns="fd00:a:b:1::53")
TWO = Room(environment="stage", path="/run/netns/b", prefix="fd00:a:b:2::/64", dns="fd00:a:b:2::53")


def test_no_folder_is_no_room(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    assert list(rooms.all()) == []
    assert rooms.find("prod") is None
    assert rooms.of("fd00:a:b:1::7") is None


def test_what_is_written_is_found_by_name_and_by_address(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    rooms.write(TWO)
    rooms.write(ONE)
    assert Rooms(rooms.folder).all() == [ONE, TWO]
    assert rooms.of("fd00:a:b:2:0:1::3") == TWO
    assert rooms.of("fd00:a:b:3::1") is None
    assert rooms.of("localhost") is None
    assert (rooms.of("100.64.3.4", "stage"), rooms.of("100.127.3.4", "prod")) == (TWO, ONE)
    assert (rooms.of("100.64.3.4"), rooms.of("100.128.3.4", "stage"), rooms.of("127.0.0.1", "stage")) == (None, None, None)
    rooms.remove("prod")
    rooms.remove("prod")
    assert rooms.all() == [TWO]


def test_egress_is_closed_unless_it_is_said(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    rooms.write(replace(ONE, egress=True))
    rooms.write(TWO)
    assert [room.egress for room in Rooms(rooms.folder).all()] == [True, False]
    (rooms.folder / "stage").write_text("/run/netns/b fd00:a:b:2::/64 fd00:a:b:2::53 100.64.0.0/10\n")
    assert rooms.find("stage") == TWO, "as it was written before egress was known"


def test_other_hosts_are_kept_with_the_room(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    wide = replace(ONE, hub="fd00:a:b:1:0:1:0:1", neighbours=("fd00:a:b:1:0:2:0:1", "fd00:a:b:1:0:3:0:1"), egress=True)
    rooms.write(wide)
    assert Rooms(rooms.folder).find("prod") == wide
    (rooms.folder / "prod").write_text(f"{ONE.path} {ONE.prefix} {ONE.dns} {ONE.prefix4} closed\n")
    assert rooms.find("prod") == ONE, "as it was written before other hosts were known"


def test_what_is_written_within_one_tick_of_the_kernel_is_seen_too(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    tick = time.time_ns() + 10**10
    for room in (ONE, replace(ONE, path="/run/netns/c"), TWO):
        rooms.write(room)
        os.utime(rooms.folder, ns=(tick, tick))
        assert room in rooms.all()


def test_files_are_read_again_only_when_something_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = Rooms(tmp_path / "rooms")
    rooms.write(ONE)
    long_ago = time.time_ns() - 10**10
    os.utime(rooms.folder, ns=(long_ago, long_ago))
    assert rooms.all() == [ONE]
    monkeypatch.setattr(Rooms, "find", lambda *_: pytest.fail("read again"))
    assert rooms.all() == [ONE]
    monkeypatch.undo()
    rooms.write(TWO)
    assert rooms.all() == [ONE, TWO]
