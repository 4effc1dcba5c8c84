"""What was begun on an engine and may have been broken off: noted before, made good by whoever comes next.

An image is there for an engine, and under our name, only when it is whole. What a broken copy leaves is something else: layers
that no image names (Podman; nothing of its own ever removes them), an image without a name (Podman, in its last moment), or one
under the name of its registry (Docker, pulled and not yet named as ours). A note outlives a SIGKILL; the next host part makes
it good before it does anything else, a copy that failed is made good at once.

Nothing of somebody else's is lost: only what was not there when the copy began is removed, and the engine itself keeps layers
that other images or containers use.
"""

import contextlib
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rollout.errors import BrokenError, RolloutError
from rollout.model.fleet import EngineName
from rollout.model.plain import from_plain, to_plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An image that is about to come to an engine that has not got it. `pulled`: the name that the engine gives it by itself.

    `diff_ids` of its layers, from the lowest.
    """

    engine: EngineName
    config: str
    pulled: str = ""
    diff_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Begun:
    """Notes in a folder (0700), one file each. `undo` makes one good, and raises RolloutError where it cannot now.

    Copies go on side by side; making good waits until none does, and they wait for it: a layer that no image names yet may be one
    that another copy is just about to build on.
    """

    folder: Path
    undo: Callable[[Note], None]
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def noted(self, note: Note) -> Iterator[None]:
        """For the time of a copy. Where it fails, nothing of it is left, or the note of it stays."""
        path = self._written(note)
        try:
            yield
            path.unlink()
        finally:
            with self._lock:
                self._under_way -= 1
                if not self._under_way:
                    self._make_good()

    def make_good(self) -> None:
        """Nothing is left of copies that were broken off; what cannot be made good now stays noted."""
        with self._lock:
            if not self._under_way:
                self._make_good()

    def _written(self, note: Note) -> Path:
        path = self.folder / f"{uuid.uuid4().hex}.json"
        with self._lock:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                    json.dump(to_plain(note), file)
            except OSError as error:
                with contextlib.suppress(OSError):
                    path.unlink()
                what = f"cannot write {path}: {error.strerror}"
                raise BrokenError(what, state="nothing was published", then="free some space") from error
            self._under_way += 1
        return path

    def _make_good(self) -> None:
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(RolloutError):  # it stays noted
                if (note := _read(path)) is not None:
                    self.undo(note)
                path.unlink(missing_ok=True)


def _read(path: Path) -> Note | None:
    """None for one that was not written to its end: nothing had begun yet."""
    try:
        return from_plain(Note, json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
