"""Images spoilt by chance: each is read or refused, never anything else; and what is accepted, another reader sees alike."""

import io
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.errors import ImageRefusedError
from rollout.runtimes.images.contents import Contents
from rollout.runtimes.images.entries import entries
from rollout.runtimes.images.limits import Limits, Room
from rollout.runtimes.images.read import read_image
from rollout.runtimes.images.reason import Refused
from rollout.runtimes.images.tape import StreamTape
from tests.runtimes.images.bad_layers import BAD_LAYERS, tar_of
from tests.runtimes.images.builder import END, GOOD, as_tar, docker, entry, made, pax
from tests.runtimes.images.conftest import AMD64, changing_nothing

SPOILT = int(os.environ.get("ROLLOUT_FUZZ", "300"))
LIMITS = Limits()
LAYERS = [
    GOOD + entry(b"a" * 90) + entry(b"b", kind=b"2", link=b"bin/web") + entry(b"c", kind=b"1", link=b"bin/web") + END,
    pax((b"path", b"deep/" * 40 + b"file"), (b"mtime", b"1.5")) + entry(b"x", b"y" * 600) + END,
    entry(b"././@LongLink", b"long/" * 40 + b"file\0", kind=b"L") + entry(b"x", b"z" * 30) + entry(b"d/", kind=b"5") + END,
    *(tar_of(tar) for _, tar in BAD_LAYERS.values()),
]


def spoilt(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a piece left out, put in twice or replaced by zeros; headers keep a right checksum now and then."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) or 1)
        match chance.randrange(4):
            case 0:
                changed[at : at + 1] = bytes((chance.choice((0, 1, 46, 47, 48, 55, 128, 255)),))
            case 1:
                del changed[at : at + chance.choice((1, 512, 1024))]
            case 2:
                changed[at:at] = changed[at : at + chance.choice((1, 512))]
            case _:
                changed[at : at + 8] = bytes(8)
    return bytes(_summed(changed)) if chance.random() < 0.8 else bytes(changed)


def _summed(data: bytearray) -> bytearray:
    """Every block that looks like a header has the right checksum."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            rest = data[at : at + 148] + b" " * 8 + data[at + 156 : at + 512]
            data[at + 148 : at + 156] = b"%06o\0 " % sum(rest)
    return data


def seen(tar: bytes) -> Iterator[tuple[bytes, int]]:
    """Name and size of each entry, as they were accepted."""
    contents = Contents(Room.of(LIMITS))
    for one in entries(StreamTape(iter([tar]), len(tar)), header_bytes=LIMITS.header_bytes, most=LIMITS.layer_bytes):
        contents.add(one)
        yield one.name, one.size


def seen_by_python(tar: bytes) -> list[tuple[bytes, int]]:
    padded = tar + bytes(-len(tar) % 512) + END  # Python does not take a last padding that is missing
    with tarfile.open(fileobj=io.BytesIO(padded), mode="r:", errors="surrogateescape") as opened:
        return [(member.name.encode("utf-8", "surrogateescape"), member.size) for member in opened]


def test_what_is_accepted_another_reader_sees_alike() -> None:
    chance, accepted = random.Random(5), 0
    for _ in range(SPOILT * 10):
        tar = spoilt(chance.choice(LAYERS), chance)
        try:
            found = list(seen(tar))
        except Refused:
            continue
        accepted += 1
        if found:
            assert [(name.rstrip(b"/"), size) for name, size in found] == seen_by_python(tar), tar
    assert accepted > SPOILT / 10


@pytest.mark.parametrize("form", ["layout", "docker"])
def test_what_was_spoilt_is_read_or_refused(form: str, tmp_path: Path) -> None:
    chance, refused = random.Random(7), 0
    path = as_tar(made(tmp_path / "web", *LAYERS[:3])) if form == "layout" else docker(tmp_path / "web.tar", *LAYERS[:3])
    good = path.read_bytes()
    for _ in range(SPOILT):
        path.write_bytes(spoilt(good, chance))
        try:
            with changing_nothing():
                read_image(path, platform=AMD64)
        except ImageRefusedError:
            refused += 1
    assert refused > SPOILT / 2


def test_a_change_would_be_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), changing_nothing():
        (tmp_path / "escaped").write_text("x")
    with pytest.raises(AssertionError), changing_nothing():
        (tmp_path / "escaped").rename(tmp_path / "b")
