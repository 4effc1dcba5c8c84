"""What a refused image may do: nothing."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rollout.errors import ImageRefusedError
from rollout.runtimes.images.image import Platform
from rollout.runtimes.images.read import read_image

AMD64 = Platform(os="linux", architecture="amd64")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_seen: list[str] | None = None

Refuse = Callable[..., ImageRefusedError]


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    changes = event in CHANGES or event.startswith(("subprocess", "socket", "os.system", "os.exec", "os.posix_spawn"))
    if _seen is not None and (changes or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES)):
        _seen.append(f"{event} {arguments}")


sys.addaudithook(_hear)


@contextmanager
def changing_nothing() -> Iterator[None]:
    """No file is made, opened for writing, renamed or removed within, wherever; no process and no socket is begun."""
    global _seen  # noqa: PLW0603 (an audit hook stays until the process ends)
    seen = _seen = []
    try:
        yield
    finally:
        _seen = None
    assert seen == []


def standing(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {str(path): os.lstat(path) for path in folder.rglob("*")}
    return {path: (stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


@pytest.fixture
def refuse(tmp_path: Path) -> Refuse:
    """Reads an image that is to be refused; the error. It has three parts, names the image, and nothing changes."""

    def refuse(path: Path, **wanted: Any) -> ImageRefusedError:
        before = standing(tmp_path)
        with changing_nothing(), pytest.raises(ImageRefusedError) as caught:
            read_image(path, **{"platform": AMD64, **wanted})
        assert standing(tmp_path) == before
        error = caught.value
        assert str(path) in error.what
        assert error.what.isprintable()
        assert error.digest in error.what
        assert (error.exit_code, error.state) == (2, "nothing was published")
        assert error.then
        return error

    return refuse
