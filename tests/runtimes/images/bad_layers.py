"""Layers that are refused: what each of them holds, and the reason."""

from collections.abc import Callable

from rollout.runtimes.images.reason import Reason
from tests.runtimes.images.builder import END, GOOD, entry, head, padded, pax, summed

Tar = bytes | Callable[[], bytes]
GIB = 1024**3


def _broken_sum(tar: bytes) -> bytes:
    return tar[:148] + b"0000001\0" + tar[156:]


def _form(magic: bytes) -> bytes:
    block = head(b"escaped", prefix=b"a/..")
    return summed(block[:257] + magic + block[265:])


def _sparse() -> bytes:
    """GNU's old sparse header: 1 TiB that is stored in one block."""
    block = head(b"huge", b"S", size=512)
    told = block[:386] + b"00000000000\0" + b"00000001000\0" + block[410:483] + b"20000000000\0" + block[495:]
    return summed(told) + bytes(512)


def _pax_sparse() -> bytes:
    return pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.realsize", b"%d" % 2**40)) + entry(b"huge", b"1\n0\n512\n")


XATTR = b"SCHILY.xattr.trusted.overlay."
LINKED = entry(b"out", kind=b"2", link=b"/etc")

BAD_LAYERS: dict[str, tuple[Reason, Tar]] = {
    "a path that leads upward": (Reason.TRAVERSAL, entry(b"../escaped", b"x")),
    "a path that leads upward from within": (Reason.TRAVERSAL, GOOD + entry(b"bin/../../escaped", b"x")),
    "a path that leads up and comes back": (Reason.TRAVERSAL, entry(b"bin/../srv", b"x")),
    "a path upward in a PAX record": (Reason.TRAVERSAL, pax((b"path", b"a/../../escaped")) + entry(b"a", b"x")),
    "a path upward in a long name": (Reason.TRAVERSAL, entry(b"././@LongLink", b"../escaped\0", kind=b"L") + entry(b"a", b"x")),
    "a path upward through the prefix": (Reason.TRAVERSAL, head(b"escaped", prefix=b"a/..")),
    "an absolute path": (Reason.ABSOLUTE, entry(b"/tmp/escaped", b"x")),
    "an absolute path in a PAX record": (Reason.ABSOLUTE, pax((b"path", b"/etc/passwd")) + entry(b"a", b"x")),
    "an absolute path with two slashes": (Reason.ABSOLUTE, entry(b"//etc/passwd", b"x")),
    "a symbolic link out": (Reason.LINK_OUT, entry(b"a/b", kind=b"2", link=b"../../etc")),
    "a symbolic link out at its end": (Reason.LINK_OUT, entry(b"a", kind=b"2", link=b"b/../../c")),
    "an absolute link above the root": (Reason.LINK_OUT, entry(b"a", kind=b"2", link=b"/../../etc")),
    "a long symbolic link out": (Reason.LINK_OUT, pax((b"linkpath", b"../etc")) + entry(b"a", kind=b"2", link=b"b")),
    "a hard link out": (Reason.LINK_OUT, entry(b"a", kind=b"1", link=b"../../etc/shadow")),
    "a hard link to an absolute path": (Reason.LINK_OUT, entry(b"a", kind=b"1", link=b"/etc/shadow")),
    "a file through a link": (Reason.THROUGH_LINK, LINKED + entry(b"out/passwd", b"x")),
    "a file deep through a link": (Reason.THROUGH_LINK, LINKED + entry(b"out/a/b/c", b"x")),
    "a file through a hard link": (Reason.THROUGH_LINK, LINKED + entry(b"b", kind=b"1", link=b"out") + entry(b"b/passwd", b"x")),
    "a hard link through a link": (Reason.THROUGH_LINK, LINKED + entry(b"a", kind=b"1", link=b"out/shadow")),
    "a hard link to itself": (Reason.BAD_LINK, entry(b"a", kind=b"1", link=b"./a")),
    "a hard link to a directory": (Reason.BAD_LINK, GOOD + entry(b"a", kind=b"1", link=b"bin")),
    "a hard link to nothing": (Reason.BAD_LINK, entry(b"a", kind=b"1")),
    "a symbolic link to nothing": (Reason.BAD_LINK, entry(b"a", kind=b"2")),
    "a symbolic link with a newline": (Reason.BAD_LINK, entry(b"a", kind=b"2", link=b"b\nc")),
    "a character device": (Reason.DEVICE, entry(b"dev/mem", kind=b"3")),
    "a block device": (Reason.DEVICE, entry(b"dev/sda", kind=b"4")),
    "an unknown kind": (Reason.UNKNOWN_ENTRY, entry(b"a", kind=b"V")),
    "a contiguous file": (Reason.UNKNOWN_ENTRY, entry(b"a", kind=b"7")),
    "a name with a newline": (Reason.BAD_NAME, entry(b"a\nb", b"x")),
    "a name that moves the cursor": (Reason.BAD_NAME, entry(b"a\x1b[2Jb", b"x")),
    "a name with a NUL": (Reason.BAD_NAME, pax((b"path", b"a\0b")) + entry(b"a", b"x")),
    "a file that is named as a directory": (Reason.BAD_NAME, entry(b"a/", b"x")),
    "a link that is named as a directory": (Reason.BAD_NAME, entry(b"a/", kind=b"2", link=b"b")),
    "an old file that turns out to be named as a directory": (Reason.BAD_NAME, pax((b"path", b"a/")) + entry(b"a", kind=b"\0")),
    "a folder without a name": (Reason.BAD_NAME, entry(b"", kind=b"5")),
    "no name": (Reason.BAD_NAME, entry(b"", b"x")),
    "a name of 256 bytes": (Reason.BAD_NAME, pax((b"path", b"a" * 256)) + entry(b"a", b"x")),
    "a path of 5000 bytes": (Reason.BAD_NAME, pax((b"path", b"a/" * 2500)) + entry(b"a", b"x")),
    "a root that is a link": (Reason.BAD_NAME, entry(b"./", kind=b"2", link=b"/etc")),
    "a root that is a file": (Reason.BAD_NAME, entry(b".", b"x")),
    "a name twice": (Reason.TWICE, entry(b"a", b"x") + entry(b"a", b"y")),
    "a name twice, written in two ways": (Reason.TWICE, entry(b"bin/web", b"x") + entry(b"./bin//web", b"y")),
    "a directory that turns into a link": (Reason.TWICE, entry(b"a", kind=b"5") + entry(b"a", kind=b"2", link=b"/etc")),
    "a directory that turns out to be a file": (Reason.CONFLICT, entry(b"a/b", b"x") + entry(b"a", b"x")),
    "a file with a file in it": (Reason.CONFLICT, entry(b"a", b"x") + entry(b"a/b", b"x")),
    "a whiteout of nothing": (Reason.WHITEOUT, entry(b"a/.wh.")),
    "a whiteout of its own folder": (Reason.WHITEOUT, entry(b"a/.wh..")),
    "a whiteout of the folder above": (Reason.WHITEOUT, entry(b"a/.wh...")),
    "a whiteout that is a link": (Reason.WHITEOUT, entry(b".wh.a", kind=b"2", link=b"b")),
    "a whiteout with something in it": (Reason.WHITEOUT, entry(b".wh.a", b"x")),
    "a whiteout that is a folder": (Reason.WHITEOUT, entry(b".wh.a/b", b"x")),
    "an attribute of the overlay": (Reason.OVERLAY, pax((XATTR + b"redirect", b"/etc")) + entry(b"a", kind=b"5")),
    "a sparse file": (Reason.SPARSE, _sparse),
    "a sparse file in PAX": (Reason.SPARSE, _pax_sparse),
    "a size in a directory": (Reason.SIZE_LIES, head(b"a", b"5", size=512) + entry(b"hidden", b"x")),
    "a size in a link": (Reason.SIZE_LIES, head(b"a", b"2", size=512, link=b"b") + entry(b"hidden", b"x")),
    "a negative size": (Reason.SIZE_LIES, head(b"a", size=b"\xff" * 12)),
    "a size that is no number": (Reason.SIZE_LIES, head(b"a", size=b"12345678x9a\0")),
    "a size behind a NUL": (Reason.SIZE_LIES, head(b"a", size=b"\0" + b"%010o\0" % 512) + entry(b"hidden")),
    "a size in binary that is too wide": (Reason.SIZE_LIES, head(b"a", size=b"\x81" + bytes(10) + b"\1") + entry(b"hidden")),
    "two sizes": (Reason.SIZE_LIES, pax((b"size", b"1024")) + entry(b"a", b"x") + entry(b"hidden", b"x")),
    "a size with a sign": (Reason.SIZE_LIES, pax((b"size", b"-1")) + entry(b"a", b"x")),
    "a file that claims 8 GB": (Reason.TRUNCATED, head(b"a", size=8 * GIB - 1)),
    "a file of 10 GB in binary": (Reason.TOO_LARGE, head(b"a", size=b"\x80" + (10 * GIB).to_bytes(11, "big"))),
    "a file of 10 GB in PAX": (Reason.TOO_LARGE, pax((b"size", b"%d" % (10 * GIB))) + head(b"a")),
    "a size of 20 digits": (Reason.TOO_LARGE, pax((b"size", b"9" * 20)) + head(b"a")),
    "a size of 21 digits": (Reason.SIZE_LIES, pax((b"size", b"9" * 21)) + head(b"a")),
    "a long name of 2 MB": (Reason.EXTENDED_HEADER, entry(b"x", b"a" * 2_000_000, kind=b"L") + entry(b"a", b"x")),
    "a long name that claims 4 GB": (Reason.EXTENDED_HEADER, head(b"x", b"L", size=4 * GIB)),
    "a PAX record that is too long": (Reason.EXTENDED_HEADER, entry(b"x", b"99 path=a\n", kind=b"x") + entry(b"a", b"x")),
    "a PAX record without a number": (Reason.EXTENDED_HEADER, entry(b"x", b"path=../a\n", kind=b"x") + entry(b"a", b"x")),
    "a PAX record without a value": (Reason.EXTENDED_HEADER, entry(b"x", b"6 abc\n", kind=b"x") + entry(b"a", b"x")),
    "two PAX headers": (Reason.EXTENDED_HEADER, pax((b"path", b"a")) + pax((b"path", b"b")) + entry(b"c", b"x")),
    "two long names": (Reason.EXTENDED_HEADER, pax((b"path", b"a")) + entry(b"x", b"b\0", kind=b"L") + entry(b"c", b"x")),
    "an empty long name": (Reason.EXTENDED_HEADER, entry(b"x", b"\0", kind=b"L") + entry(b"a", b"x")),
    "an empty path in PAX": (Reason.EXTENDED_HEADER, pax((b"path", b"")) + entry(b"a", b"x")),
    "a PAX header for nothing": (Reason.EXTENDED_HEADER, GOOD + pax((b"path", b"a"))),
    "a global path": (Reason.EXTENDED_HEADER, pax((b"path", b"../a"), kind=b"g") + entry(b"a", b"x")),
    "a global link": (Reason.EXTENDED_HEADER, pax((b"linkpath", b"/etc"), kind=b"g") + entry(b"a", kind=b"2", link=b"b")),
    "a wrong checksum": (Reason.NOT_TAR, GOOD + _broken_sum(entry(b"a", b"x"))),
    "a header of an unknown form": (Reason.NOT_TAR, _form(b"ustar\x0001")),
    "a header of the oldest form with a prefix": (Reason.NOT_TAR, _form(bytes(8))),
    "a header of GNU's form with a prefix": (Reason.NOT_TAR, _form(b"ustar  \x00")),
    "an owner that is no number": (Reason.NOT_TAR, summed(entry(b"a").replace(b"0644\x000000000", b"0644\0nobody!"))),
    "noise in place of a tar": (Reason.NOT_TAR, b"not a tar " * 200),
    "a header cut off": (Reason.TRUNCATED, GOOD + head(b"a")[:300]),
    "a file cut off": (Reason.TRUNCATED, GOOD + head(b"a", size=5000) + bytes(100)),
    "a long name cut off": (Reason.TRUNCATED, head(b"x", b"L", size=500) + b"name"),
    "an entry behind the end": (Reason.HIDDEN, GOOD + END + entry(b"../escaped", b"x")),
    "one zero block, then an entry": (Reason.HIDDEN, GOOD + bytes(512) + entry(b"../escaped", b"x")),
    "padding that is not zero": (Reason.HIDDEN, GOOD + END + padded(b"x")),
}  # fmt: skip


def tar_of(made: Tar) -> bytes:
    return made if isinstance(made, bytes) else made()
