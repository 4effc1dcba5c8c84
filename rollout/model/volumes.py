"""A volume of a service as people write it: `NAME:/PATH`, `/FOLDER:/PATH`, `/PATH`, each with `:ro` where it is only read."""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

from rollout.model.names import to_label

READ_ONLY = "ro"
_HARMLESS = frozenset({"rw", "cached", "delegated", "consistent", "nocopy"})
"""Words of Docker's that change nothing here."""
_MOST_PARTS = 3


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` is a folder or file of the host, or the name of a volume of the environment, and is seen at `target`."""

    source: str
    target: str
    read_only: bool = False

    @property
    def named(self) -> bool:
        """It is kept by name, and is no place that somebody else keeps."""
        return not self.source.startswith("/")


def mount(text: str, service: str) -> Mount:
    """What is mounted where. One without a source is the service's own, named after the path. ValueError says what is wrong."""
    parts = text.split(":")
    own = [f"{service}-{to_label(text)}-{crc32(text.encode(errors='replace')):08x}"] if len(parts) == 1 else []
    source, target, *modes = [*own, *parts]
    if len(parts) > _MOST_PARTS or not source or not target.startswith("/") or target.strip("/") == "":
        raise ValueError(f"{text!r} is not [NAME or /FOLDER]:/PATH[:ro]")
    found = Mount(source, target)
    if found.named and (source != source.strip(".") or not set(source) <= _NAME):
        raise ValueError(f"{text!r}: {source!r} is no name of a volume: letters, digits and inner . _ -")
    words = set(modes[0].split(",")) if modes else set()
    if unknown := words - _HARMLESS - {READ_ONLY}:
        raise ValueError(f"{text!r}: {', '.join(sorted(unknown))} cannot be kept on both engines; ro can")
    return Mount(source, target, READ_ONLY in words)


def written(texts: Iterable[str], service: str) -> list[str]:
    """Those that are not only read: one copy at a time may mount them. What is no volume at all is none of them."""
    return [text for text in texts if _is_written(text, service)]


def _is_written(text: str, service: str) -> bool:
    try:
        return not mount(text, service).read_only
    except ValueError:
        return False


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
