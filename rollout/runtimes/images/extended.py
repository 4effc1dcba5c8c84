"""Extended headers: what PAX records and GNU's long names say of the entry that follows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rollout.runtimes.images import header
from rollout.runtimes.images.header import Header
from rollout.runtimes.images.reason import Reason, Refused, shown

_LENGTH = re.compile(rb"([1-9][0-9]{0,8}) ")
_SIZE = re.compile(rb"[0-9]{1,20}")
_LARGEST_OCTAL = 8**11 - 1
_OF_ONE_ENTRY = (b"path", b"linkpath", b"size")
_SPARSE = b"GNU.sparse."
_OVERLAY = (b"SCHILY.xattr.trusted.overlay.", b"SCHILY.xattr.user.overlay.")

KINDS = frozenset({header.LONG_NAME, header.LONG_LINK, header.EXTENDED, header.GLOBAL})


@dataclass(slots=True)
class Told:
    """What was told of the next entry."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    long: dict[bytes, bytes] = field(default_factory=dict)
    kinds: set[bytes] = field(default_factory=set)

    def add(self, kind: bytes, body: bytes) -> None:
        """One more extended header is taken in. Refused where it is malformed or readers would differ on it."""
        if kind == header.GLOBAL:
            _harmless(dict(records(body)))
            return
        if kind in self.kinds:
            raise _bad("two extended headers of one kind for one entry")
        self.kinds.add(kind)
        if kind == header.EXTENDED:
            self.records = dict(records(body))
            _allowed(self.records)
        else:
            self.long[kind] = body.partition(b"\0")[0]
            if not self.long[kind]:
                raise _bad("a long name that is empty")

    def applied(self, plain: Header) -> Header:
        """The header as extended ones change it."""
        name = self._one(b"path", header.LONG_NAME) or plain.name
        link = self._one(b"linkpath", header.LONG_LINK) or plain.link
        return Header(plain.kind, name, link, self._size(plain))

    def _one(self, key: bytes, kind: bytes) -> bytes:
        found = [value for value in (self.records.get(key), self.long.get(kind)) if value]
        if len(found) > 1:
            raise _bad(f"two long names for one entry: {shown(found[0])} and {shown(found[1])}")
        return found[0] if found else b""

    def _size(self, plain: Header) -> int:
        told = self.records.get(b"size")
        if not told:
            return plain.size
        if not _SIZE.fullmatch(told):
            raise Refused(Reason.SIZE_LIES, f"has a size that is no number, of {shown(plain.name)}")
        size = int(told)
        if size <= _LARGEST_OCTAL and size != plain.size:
            raise Refused(Reason.SIZE_LIES, f"has {shown(plain.name)} with two sizes: {plain.size:,} and {size:,}")
        return size


def records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each PAX record. Refused unless each is as long as it says."""
    at = 0
    while at < len(body):
        length = _LENGTH.match(body, at)
        end = at + int(length[1]) if length else 0
        if not length or end <= length.end() or end > len(body) or body[end - 1] != ord("\n"):
            raise _bad("a PAX record of another length than it says")
        key, equals, value = body[length.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise _bad("a PAX record that is not KEY=VALUE")
        yield key, value
        at = end


def _allowed(found: dict[bytes, bytes]) -> None:
    if any(found.get(key) == b"" for key in _OF_ONE_ENTRY):
        raise _bad("a PAX record that takes a name or size away")
    if any(key.startswith(_SPARSE) for key in found):
        raise Refused(Reason.SPARSE, "has a sparse file, which tar readers take differently (OCI: should not be used)")
    for key in found:
        if key.startswith(_OVERLAY):
            raise Refused(Reason.OVERLAY, f"sets {shown(key)}, by which the engine's own file system is steered")


def _harmless(found: dict[bytes, bytes]) -> None:
    """A global header says nothing of names, sizes or attributes: some readers would apply it to all entries, some to none."""
    for key in found:
        if key in _OF_ONE_ENTRY or key.startswith((_SPARSE, b"SCHILY.xattr.")):
            raise _bad(f"a global PAX header with {shown(key)}, which tar readers take differently")


def _bad(what: str) -> Refused:
    return Refused(Reason.EXTENDED_HEADER, f"has {what}")
