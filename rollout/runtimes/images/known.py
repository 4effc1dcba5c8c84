"""Layers that were judged before, and found good: what was learnt of them, so that they need not be read again.

Why that is safe. What is judged is content, and content is what a digest stands for: bytes with this digest, read as this kind of
layer by these rules, are good for ever. What may have changed since are the bytes that stand at a path, and nobody takes those on
trust: whoever reads a layer afterwards to use it (skopeo, for either engine, and Docker or Podman from a registry) verifies its
digest while reading, and ends without an image where it is another one; and a layer that an engine has already is not read from
there at all. So bytes that were exchanged after they were judged are refused when they are used, or never used.

What is known holds only where size, kind and digest unpacked are said to be what they were found to be, for the very rules that
judged it (its edition: any change of this package's code makes all be judged anew), and within the limits of the image that asks.
"""

import contextlib
import hashlib
import json
import os
import threading
from functools import cache
from pathlib import Path
from typing import Protocol

from rollout.model.plain import from_plain, to_plain
from rollout.runtimes.images.image import Layer
from rollout.runtimes.images.limits import Limits, Room

MOST = 10_000
"""So many layers are remembered; those that nobody asked for longest go first."""


class Known(Protocol):
    """What is remembered of layers."""

    def of(self, digest: str) -> Layer | None:
        """What was learnt of the layer of this digest when it was judged; None where it never was."""
        ...

    def add(self, layer: Layer) -> None:
        """The layer was judged and is good."""
        ...


class Nothing:
    """Fulfils Known: everything is judged."""

    def of(self, digest: str) -> Layer | None:
        """None."""

    def add(self, layer: Layer) -> None:
        """It is not remembered."""


class KnownLayers:
    """Fulfils Known by a folder (0700) with a file (0600) for each layer. Safe to use from many threads and processes.

    A file that is damaged, cut short or not written is a layer that is judged again: nothing here is ever an error.
    """

    def __init__(self, folder: Path, edition: str | None = None) -> None:
        self._folder = folder
        self._edition = edition or of_rules()

    def of(self, digest: str) -> Layer | None:
        """See Known."""
        path = self._path(digest)
        try:
            layer = from_plain(Layer, json.loads(path.read_bytes()))
            os.utime(path)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return layer if layer.digest == digest else None

    def add(self, layer: Layer) -> None:
        """See Known."""
        path = self._path(layer.digest)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        with contextlib.suppress(OSError):  # not remembered: it is judged again
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                json.dump(to_plain(layer), file)
            draft.replace(path)

    def prune(self, most: int = MOST) -> None:
        """At most so many are remembered, those asked for last; none that other rules judged, and no draft."""
        with contextlib.suppress(OSError):
            found = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
            ours = [path for path in found if path.name.startswith(f"{self._edition}-") and not path.suffix]
            for path in {*found} - {*ours[:most]}:
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"{self._edition}-{digest.replace(':', '-')}"


@cache
def of_rules() -> str:
    """Stands for the rules by which layers are judged: other text of this package, another edition."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:12]


def fits(layer: Layer, limits: Limits, room: Room) -> bool:
    """An image within these limits has room for the layer, which is less by it then; where it has not, judging it says why."""
    if layer.unpacked > min(limits.layer_bytes, room.bytes) or layer.files > room.files:
        return False
    room.bytes -= layer.unpacked
    room.files -= layer.files
    return True
