"""Hostile and damaged layers: each is refused with its reason, named by image and digest, and nothing changes anywhere."""

import gzip
import zlib
from pathlib import Path

import pytest
import zstandard

from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Reason
from tests.runtimes.images.bad_layers import BAD_LAYERS, tar_of
from tests.runtimes.images.builder import AMD64, END, GOOD, Layout, docker, entry, made, pax, sha, zipped
from tests.runtimes.images.conftest import Refuse

MIB = 1024**2


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_a_bad_layer_is_refused(name: str, tmp_path: Path, refuse: Refuse) -> None:
    reason, made_of = BAD_LAYERS[name]
    tar = tar_of(made_of)
    error = refuse(made(tmp_path / "web", GOOD + END, tar))
    assert (error.reason, error.digest) == (reason, sha(tar))


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_a_bad_layer_is_refused_in_a_docker_archive(name: str, tmp_path: Path, refuse: Refuse) -> None:
    reason, made_of = BAD_LAYERS[name]
    tar = tar_of(made_of)
    error = refuse(docker(tmp_path / "web.tar", GOOD + END, tar))
    assert (error.reason, error.digest) == (reason, sha(tar))


def _packed(folder: Path, packed: bytes, suffix: str, *, tar: bytes = GOOD + END) -> Path:
    layout = Layout(folder)
    layer, diff_id = layout.layer(tar, packed=packed, suffix=suffix)
    return layout.index(layout.manifest(layout.config([diff_id]), [layer], said={"platform": AMD64}))


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


GZIPPED, ZSTD = zipped(GOOD + END), _zstd(GOOD + END)
SPOILT = bytearray(GZIPPED)
SPOILT[len(GZIPPED) // 2] ^= 0xFF
PACKED = {
    "gzip cut off": (Reason.TRUNCATED, "+gzip", GZIPPED[:-12]),
    "gzip cut off in its sum": (Reason.TRUNCATED, "+gzip", GZIPPED[:-3]),
    "an empty gzip": (Reason.TRUNCATED, "+gzip", b""),
    "gzip with a wrong sum": (Reason.NOT_COMPRESSED_SO, "+gzip", GZIPPED[:-8] + bytes(8)),
    "gzip with a wrong bit": (Reason.NOT_COMPRESSED_SO, "+gzip", bytes(SPOILT)),
    "gzip with something behind it": (Reason.NOT_COMPRESSED_SO, "+gzip", GZIPPED + b"something"),
    "gzip with zeros behind it": (Reason.NOT_COMPRESSED_SO, "+gzip", GZIPPED + bytes(512)),
    "plain, said to be gzip": (Reason.NOT_COMPRESSED_SO, "+gzip", GOOD + END),
    "zstd, said to be gzip": (Reason.NOT_COMPRESSED_SO, "+gzip", ZSTD),
    "gzip, said to be plain": (Reason.NOT_COMPRESSED_SO, "", GZIPPED),
    "zlib, said to be gzip": (Reason.NOT_COMPRESSED_SO, "+gzip", zlib.compress(GOOD + END)),
    "zstd cut off": (Reason.TRUNCATED, "+zstd", ZSTD[:-5]),
    "zstd with something behind it": (Reason.NOT_COMPRESSED_SO, "+zstd", ZSTD + b"something"),
    "zstd that wants 2 GB of memory": (Reason.NOT_COMPRESSED_SO, "+zstd", b"\x28\xb5\x2f\xfd\x00\xa8" + ZSTD[6:]),
    "another content than its diff_id": (Reason.WRONG_DIFF_ID, "+gzip", zipped(GOOD + entry(b"more") + END)),
    "another content behind the end": (Reason.WRONG_DIFF_ID, "+gzip", zipped(GOOD + END * 2)),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_is_badly_compressed_is_refused(name: str, tmp_path: Path, refuse: Refuse) -> None:
    reason, suffix, packed = PACKED[name]
    error = refuse(_packed(tmp_path / "web", packed, suffix))
    assert (error.reason, error.digest) == (reason, sha(packed))


@pytest.mark.parametrize("suffix", ["+gzip", "+zstd"])
def test_a_bomb_is_not_unpacked_further_than_it_may(suffix: str, tmp_path: Path, refuse: Refuse) -> None:
    """10 GB of zeros behind the end of a small tar, and as one header after the other. Neither header claims a large size."""
    pack = (lambda data: gzip.compress(data, 9, mtime=0)) if suffix == "+gzip" else _zstd
    piece = pack(bytes(16 * MIB))
    packed = pack(GOOD + END) + piece * 640
    error = refuse(_packed(tmp_path / "web", packed, suffix), limits=Limits(layer_bytes=64 * MIB))
    assert error.reason == Reason.TOO_LARGE
    assert "more than 67,108,864 bytes" in error.what
    assert error.then.endswith("--max-unpacked 1")
    headers = pack(pax((b"comment", b"a" * 1_000_000), kind=b"g"))
    error = refuse(_packed(tmp_path / "headers", headers * 10_000, suffix), limits=Limits(layer_bytes=64 * MIB))
    assert error.reason == Reason.TOO_LARGE


def test_an_image_of_many_layers_that_are_each_small_enough(tmp_path: Path, refuse: Refuse) -> None:
    tars = [entry(b"a%d" % number, bytes(MIB)) + END for number in range(5)]
    error = refuse(made(tmp_path / "web", *tars), limits=Limits(image_bytes=4 * MIB))
    assert (error.reason, error.digest) == (Reason.TOO_LARGE, sha(tars[3]))


def test_more_files_than_are_accepted(tmp_path: Path, refuse: Refuse) -> None:
    """A million of them, in 1,500 bytes a thousand; refused before the last are read."""
    packed = b"".join(zipped(b"".join(entry(b"%d/%d" % (thousand, n)) for n in range(1000))) for thousand in range(3))
    error = refuse(_packed(tmp_path / "web", packed + b"never read", "+gzip"), limits=Limits(files=2_500))
    assert error.reason == Reason.TOO_MANY
    assert "more than 2,500 files" in error.what
    assert error.then.endswith("--max-files 5000")


def test_a_million_files_are_too_many(tmp_path: Path, refuse: Refuse) -> None:
    assert Limits().files < 1_000_000
    folder = b"".join(entry(b"%d" % n) for n in range(1_000))
    error = refuse(made(tmp_path / "web", folder + END), limits=Limits(files=999))
    assert error.reason == Reason.TOO_MANY


def test_files_are_counted_over_all_layers(tmp_path: Path, refuse: Refuse) -> None:
    error = refuse(made(tmp_path / "web", GOOD + END, entry(b"a") + entry(b"b") + END), limits=Limits(files=4))
    assert (error.reason, error.digest) == (Reason.TOO_MANY, sha(entry(b"a") + entry(b"b") + END))


def test_a_blob_that_was_damaged_is_told_as_that(tmp_path: Path, refuse: Refuse) -> None:
    """Whatever its content looks like now, its digest is the reason."""
    path = made(tmp_path / "web")
    [blob] = [path for path in (path / "blobs" / "sha256").iterdir() if path.read_bytes().startswith(b"bin/")]
    was = sha(blob.read_bytes())
    for spoilt in (entry(b"../escaped", b"x"), b"noise" * 100, GOOD):
        blob.write_bytes(spoilt[:3000].ljust(len(GOOD + END), b"\1"))
        error = refuse(path)
        assert (error.reason, error.digest) == (Reason.WRONG_DIGEST, was)
