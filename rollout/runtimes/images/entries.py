"""The entries of a tar, one after the other, strictly: what two readers could take differently is refused.

Python's own `tarfile` ends silently at a damaged header, keeps every entry, and reads headers of any length into memory; we
want to see what an engine will see, in little memory.
"""

from collections.abc import Iterator

from rollout.runtimes.images import extended, header
from rollout.runtimes.images.extended import Told
from rollout.runtimes.images.header import BLOCK, Header
from rollout.runtimes.images.reason import Reason, Refused, shown
from rollout.runtimes.images.tape import Tape, only_zeros

_ZEROS = bytes(BLOCK)


def entries(tape: Tape, *, header_bytes: int, most: int) -> Iterator[Header]:
    """Each entry, the tape standing at its first byte of data, which is passed over afterwards.

    At the end the tape has been read whole. Refused at the first thing that is wrong; at a size beyond `most` before it is read.
    """
    told = Told()
    while block := _block(tape):
        found = header.parse(block)
        if found.kind in extended.KINDS:
            told.add(found.kind, _body(tape, found, header_bytes))
            continue
        entry, told = told.applied(found), Told()
        _sized(entry, most)
        yield entry
        if tape.skip(entry.size) < entry.size:
            raise _cut(entry)
        tape.skip(-entry.size % BLOCK)  # some tools leave the last padding out; Go's reader takes that too
    if told.kinds:
        raise Refused(Reason.EXTENDED_HEADER, "has an extended header without an entry")


def _block(tape: Tape) -> bytes:
    """The next header; empty at the end, which two zero blocks mark (some tools leave them out)."""
    block = tape.read(BLOCK)
    if block == _ZEROS:
        if not only_zeros(tape):
            raise Refused(Reason.HIDDEN, "has data after the end of its tar")
        return b""
    if block and len(block) < BLOCK:
        raise Refused(Reason.TRUNCATED, "ends in the middle of a tar header")
    return block


def _body(tape: Tape, found: Header, most: int) -> bytes:
    if found.size > most:
        raise Refused(Reason.EXTENDED_HEADER, f"has an extended header of {found.size:,} bytes; at most {most:,}")
    body = tape.read(found.size)
    if len(body) < found.size:
        raise _cut(found)
    tape.skip(-found.size % BLOCK)
    return body


def _sized(entry: Header, most: int) -> None:
    if entry.kind == header.SPARSE:
        raise Refused(Reason.SPARSE, f"has a sparse file, {shown(entry.name)}, which tar readers take differently")
    if entry.kind != header.FILE and entry.size:
        raise Refused(Reason.SIZE_LIES, f"has {shown(entry.name)}, which is no file, with a size of {entry.size:,}")
    if entry.size > most:
        raise Refused(Reason.TOO_LARGE, f"has {shown(entry.name)} of {entry.size:,} bytes; at most {most:,} are accepted")


def _cut(entry: Header) -> Refused:
    return Refused(Reason.TRUNCATED, f"ends in the middle of {shown(entry.name)}")
