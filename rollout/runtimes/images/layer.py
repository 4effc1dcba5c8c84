"""One layer, read once: what is stored is summed up, unpacked as a stream, summed up again, and looked at entry by entry."""

from rollout.runtimes.images import compression
from rollout.runtimes.images.contents import Contents
from rollout.runtimes.images.digests import Summed
from rollout.runtimes.images.entries import entries
from rollout.runtimes.images.image import Layer
from rollout.runtimes.images.limits import Limits, Room
from rollout.runtimes.images.reason import Reason, Refused
from rollout.runtimes.images.source import Source
from rollout.runtimes.images.tape import StreamTape


def check_layer(
    source: Source, name: str, *, digest: str | None, diff_id: str, kind: str | None, limits: Limits, room: Room
) -> Layer:
    """The layer in that file, everything of it checked; `room` is less by what it unpacks to.

    `digest` None: nobody said what it should be. `kind` None: its first bytes say how it is compressed. Refused otherwise; where
    what is stored is not what it should be, that is the reason, whatever came out of it.
    """
    stored = Summed(source.chunks(name), digest.partition(":")[0] if digest else "sha256")
    try:
        layer = _looked_at(stored, kind or _guess(source, name), diff_id, limits, room)
    except Refused:
        if digest:
            stored.drain()
            stored.expect(digest)
        raise
    stored.drain()
    if digest:
        stored.expect(digest)
    return layer


def _guess(source: Source, name: str) -> str:
    return compression.guessed(next(source.chunks(name), b"")[:4])


def _looked_at(stored: Summed, kind: str, diff_id: str, limits: Limits, room: Room) -> Layer:
    most = min(limits.layer_bytes, room.bytes)
    unpacked = Summed(compression.unpacked(stored, kind), diff_id.partition(":")[0])
    contents = Contents(room)
    for entry in entries(StreamTape(unpacked, most), header_bytes=limits.header_bytes, most=most):
        contents.add(entry)
    if unpacked.digest != diff_id:
        raise Refused(Reason.WRONG_DIFF_ID, f"unpacks to {unpacked.digest}, and should to {diff_id}")
    room.bytes -= unpacked.size
    return Layer(
        digest=stored.digest, size=stored.size, diff_id=diff_id, compression=kind, unpacked=unpacked.size, files=contents.files
    )
