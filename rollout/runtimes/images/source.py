"""Where the files of an image come from: a folder, or a tar that is read where it stands. Nothing is ever unpacked from it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from rollout.runtimes.images import compression, header
from rollout.runtimes.images.contents import Contents
from rollout.runtimes.images.entries import entries
from rollout.runtimes.images.limits import Limits, Room
from rollout.runtimes.images.reason import Reason, Refused, shown
from rollout.runtimes.images.tape import FileTape

_STEP = 256 * 1024
_LINKS = 8
_ANY = 2**64


class Source(Protocol):
    """Files by name."""

    def size(self, name: str) -> int | None:
        """Bytes of that file; None where there is none."""
        ...

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of that file, some at a time."""
        ...

    def close(self) -> None:
        """Nothing is held open any more."""
        ...


class FolderSource:
    """Files of a folder. Links are followed (some tools build layouts of them), to regular files only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def size(self, name: str) -> int | None:
        """Bytes of that file; None where there is none. Refused for what is not a file."""
        try:
            found = os.stat(self._folder / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(name, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise Refused(Reason.UNREADABLE, f"{name} is not a regular file")
        return found.st_size

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of that file, some at a time."""
        try:
            with opened(self._folder / name) as file:
                while chunk := file.read(_STEP):
                    yield chunk
        except OSError as error:
            raise _unreadable(name, error) from error

    def close(self) -> None:
        """Nothing was held open."""


class ArchiveSource:
    """Files of a tar. Its names follow the same rules as those of a layer: `docker load` unpacks it."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._file = _opened_archive(path)
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            self._look(os.fstat(self._file.fileno()).st_size, limits)
        except BaseException:
            self._file.close()
            raise

    def _look(self, size: int, limits: Limits) -> None:
        if (kind := compression.guessed(self._file.read(4))) != compression.PLAIN:
            raise Refused(Reason.NOT_AN_IMAGE, f"is compressed as a whole ({kind})", then=f"unpack its {kind}, then try again")
        tape = FileTape(self._file, size)
        _begins_as_tar(tape)
        contents = Contents(Room.of(limits))
        for entry in entries(tape, header_bytes=limits.header_bytes, most=_ANY):
            contents.add(entry)
            name = os.path.normpath(os.fsdecode(entry.name))
            if entry.kind == header.FILE:
                self._places[name] = (tape.position, entry.size)
            elif entry.kind == header.SYMBOLIC_LINK:
                self._links[name] = os.path.normpath(os.path.join(os.path.dirname(name), os.fsdecode(entry.link)))
            elif entry.kind == header.HARD_LINK:
                self._links[name] = os.path.normpath(os.fsdecode(entry.link))

    def size(self, name: str) -> int | None:
        """Bytes of that file; None where there is none."""
        place = self._place(name)
        return None if place is None else place[1]

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of that file, some at a time."""
        start, left = self._place(name) or (0, 0)
        while left:
            self._file.seek(start)
            chunk = self._file.read(min(_STEP, left))
            if not chunk:
                raise Refused(Reason.TRUNCATED, f"ends in the middle of {name}")
            yield chunk
            start, left = start + len(chunk), left - len(chunk)

    def _place(self, name: str) -> tuple[int, int] | None:
        name = os.path.normpath(name)
        for _ in range(_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        return self._places.get(name)

    def close(self) -> None:
        """The file is closed."""
        self._file.close()


def source(path: Path, limits: Limits) -> Source:
    """The files at this path. Refused where nothing there can be read as a folder or a tar."""
    try:
        return FolderSource(path) if path.is_dir() else ArchiveSource(path, limits)
    except FileNotFoundError:
        raise Refused(Reason.NOT_AN_IMAGE, "does not exist") from None
    except OSError as error:
        raise _unreadable("it", error) from error


def opened(path: Path) -> BinaryIO:
    """The regular file, open for reading. Never waits at a pipe. OSError, or Refused for what is not a file."""
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(number, "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        file.close()
        raise Refused(Reason.UNREADABLE, f"{shown(path.name)} is not a regular file")
    return file


def _opened_archive(path: Path) -> BinaryIO:
    file = opened(path)
    if os.fstat(file.fileno()).st_size < header.BLOCK:
        file.close()
        raise Refused(Reason.NOT_AN_IMAGE, "is neither a folder nor a tar")
    return file


def _begins_as_tar(tape: FileTape) -> None:
    """The tape stands at its begin again."""
    try:
        header.parse(tape.read(header.BLOCK))
    except Refused:
        raise Refused(Reason.NOT_AN_IMAGE, "is neither a folder nor a tar") from None
    tape.position = 0


def whole(source: Source, name: str, most: int) -> bytes:
    """A small file. Refused where it is missing or longer than `most`."""
    size = source.size(name)
    if size is None:
        raise Refused(Reason.MISSING, f"has no {name}")
    if size > most:
        raise Refused(Reason.TOO_LONG, f"has a {name} of {size:,} bytes; at most {most:,} are accepted")
    return b"".join(source.chunks(name))


def _unreadable(name: str, error: OSError) -> Refused:
    return Refused(Reason.UNREADABLE, f"{name} cannot be read: {error.strerror}")
