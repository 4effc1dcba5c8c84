"""Notes of what was led back without the store, in a file whose room was reserved in advance: a full disk does not matter.

Fixed slots, each one JSON line filled up with blanks; an empty slot is all blanks. Writing a slot needs no new block.
"""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from rollout.errors import BrokenError
from rollout.host.known import Note
from rollout.model.plain import from_plain, to_plain

SLOT = 512
SLOTS = 2048


class Notes:
    """The notes of one host part. Safe to call from many threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._reserve()
        self._slots = dict(self._load())

    def _reserve(self) -> None:
        """The file has all its room. Where the disk is full already there is none, and `write` will say so."""
        wanted = SLOT * SLOTS
        try:
            if self.path.exists() and self.path.stat().st_size >= wanted:
                return
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b", closefd=True) as file:
                held = file.seek(0, os.SEEK_END) // SLOT * SLOT
                file.seek(held)
                file.write(_filled(b"") * ((wanted - held) // SLOT))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return

    def _load(self) -> Iterator[tuple[int, Note]]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        for number in range(len(content) // SLOT):
            line = content[number * SLOT : (number + 1) * SLOT].strip()
            if line:
                try:
                    yield number, from_plain(Note, json.loads(line))
                except (ValueError, TypeError, KeyError):
                    continue

    def all(self) -> list[Note]:
        """What the store has not taken over."""
        return list(self._slots.values())

    def of(self, service: str) -> Note | None:
        """The note on a service."""
        return next((note for note in self.all() if note.service == service), None)

    def write(self, note: Note) -> None:
        """Durable on return; a second note on a service replaces the first. BrokenError when there is no room."""
        with self._lock:
            number = next((n for n, held in self._slots.items() if held.service == note.service), None)
            if number is None:
                number = next((n for n in range(SLOTS) if n not in self._slots), SLOTS)
            self._put(number, json.dumps(to_plain(note)).encode())
            self._slots[number] = note

    def erase(self, service: str) -> None:
        """Durable on return. Idempotent."""
        with self._lock:
            for number in [n for n, held in self._slots.items() if held.service == service]:
                self._put(number, b"")
                del self._slots[number]

    def _put(self, number: int, line: bytes) -> None:
        content = _filled(line)
        try:
            if len(content) != SLOT or number >= SLOTS:
                raise OSError(0, "there is no room for it")
            descriptor = os.open(self.path, os.O_WRONLY)
            try:
                os.pwrite(descriptor, content, number * SLOT)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise BrokenError(f"cannot write the note into {self.path}: {error.strerror}") from error


def _filled(line: bytes) -> bytes:
    return line.ljust(SLOT - 1) + b"\n"
