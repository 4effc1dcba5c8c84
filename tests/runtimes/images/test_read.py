"""Good images: what is read of them, in every form, and what a layer may hold that looks odd."""

import gzip
import hashlib
import json
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from rollout.errors import UsageError
from rollout.runtimes.images.image import Image, Platform, here
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.read import read_image
from tests.runtimes.images.builder import (
    AMD64,
    END,
    GOOD,
    INDEX,
    Layout,
    as_tar,
    docker,
    entry,
    head,
    made,
    pax,
    saved,
    sha,
    zipped,
)
from tests.runtimes.images.conftest import AMD64 as HERE
from tests.runtimes.images.conftest import changing_nothing, standing

TAR = GOOD + END
MIB = 1024**2
SKIPPED = b"\x50\x2a\x4d\x18\x04\x00\x00\x00note"


def read(path: Path, **wanted: object) -> Image:
    with changing_nothing():
        return read_image(path, **{"platform": HERE, **wanted})  # type: ignore[arg-type]


def test_what_is_told_of_an_image(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    manifest = layout.image(TAR, entry(b"srv/page") + END)
    layout.index(manifest)
    before = standing(tmp_path)
    image = read(layout.folder)
    assert standing(tmp_path) == before
    assert (image.digest, image.manifest_digest, image.platform) == (manifest["digest"], manifest["digest"], HERE)
    assert [(one.digest, one.diff_id, one.size, one.unpacked, one.files) for one in image.layers] == [
        (sha(TAR), sha(TAR), len(TAR), len(TAR), 3),
        (sha(entry(b"srv/page") + END), sha(entry(b"srv/page") + END), 1536, 1536, 1),
    ]
    assert (image.entrypoint, image.command) == (("/bin/web",), ("--port", "8080"))
    assert (image.user, image.working_dir, image.stop_signal) == ("1000:1000", "/srv", "SIGQUIT")
    assert image.ports == ("53/udp", "8080/tcp")
    assert image.env == {"PATH": "/bin", "SECRET": "tell-nobody"}
    assert "tell-nobody" not in repr(image)


def test_a_tar_of_a_layout_is_the_same_image(tmp_path: Path) -> None:
    folder = made(tmp_path / "web")
    of_folder, of_tar = read(folder), read(as_tar(folder))
    assert (of_folder.digest, of_folder.layers) == (of_tar.digest, of_tar.layers)


def test_a_docker_archive_is_the_same_image_without_a_manifest(tmp_path: Path) -> None:
    image = read(docker(tmp_path / "web.tar", TAR), tag="web:1")
    assert image.manifest_digest is None
    assert image.digest == image.config_digest
    assert (image.layers, image.entrypoint) == (read(made(tmp_path / "web", TAR)).layers, ("/bin/web",))


def test_a_docker_archive_with_links_and_a_layer_twice(tmp_path: Path) -> None:
    """Old Docker stores an equal layer once; skopeo names layers by their digest and links the old names to them."""
    rootfs = {"type": "layers", "diff_ids": [sha(TAR)] * 3}
    config = json.dumps({**AMD64, "config": {}, "rootfs": rootfs}).encode()
    layers = ["a/layer.tar", "b/layer.tar", "b/layer.tar"]
    manifest = [{"Config": "config.json", "RepoTags": ["web:1", "web:2"], "Layers": layers}]
    files = {"config.json": config, "a/layer.tar": zipped(TAR), "manifest.json": json.dumps(manifest).encode()}
    image = read(saved(tmp_path / "web.tar", files, {"b/layer.tar": "../a/layer.tar"}), tag="web:2")
    assert [(one.compression, one.diff_id) for one in image.layers] == [("gzip", sha(TAR))] * 3
    assert (image.entrypoint, image.command, image.user, image.env, image.ports) == ((), (), "", {}, ())


def test_a_layout_that_docker_wrote_too(tmp_path: Path) -> None:
    """Since Docker 25, `docker save` writes both in one."""
    layout = Layout(tmp_path / "web")
    layer, diff_id = layout.layer(TAR)
    config = layout.config([diff_id])
    layout.index(layout.manifest(config, [layer], said={"annotations": {"io.containerd.image.name": "docker.io/library/web:1"}}))
    names = [f"blobs/sha256/{one['digest'].removeprefix('sha256:')}" for one in (config, layer)]
    told = [{"Config": names[0], "RepoTags": ["web:1"], "Layers": names[1:]}]
    (layout.folder / "manifest.json").write_text(json.dumps(told))
    assert read(as_tar(layout.folder), tag="docker.io/library/web:1").config_digest == config["digest"]
    (layout.folder / "oci-layout").unlink()
    assert read(layout.folder).layers[0].digest == layer["digest"]


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [
        ("", TAR),
        ("+gzip", zipped(TAR)),
        ("+gzip", zipped(TAR[:700]) + zipped(TAR[700:])),
        ("+gzip", b"".join(zipped(TAR[at : at + 1]) for at in range(len(TAR)))),
        ("+zstd", zstandard.ZstdCompressor().compress(TAR)),
        ("+zstd", zstandard.ZstdCompressor().compress(TAR[:700]) + zstandard.ZstdCompressor().compress(TAR[700:])),
        ("+zstd", zstandard.ZstdCompressor().compress(TAR) + SKIPPED),
        ("+zstd", SKIPPED + zstandard.ZstdCompressor(write_checksum=True).compress(TAR)),
    ],
    ids=["plain", "gzip", "gzip in two", "gzip by byte", "zstd", "zstd in two", "zstd with a note", "a note, then zstd"],
)
@pytest.mark.parametrize("docker_types", [False, True])
def test_every_compression(suffix: str, packed: bytes, docker_types: bool, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    layer, diff_id = layout.layer(TAR, packed=packed, suffix=suffix)
    if docker_types:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar" + suffix.replace("+", ".")
    layout.index(layout.manifest(layout.config([diff_id]), [layer]))
    [found] = read(layout.folder).layers
    assert (found.compression, found.size, found.unpacked) == (suffix.removeprefix("+") or "plain", len(packed), len(TAR))


def test_the_platform_is_found_in_indexes_within_indexes(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    arm = {"os": "linux", "architecture": "arm64", "variant": "v8"}
    unknown = {"os": "unknown", "architecture": "unknown"}
    attests = layout.image(entry(b"about") + END, platform=unknown)
    images = {"arm64": layout.image(TAR, platform=arm), "amd64": layout.image(GOOD + entry(b"amd") + END, said={})}
    inner = layout.document({"schemaVersion": 2, "manifests": [images["arm64"], attests]}, INDEX)
    about = {**layout.image(TAR), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    layout.index(inner, images["amd64"], about)
    for architecture, manifest in images.items():
        found = read(layout.folder, platform=Platform.parse(f"linux/{architecture}"))
        assert (found.digest, found.platform.architecture) == (manifest["digest"], architecture)


def test_the_variant_is_exact_or_the_only_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    v5, v6 = ({"os": "linux", "architecture": "arm", "variant": one} for one in ("v5", "v6"))
    one, other = layout.image(TAR, platform=v5), layout.image(GOOD + entry(b"b") + END, platform=v6)
    layout.index(one, other)
    assert read(layout.folder, platform=Platform.parse("linux/arm/v6")).digest == other["digest"]
    layout.index(one)
    assert read(layout.folder, platform=Platform.parse("linux/arm")).digest == one["digest"]


def test_the_tag_chooses(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    tars = {tag: entry(tag.encode()) + END for tag in ("blue", "green")}
    tagged = {tag: layout.image(tar) for tag, tar in tars.items()}
    layout.index(*({**one, "annotations": {"org.opencontainers.image.ref.name": tag}} for tag, one in tagged.items()))
    for tag, one in tagged.items():
        assert read(layout.folder, tag=tag).digest == one["digest"]


def test_two_tags_of_one_image_need_no_choice(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "web")
    one = layout.image(TAR)
    layout.index(*({**one, "annotations": {"org.opencontainers.image.ref.name": tag}} for tag in ("1", "latest")))
    assert read(layout.folder).digest == one["digest"]


ODD = {
    "names that are not UTF-8": entry(b"caf\xe9"),
    "names that are not UTF-8 in PAX": pax((b"path", b"caf\xe9")) + entry(b"x"),
    "letters of any kind": entry("ünï çödé 名".encode()),
    "spaces and backslashes": entry(b"C:\\a b "),
    "the root": entry(b"./", kind=b"5") + entry(b"./a/", kind=b"5") + entry(b"./a/b"),
    "three dots": entry(b"...") + entry(b"..a") + entry(b"a.."),
    "a fifo": entry(b"run/initctl", kind=b"6"),
    "whiteouts": entry(b"a/.wh.b") + entry(b"a/b") + entry(b"c/.wh..wh..opq") + entry(b".wh.d"),
    "what AUFS left": entry(b".wh..wh.plnk", kind=b"5") + entry(b".wh..wh.aufs"),
    "a symbolic link to an absolute path": entry(b"a", kind=b"2", link=b"/etc/passwd"),
    "a symbolic link to nothing there": entry(b"a", kind=b"2", link=b"b/c"),
    "a symbolic link up to the root": entry(b"a/b", kind=b"2", link=b"../c"),
    "a symbolic link up and down": entry(b"usr/lib/a", kind=b"2", link=b"../../lib/../usr"),
    "a hard link": entry(b"a") + entry(b"b", kind=b"1", link=b"a") + entry(b"c", kind=b"1", link=b"./a"),
    "a hard link to what is below": entry(b"a", kind=b"1", link=b"bin/sh"),
    "a folder after what is in it": entry(b"a/b") + entry(b"a", kind=b"5"),
    "a file of the oldest kind": entry(b"a", b"x", kind=b"\0"),
    "a folder of the oldest kind": entry(b"a/", kind=b"\0") + entry(b"a/b"),
    "a long name": entry(b"././@LongLink", b"a/" * 90 + b"b\0", kind=b"L") + entry(b"a", b"x"),
    "a long link": entry(b"././@LongLink", b"a/" * 90 + b"b\0", kind=b"K") + entry(b"a", kind=b"2", link=b"x"),
    "a long name and link": entry(b"x", b"a\0", kind=b"K") + entry(b"x", b"b\0", kind=b"L") + entry(b"c", kind=b"2", link=b"x"),
    "a name of 255 bytes": pax((b"path", b"a" * 255)) + entry(b"a"),
    "a size in PAX too": pax((b"size", b"1"), (b"mtime", b"1.5")) + entry(b"a", b"x"),
    "attributes": pax((b"SCHILY.xattr.security.capability", b"\1\0\0\2\n\0=\xff")) + entry(b"a"),
    "a comment for all": pax((b"comment", b"made by git"), kind=b"g") + entry(b"a"),
    "a size in binary": head(b"a", size=b"\x80" + (1).to_bytes(11, "big")) + b"x" + bytes(511),
    "a prefix": head(b"b", prefix=b"a" * 150),
}


@pytest.mark.parametrize("name", ODD)
def test_what_looks_odd_and_is_legal(name: str, tmp_path: Path) -> None:
    read(made(tmp_path / "web", ODD[name] + END))


@pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(MIB)])
def test_every_end_of_a_tar_that_tools_write(end: bytes, tmp_path: Path) -> None:
    assert read(made(tmp_path / "web", GOOD + end)).layers[0].files == 3


@pytest.mark.parametrize("cut", [1, 300, 511])
def test_a_tar_whose_last_padding_is_missing(cut: int, tmp_path: Path) -> None:
    """So umoci writes layers."""
    assert read(made(tmp_path / "web", (GOOD + entry(b"a", b"x"))[:-cut])).layers[0].files == 4


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_that_python_writes(form: int, tmp_path: Path) -> None:
    here = Path(__file__).parents[2]
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w", format=form) as tar:
        tar.add(here / "runtimes", "srv/runtimes")
        tar.add(here / "house", "srv/house")
        names = tar.getnames()
    assert read(made(tmp_path / "web", path.read_bytes())).layers[0].files == len(names)


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_every_form_that_tar_writes(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "root"
    deep = folder / ("a" * 60) / ("b" * 20)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x" * 1000)
    (folder / "link").symlink_to("/etc/" + "c" * 80)
    (folder / "hard").hardlink_to(deep / "file")
    done = subprocess.run(["tar", "-C", folder, f"--format={form}", "-c", "."], capture_output=True, check=True)
    assert read(made(tmp_path / "web", done.stdout)).layers[0].files == 6


def test_a_large_layer_takes_little_memory(tmp_path: Path) -> None:
    """300 MB that pack into 300 kB, in both forms: what is held is some chunks."""
    tar = head(b"zeros", size=300 * MIB)
    for suffix in ("+gzip", "+zstd"):
        layout = Layout(tmp_path / suffix)
        pack = (lambda data: gzip.compress(data, 1, mtime=0)) if suffix == "+gzip" else zstandard.ZstdCompressor().compress
        packed = pack(tar) + pack(bytes(MIB)) * 300
        diff = _digest_of(tar, 300)
        layer, _ = layout.layer(tar, packed=packed, suffix=suffix)
        layout.index(layout.manifest(layout.config([diff]), [layer]))
        tracemalloc.start()
        read(layout.folder)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 16 * MIB


def _digest_of(first: bytes, mib: int) -> str:
    summed = hashlib.sha256(first)
    for _ in range(mib):
        summed.update(bytes(MIB))
    return f"sha256:{summed.hexdigest()}"


def test_what_is_just_within_the_limits(tmp_path: Path) -> None:
    path = made(tmp_path / "web", TAR)
    exact = Limits(layer_bytes=len(TAR), image_bytes=len(TAR), files=3, layers=1)
    assert read(path, limits=exact).layers[0].unpacked == len(TAR)


def test_platforms() -> None:
    assert str(Platform.parse("linux/arm64/v8")) == "linux/arm64"
    assert str(Platform.parse("linux/arm/v6")) == "linux/arm/v6"
    assert Platform.parse("linux/amd64") == HERE
    assert here().os == "linux"
    for text in ("", "linux", "linux/", "linux/a/b/c"):
        with pytest.raises(UsageError, match="not a platform"):
            Platform.parse(text)


def test_what_is_stored_behind_links(tmp_path: Path) -> None:
    """Some tools build layouts of links into a cache."""
    layout = Layout(tmp_path / "web")
    layout.index(layout.image(TAR))
    for blob in list((layout.folder / "blobs" / "sha256").iterdir()):
        blob.rename(tmp_path / blob.name)
        blob.symlink_to(tmp_path / blob.name)
    assert read(layout.folder).layers[0].diff_id == sha(TAR)
