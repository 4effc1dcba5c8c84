"""Why an image is refused: one member for each case, and what a person does about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from rollout.runtimes.images.limits import GIB, Limits


class Reason(StrEnum):
    """Each case that ends in an error. Their order: what was given, its documents, its blobs, its layers, what is too much."""

    NOT_AN_IMAGE = "not an image"
    UNREADABLE = "cannot be read"
    WHICH = "several images"
    NO_SUCH_TAG = "no such tag"
    NO_SUCH_PLATFORM = "no such platform"

    NOT_JSON = "not JSON"
    MALFORMED = "malformed document"
    CONFUSED = "manifest or index"
    MEDIA_TYPE = "unknown media type"
    OLD_MANIFEST = "old manifest"
    BAD_DIGEST = "not a digest"
    PLATFORM_LIES = "another platform than said"
    LAYER_COUNT = "layers and diff_ids differ"
    TWO_STORIES = "two documents differ"

    MISSING = "missing blob"
    WRONG_SIZE = "wrong size"
    WRONG_DIGEST = "wrong digest"
    WRONG_DIFF_ID = "wrong diff_id"

    TRUNCATED = "truncated"
    NOT_COMPRESSED_SO = "not compressed as said"
    NOT_TAR = "damaged tar"
    EXTENDED_HEADER = "bad extended header"
    SIZE_LIES = "size that lies"
    SPARSE = "sparse file"
    BAD_NAME = "bad name"
    ABSOLUTE = "absolute path"
    TRAVERSAL = "path traversal"
    LINK_OUT = "link out of the root"
    THROUGH_LINK = "path through a link"
    BAD_LINK = "bad link"
    DEVICE = "device node"
    UNKNOWN_ENTRY = "unknown kind of entry"
    TWICE = "name twice"
    CONFLICT = "file and directory"
    WHITEOUT = "bad whiteout"
    OVERLAY = "attribute of the overlay"
    HIDDEN = "data after the end"

    TOO_LARGE = "unpacks to too much"
    TOO_MANY = "too many files"
    TOO_MANY_LAYERS = "too many layers"
    TOO_LONG = "document too long"
    TOO_DEEP = "indexes too deep"


_LONGEST = 120
_AGAIN = "copy or save the image again, then {show}"
_GIVEN = "give a folder or tar that is an OCI image layout, or what docker save wrote"
_LARGER = "have it built smaller, or allow more: {show} --max-unpacked {gib}"
_MORE = "have it built smaller, or allow more: {show} --max-files {files}"
_REBUILT = "do not use it; have the image built again by somebody you trust"
_AGAIN_AFTER = frozenset(
    {Reason.UNREADABLE, Reason.NOT_JSON, Reason.MISSING, Reason.WRONG_SIZE, Reason.WRONG_DIGEST, Reason.TRUNCATED}
)


def then(reason: Reason, show: str, limits: Limits) -> str:
    """The next command or action; `show`: the command that looks at this image again."""
    only = {Reason.NOT_AN_IMAGE: _GIVEN, Reason.TOO_LARGE: _LARGER, Reason.TOO_MANY: _MORE}
    told = only.get(reason, _AGAIN if reason in _AGAIN_AFTER else _REBUILT)
    return told.format(show=show, gib=max(1, 2 * limits.layer_bytes // GIB), files=2 * limits.files)


class Refused(Exception):
    """What is read is not acceptable: why, told without its name. `part` and `digest` of the blob, once they are known."""

    def __init__(self, reason: Reason, told: str, *, then: str = "") -> None:
        super().__init__(told)
        self.reason = reason
        self.told = told
        self.then = then
        self.part = self.digest = ""


@contextmanager
def about(part: str, digest: str) -> Iterator[None]:
    """What is refused within is told of this part of the image, unless it is known better there."""
    try:
        yield
    except Refused as refused:
        if not refused.digest:
            refused.part, refused.digest = part, digest
        raise


def plainly(text: str) -> str:
    """The text on one line of a terminal, whatever stands in it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(name: bytes | str) -> str:
    """A name out of an image, fit for a terminal: quoted, escaped, and shortened when very long."""
    text = plainly(name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name)
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[:_LONGEST]}…" ({len(text):,} long)'
