"""Notes in reserved room."""

from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.host import notes
from rollout.host.known import Note
from rollout.host.notes import SLOT, Notes


def note(service: str = "shop/api", actor: str = "ann") -> Note:
    return Note(service=service, actor=actor, at="2026-11-23T09:00:00+00:00")


def test_notes_are_kept_replaced_and_erased_without_changing_the_size(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    held = Notes(path)
    size = path.stat().st_size
    held.write(note())
    held.write(note("shop/web"))
    held.write(note(actor="bob"))
    assert Notes(path).all() == [note(actor="bob"), note("shop/web")]
    held.erase("shop/api")
    held.write(note("shop/db"))
    again = Notes(path)
    assert sorted(one.service for one in again.all()) == ["shop/db", "shop/web"]
    assert again.of("shop/api") is None
    assert path.stat().st_size == size


def test_the_longest_names_fit(tmp_path: Path) -> None:
    longest = note(f"{'e' * 63}/{'n' * 63}", actor="a" * 64)
    Notes(tmp_path / "notes").write(longest)
    assert Notes(tmp_path / "notes").all() == [longest]


def test_more_notes_than_room_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "SLOTS", 2)
    held = Notes(tmp_path / "notes")
    held.write(note("a/a"))
    held.write(note("a/b"))
    with pytest.raises(BrokenError, match="no room"):
        held.write(note("a/c"))


def test_a_broken_slot_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    held = Notes(path)
    held.write(note("a/a"))
    held.write(note("a/b"))
    content = path.read_bytes()
    path.write_bytes(b"{" + content[1:SLOT].replace(b"service", b"sXrvice") + content[SLOT:])
    assert [one.service for one in Notes(path).all()] == ["a/b"]
