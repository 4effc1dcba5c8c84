"""What may stand in a layer: the rules for names, links and kinds of entries.

Legal: names that are not UTF-8 (Linux takes them), fifos, whiteouts, symbolic links with absolute targets (they mean the
container's root), set-user-id bits. Refused: everything by which something outside the layer's root could be meant, what engines
refuse themselves (a name twice), and names that no terminal can show on one line.
"""

import re
from enum import IntEnum

from rollout.runtimes.images import header
from rollout.runtimes.images.header import Header
from rollout.runtimes.images.limits import Room
from rollout.runtimes.images.reason import Reason, Refused, shown

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_LONGEST_NAME = 255
_LONGEST_PATH = 4095
_WHITEOUT = b".wh."
_AUFS = frozenset({b".wh..wh.aufs", b".wh..wh.orph", b".wh..wh.plnk"})
"""What very old images hold beside; engines pass it over."""
_KNOWN = frozenset({header.FILE, header.HARD_LINK, header.SYMBOLIC_LINK, header.DIRECTORY, header.FIFO})
_DEVICES = frozenset({header.CHARACTER, header.BLOCK_DEVICE})


class _Kind(IntEnum):
    """What a path is known to be. IMPLIED: a directory, because something stands in it."""

    IMPLIED = 0
    DIRECTORY = 1
    FILE = 2
    LINK = 3


class Contents:
    """The entries of one layer, looked at in their order. Paths are kept as hashes: half a million fit in 40 MB."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._known: dict[int, _Kind] = {}
        self.files = 0

    def add(self, entry: Header) -> None:
        """The entry is in order. Refused otherwise, by the first rule that it breaks."""
        self.files += 1
        self._room.files -= 1
        if self._room.files < 0:
            raise Refused(Reason.TOO_MANY, f"brings the image to more than {self._room.most_files:,} files")
        parts = named(entry.name)
        _kind(entry)
        if entry.name.endswith(b"/") and entry.kind != header.DIRECTORY:
            raise Refused(Reason.BAD_NAME, f"has {shown(entry.name)}, which is named as a directory and is none")
        if not parts and entry.kind != header.DIRECTORY:
            raise Refused(Reason.BAD_NAME, f"has an entry for its root, {shown(entry.name)}, that is no directory")
        _whiteout(entry, parts)
        self._place(entry, b"/".join(parts))
        if entry.kind == header.SYMBOLIC_LINK:
            _inside(entry, parts)
        elif entry.kind == header.HARD_LINK:
            self._hard(entry, parts)

    def _place(self, entry: Header, path: bytes) -> None:
        key = hash(path)
        known = self._known.get(key)
        folder = entry.kind == header.DIRECTORY
        if known is _Kind.IMPLIED and not folder:
            raise Refused(Reason.CONFLICT, f"has {shown(entry.name)} both as a directory and as something else")
        if known is not None and known is not _Kind.IMPLIED:
            raise Refused(Reason.TWICE, f"has {shown(entry.name)} twice")
        for parent in self._new_parents(path, entry):
            self._known[parent] = _Kind.IMPLIED
        link = entry.kind in {header.SYMBOLIC_LINK, header.HARD_LINK}
        self._known[key] = _Kind.DIRECTORY if folder else _Kind.LINK if link else _Kind.FILE

    def _new_parents(self, path: bytes, entry: Header) -> list[int]:
        """The directories above that nothing stood in yet. Refused where one of them is not a directory."""
        found: list[int] = []
        cut = path.rfind(b"/")
        while cut > 0:
            key = hash(path[:cut])
            known = self._known.get(key)
            if known is _Kind.LINK:
                raise Refused(Reason.THROUGH_LINK, f"has {shown(entry.name)}, which leads through a link of the same layer")
            if known is _Kind.FILE:
                raise Refused(Reason.CONFLICT, f"has {shown(entry.name)} in something that is no directory")
            if known is not None:
                break
            found.append(key)
            cut = path.rfind(b"/", 0, cut)
        return found

    def _hard(self, entry: Header, parts: list[bytes]) -> None:
        """A hard link's target follows the rules of names; it may stand in a layer below."""
        try:
            target = named(entry.link)
        except Refused as refused:
            reason = Reason.LINK_OUT if refused.reason in {Reason.ABSOLUTE, Reason.TRAVERSAL} else Reason.BAD_LINK
            raise Refused(reason, f"has a hard link, {shown(entry.name)}, to {shown(entry.link)}") from refused
        path = b"/".join(target)
        if not target or target == parts or self._known.get(hash(path)) in {_Kind.IMPLIED, _Kind.DIRECTORY}:
            raise Refused(Reason.BAD_LINK, f"has a hard link, {shown(entry.name)}, to itself or a directory")
        self._new_parents(path, entry)


def named(name: bytes) -> list[bytes]:
    """The parts of a path below the root; none for the root. Refused where it leads out, or no file can have that name."""
    if not name:
        raise Refused(Reason.BAD_NAME, "has an entry without a name")
    if _CONTROL.search(name):
        raise Refused(Reason.BAD_NAME, f"has a name with a control character: {shown(name)}")
    if name.startswith(b"/"):
        raise Refused(Reason.ABSOLUTE, f"has an absolute path: {shown(name)}")
    parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
    if b".." in parts:
        raise Refused(Reason.TRAVERSAL, f"has a path that leads upward: {shown(name)}")
    if len(name) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in parts):
        raise Refused(Reason.BAD_NAME, f"has a name that is too long for Linux: {shown(name)}")
    return parts


def _kind(entry: Header) -> None:
    if entry.kind in _DEVICES:
        raise Refused(Reason.DEVICE, f"has a device node: {shown(entry.name)}")
    if entry.kind not in _KNOWN:
        raise Refused(Reason.UNKNOWN_ENTRY, f"has an entry of the unknown kind {shown(entry.kind)}: {shown(entry.name)}")


def _whiteout(entry: Header, parts: list[bytes]) -> None:
    """A whiteout is an empty file whose name says what is gone from below; nothing else is named like one."""
    if _WHITEOUT not in entry.name or parts[0] in _AUFS:
        return
    gone = parts[-1][len(_WHITEOUT) :] if parts[-1].startswith(_WHITEOUT) else None
    inner = any(part.startswith(_WHITEOUT) for part in parts[:-1])
    if inner or gone in {b"", b".", b".."} or (gone and (entry.kind != header.FILE or entry.size)):
        raise Refused(Reason.WHITEOUT, f"has a whiteout that is none: {shown(entry.name)}")


def _inside(entry: Header, parts: list[bytes]) -> None:
    """A symbolic link stays inside, read from where it stands; an absolute one begins at the container's root."""
    target = entry.link
    if not target or _CONTROL.search(target) or len(target) > _LONGEST_PATH:
        raise Refused(Reason.BAD_LINK, f"has a symbolic link, {shown(entry.name)}, to {shown(target)}")
    depth = 0 if target.startswith(b"/") else len(parts) - 1
    for part in target.split(b"/"):
        depth += -1 if part == b".." else 0 if part in {b"", b"."} else 1
        if depth < 0:
            raise Refused(Reason.LINK_OUT, f"has a symbolic link, {shown(entry.name)}, out of its root: {shown(target)}")
