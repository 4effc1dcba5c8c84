"""The rooms on disk."""

from pathlib import Path

from rollout.host.rooms import Room, Rooms

ONE = Room(environment="prod", path="/run/netns/a", prefix="fd00:a:b:1::/64", dns="fd00:a:b:1::53")
TWO = Room(environment="stage", path="/run/netns/b", prefix="fd00:a:b:2::/64", dns="fd00:a:b:2::53")


def test_no_folder_is_no_room(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    assert rooms.all() == []
    assert rooms.find("prod") is None
    assert rooms.of("fd00:a:b:1::7") is None


def test_what_is_written_is_found_by_name_and_by_address(tmp_path: Path) -> None:
    rooms = Rooms(tmp_path / "rooms")
    rooms.write(TWO)
    rooms.write(ONE)
    assert Rooms(rooms.folder).all() == [ONE, TWO]
    assert rooms.of("fd00:a:b:2:0:1::3") == TWO
    assert rooms.of("fd00:a:b:3::1") is None
    rooms.remove("prod")
    rooms.remove("prod")
    assert rooms.all() == [TWO]
