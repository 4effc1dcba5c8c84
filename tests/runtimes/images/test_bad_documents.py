"""Layouts and archives whose documents are damaged or lie: each is refused with its reason, and nothing changes anywhere."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollout.runtimes.images.image import Platform
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Reason, Refused
from rollout.runtimes.images.source import ArchiveSource, FolderSource
from tests.runtimes.images.builder import (
    AMD64,
    END,
    GOOD,
    INDEX,
    LAYER,
    MANIFEST,
    RUNS,
    Json,
    Layout,
    as_tar,
    docker,
    entry,
    made,
    saved,
    sha,
    zipped,
)
from tests.runtimes.images.conftest import Refuse

TAR = GOOD + END
ARM64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
Make = Callable[[Layout], object]


def _path(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def _manifest(**more: Any) -> Make:
    """A manifest with some keys of its own."""

    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        manifest = layout.manifest(layout.config([diff_id]), [layer], said={"platform": AMD64}, **more)
        layout.index(manifest)

    return make


def _listed(**more: Any) -> Make:
    """A manifest that the index describes with some keys of its own."""

    def make(layout: Layout) -> None:
        layout.index({**layout.image(TAR), **more})

    return make


def _layered(change: Callable[[Json], Json], *, times: int = 1) -> Make:
    """Layers that the manifest describes in its own way."""

    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        config = layout.config([diff_id])
        layout.index(layout.manifest(config, [change(layer)] * times, said={"platform": AMD64}))

    return make


def _runs(**more: Any) -> Make:
    def make(layout: Layout) -> None:
        layout.index(layout.image(TAR, runs={**RUNS, **more}))

    return make


def _config(**more: Any) -> Make:
    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        layout.index(layout.manifest(layout.config([diff_id], **more), [layer], said={"platform": AMD64}))

    return make


def _config_of(media_type: str) -> Make:
    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        config = {**layout.config([diff_id]), "mediaType": media_type}
        layout.index(layout.manifest(config, [layer], said={"platform": AMD64}))

    return make


def _text(name: str, text: str | bytes) -> Make:
    """A file of the layout holds this."""

    def make(layout: Layout) -> None:
        layout.index(layout.image(TAR))
        (layout.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    return make


def _gone(suffix: str) -> Make:
    """The blob of this media type is gone."""

    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        config = layout.config([diff_id])
        manifest = layout.manifest(config, [layer], said={"platform": AMD64})
        layout.index(manifest)
        [gone] = [one for one in (layer, config, manifest) if one["mediaType"].endswith(suffix)]
        _path(layout.folder, gone["digest"]).unlink()

    return make


def _grown(layout: Layout) -> None:
    manifest = layout.image(TAR)
    layout.index(manifest)
    with _path(layout.folder, manifest["digest"]).open("ab") as file:
        file.write(b"\n")


def _changed(layout: Layout) -> None:
    """The manifest is as long as it was, and says something else."""
    manifest = layout.image(TAR)
    layout.index(manifest)
    path = _path(layout.folder, manifest["digest"])
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion": 3'))


def _pipe(layout: Layout) -> None:
    manifest = layout.image(TAR)
    layout.index(manifest)
    path = _path(layout.folder, manifest["digest"])
    path.unlink()
    os.mkfifo(path)


def _to_a_device(layout: Layout) -> None:
    layer, diff_id = layout.layer(TAR)
    layout.index(layout.manifest(layout.config([diff_id]), [layer], said={"platform": AMD64}))
    path = _path(layout.folder, layer["digest"])
    path.unlink()
    path.symlink_to("/dev/zero")


def _nested(deep: int) -> Make:
    def make(layout: Layout) -> None:
        one = layout.image(TAR)
        for _ in range(deep):
            one = layout.document({"schemaVersion": 2, "manifests": [one]}, INDEX)
        layout.index(one)

    return make


def _other_platform(layout: Layout) -> None:
    layout.index(layout.image(TAR, platform=ARM64), layout.image(TAR, platform={"os": "windows", "architecture": "amd64"}))


def _index_as_manifest(layout: Layout) -> None:
    index = layout.document({"schemaVersion": 2, "manifests": [layout.image(TAR)]}, MANIFEST, platform=AMD64)
    layout.index(index)


def _both(media_type: str) -> Make:
    """One document that is a manifest to some readers and an index to others (CVE-2021-41190)."""

    def make(layout: Layout) -> None:
        layer, diff_id = layout.layer(TAR)
        other = layout.image(entry(b"other") + END)
        both = {"schemaVersion": 2, "config": layout.config([diff_id]), "layers": [layer], "manifests": [other]}
        layout.index(layout.document(both, media_type, platform=AMD64))

    return make


def _several(layout: Layout) -> None:
    named = "org.opencontainers.image.ref.name"
    tars = {tag: entry(tag.encode()) + END for tag in ("blue", "green")}
    layout.index(*({**layout.image(tar), "annotations": {named: tag}} for tag, tar in tars.items()))


def _many_unknown(layout: Layout) -> None:
    tars = [entry(b"a%d" % number) + END for number in range(4)]
    layout.index(*(layout.image(tar, said={}) for tar in tars))


OLD = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ESCAPE = "sha256:../../../../etc/passwd"
DEEP = "[" * 200_000
DOCUMENTS: dict[str, tuple[Reason, Make]] = {
    "no index": (Reason.MISSING, lambda layout: None),
    "an index that is no JSON": (Reason.NOT_JSON, _text("index.json", "{")),
    "an index that is no text": (Reason.NOT_JSON, _text("index.json", b"\xff\xfe{}")),
    "an index that is nested too deep": (Reason.NOT_JSON, _text("index.json", DEEP)),
    "an index with half a letter": (Reason.NOT_JSON, _text("index.json", '{"a": "\\ud800"}')),
    "an index with NaN": (Reason.NOT_JSON, _text("index.json", '{"a": NaN}')),
    "an index that is a list": (Reason.MALFORMED, _text("index.json", "[]")),
    "an index with a key twice": (Reason.MALFORMED, _text("index.json", '{"schemaVersion": 2, "a": 1, "a": 1}')),
    "an index of 5 MB": (Reason.TOO_LONG, _text("index.json", " " * 5_000_000)),
    "an index that lists numbers": (Reason.MALFORMED, _text("index.json", '{"schemaVersion": 2, "manifests": [1]}')),
    "a layout of version 2": (Reason.MALFORMED, _text("oci-layout", '{"imageLayoutVersion": "2.0.0"}')),
    "a digest that leads out": (Reason.BAD_DIGEST, _listed(digest=ESCAPE)),
    "a digest cut short": (Reason.BAD_DIGEST, _listed(digest="sha256:abc")),
    "a digest with a newline": (Reason.BAD_DIGEST, _listed(digest=f"sha256:{'a' * 64}\n")),
    "a digest of md5": (Reason.BAD_DIGEST, _listed(digest=f"md5:{'a' * 32}")),
    "a digest in capitals": (Reason.BAD_DIGEST, _listed(digest=f"sha256:{'A' * 64}")),
    "a digest of nothing there": (Reason.MISSING, _listed(digest=f"sha256:{'a' * 64}")),
    "no manifest": (Reason.MISSING, _gone("manifest.v1+json")),
    "no config": (Reason.MISSING, _gone("config.v1+json")),
    "no layer": (Reason.MISSING, _gone("layer.v1.tar")),
    "a size that is too small": (Reason.WRONG_SIZE, _listed(size=3)),
    "a size below zero": (Reason.MALFORMED, _listed(size=-1)),
    "a size in words": (Reason.MALFORMED, _listed(size="12")),
    "a size that is true": (Reason.MALFORMED, _listed(size=True)),
    "a layer's size that is too large": (Reason.WRONG_SIZE, _layered(lambda layer: {**layer, "size": 10**12})),
    "a manifest that grew": (Reason.WRONG_SIZE, _grown),
    "a manifest that was changed": (Reason.WRONG_DIGEST, _changed),
    "a manifest that is a pipe": (Reason.UNREADABLE, _pipe),
    "a layer that leads to a device": (Reason.UNREADABLE, _to_a_device),
    "an unknown kind in the index": (Reason.MEDIA_TYPE, _listed(mediaType="text/html")),
    "no kind in the index": (Reason.MEDIA_TYPE, _listed(mediaType="")),
    "a layer of an unknown kind": (Reason.MEDIA_TYPE, _layered(lambda layer: {**layer, "mediaType": LAYER + "+xz"})),
    "an encrypted layer": (Reason.MEDIA_TYPE, _layered(lambda layer: {**layer, "mediaType": LAYER + "+gzip+encrypted"})),
    "a config that is none": (Reason.MEDIA_TYPE, _config_of(LAYER)),
    "a manifest of schema 1": (Reason.OLD_MANIFEST, _listed(mediaType=OLD)),
    "a manifest of schema 3": (Reason.OLD_MANIFEST, _manifest(schemaVersion=3)),
    "a manifest that is said to be an index": (Reason.CONFUSED, _listed(mediaType=INDEX)),
    "a manifest that says it is an index": (Reason.CONFUSED, _manifest(mediaType=INDEX)),
    "a manifest with manifests": (Reason.CONFUSED, _manifest(manifests=[])),
    "an index that is said to be a manifest": (Reason.CONFUSED, _index_as_manifest),
    "both at once, said to be an index": (Reason.CONFUSED, _both(INDEX)),
    "both at once, said to be a manifest": (Reason.CONFUSED, _both(MANIFEST)),
    "an index with layers": (Reason.CONFUSED, lambda layout: layout.index(layout.image(TAR), layers=[])),
    "indexes too deep": (Reason.TOO_DEEP, _nested(4)),
    "more layers than diff_ids": (Reason.LAYER_COUNT, _layered(lambda layer: layer, times=2)),
    "fewer layers than diff_ids": (Reason.LAYER_COUNT, _layered(lambda layer: layer, times=0)),
    "too many layers": (Reason.TOO_MANY_LAYERS, _layered(lambda layer: layer, times=126)),
    "a diff_id that is none": (Reason.BAD_DIGEST, _config(rootfs={"type": "layers", "diff_ids": ["sha256:x"]})),
    "another diff_id": (Reason.WRONG_DIFF_ID, _config(rootfs={"type": "layers", "diff_ids": [sha(b"")]})),
    "a rootfs of something else": (Reason.MALFORMED, _config(rootfs={"type": "files", "diff_ids": []})),
    "a config without architecture": (Reason.MALFORMED, _config(architecture="")),
    "another platform than the index says": (Reason.PLATFORM_LIES, _config(architecture="arm64")),
    "an entrypoint that is one text": (Reason.MALFORMED, _runs(Entrypoint="/bin/web")),
    "an entrypoint of numbers": (Reason.MALFORMED, _runs(Entrypoint=[1])),
    "an entrypoint with null": (Reason.MALFORMED, _runs(Entrypoint=[None])),
    "a command with a NUL": (Reason.MALFORMED, _runs(Cmd=["a\0b"])),
    "an env without a name": (Reason.MALFORMED, _runs(Env=["=a"])),
    "an env without a value": (Reason.MALFORMED, _runs(Env=["A"])),
    "a folder that is relative": (Reason.MALFORMED, _runs(WorkingDir="../srv")),
    "a port that is none": (Reason.MALFORMED, _runs(ExposedPorts={"80000/tcp": {}})),
    "a port that is a name": (Reason.MALFORMED, _runs(ExposedPorts={"http": {}})),
    "a signal that is none": (Reason.MALFORMED, _runs(StopSignal="SIG KILL")),
    "no image for this machine": (Reason.NO_SUCH_PLATFORM, _other_platform),
    "no image at all": (Reason.NO_SUCH_PLATFORM, lambda layout: layout.index()),
    "several tags": (Reason.WHICH, _several),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_a_bad_layout_is_refused(name: str, form: str, tmp_path: Path, refuse: Refuse) -> None:
    reason, make = DOCUMENTS[name]
    layout = Layout(tmp_path / "web")
    make(layout)
    if form == "folder":
        assert refuse(layout.folder).reason == reason
    else:  # what is no file in a tar is simply not there
        assert refuse(as_tar(layout.folder)).reason == {Reason.UNREADABLE: Reason.MISSING}.get(reason, reason)


def test_the_platforms_that_there_are_are_named(tmp_path: Path, refuse: Refuse) -> None:
    layout = Layout(tmp_path / "web")
    _other_platform(layout)
    error = refuse(layout.folder)
    assert "is not for linux/amd64; it is for: linux/arm64, windows/amd64" in error.what
    assert error.then == f"rollout image show {layout.folder} --platform linux/arm64"
    layout.index(*(layout.image(TAR, platform={**AMD64, "architecture": "arm", "variant": one}) for one in ("v5", "v6")))
    error = refuse(layout.folder, platform=Platform.parse("linux/arm"))
    assert "linux/arm/v5, linux/arm/v6" in error.what


def test_the_tags_that_there_are_are_named(tmp_path: Path, refuse: Refuse) -> None:
    layout = Layout(tmp_path / "web")
    _several(layout)
    error = refuse(layout.folder)
    assert "holds 2 images: blue, green" in error.what
    assert error.then == f"rollout image show {layout.folder} --tag blue"
    assert refuse(layout.folder, tag="red").reason == Reason.NO_SUCH_TAG


def test_manifests_without_platform_are_not_opened_for_ever(tmp_path: Path, refuse: Refuse) -> None:
    layout = Layout(tmp_path / "web")
    _many_unknown(layout)
    assert refuse(layout.folder, limits=Limits(manifests=4)).reason == Reason.TOO_LONG


def test_a_layout_that_names_itself_so_that_it_grows_without_end_is_read_once(tmp_path: Path, refuse: Refuse) -> None:
    """Each index lists the next one a thousand times: a thousand to the third, read one by one."""
    layout = Layout(tmp_path / "web")
    one = layout.image(TAR, platform=ARM64)
    for _ in range(2):
        one = layout.document({"schemaVersion": 2, "manifests": [one] * 1000}, INDEX)
    layout.index(*[one] * 1000)
    assert refuse(layout.folder).reason == Reason.NO_SUCH_PLATFORM


def _document(**more: Any) -> bytes:
    config = {**AMD64, "config": RUNS, "rootfs": {"type": "layers", "diff_ids": [sha(TAR)]}, **more}
    return json.dumps(config).encode()


def _archive(manifest: object, **files: bytes) -> Callable[[Path], Path]:
    """A docker archive of these files; `config.json` and `layer.tar` are good."""
    there = {"config.json": _document(), "layer.tar": TAR, **files, "manifest.json": json.dumps(manifest).encode()}
    return lambda path: saved(path, there)


def _one(**more: Any) -> list[Json]:
    return [{"Config": "config.json", "RepoTags": None, "Layers": ["layer.tar"], **more}]


def _twice(path: Path) -> Path:
    """Two of its manifests: some readers take the first, others the last."""
    one, two = (saved(path.with_name(name), {"manifest.json": b"[]"}).read_bytes()[:1024] for name in ("1", "2"))
    path.write_bytes(one + two + END)
    return path


def _circle(path: Path) -> Path:
    manifest = json.dumps(_one()).encode()
    return saved(path, {"manifest.json": manifest, "config.json": _document()}, {"layer.tar": "b", "b": "layer.tar"})


ARCHIVES: dict[str, tuple[Reason, Callable[[Path], Path]]] = {
    "a config that leads out": (Reason.TRAVERSAL, _archive(_one(Config="../../etc/passwd"))),
    "a layer with an absolute path": (Reason.ABSOLUTE, _archive(_one(Layers=["/etc/passwd"]))),
    "a layer that is missing": (Reason.MISSING, _archive(_one(Layers=["other.tar"]))),
    "no config": (Reason.MISSING, _archive(_one(Config="other.json"))),
    "a config with another digest in its name": (
        Reason.WRONG_DIGEST,
        _archive(_one(Config=f"{'a' * 64}.json"), **{f"{'a' * 64}.json": _document()}),
    ),
    "a layer with another digest in its name": (
        Reason.WRONG_DIGEST,
        _archive(_one(Layers=[f"blobs/sha256/{'a' * 64}"]), **{f"blobs/sha256/{'a' * 64}": TAR}),
    ),
    "another content than its diff_id": (Reason.WRONG_DIFF_ID, _archive(_one(), **{"layer.tar": entry(b"a") + END})),
    "more layers than diff_ids": (Reason.LAYER_COUNT, _archive(_one(Layers=["layer.tar"] * 2))),
    "several images": (Reason.WHICH, _archive(_one() * 2)),
    "no image": (Reason.NO_SUCH_TAG, _archive([])),
    "another platform": (Reason.NO_SUCH_PLATFORM, _archive(_one(), **{"config.json": _document(architecture="s390x")})),
    "a manifest that is no list": (Reason.NOT_AN_IMAGE, _archive({"Config": "config.json"})),
    "a manifest of texts": (Reason.MALFORMED, _archive(["config.json"])),
    "neither a layout nor saved": (Reason.NOT_AN_IMAGE, lambda path: saved(path, {"hello.txt": b"hello"})),
    "a name that leads out": (Reason.TRAVERSAL, lambda path: saved(path, {"../../escaped": b"x"})),
    "a link that leads out": (Reason.LINK_OUT, lambda path: saved(path, {"a": b""}, {"layer.tar": "../../etc/passwd"})),
    "a name twice": (Reason.TWICE, _twice),
    "links in a circle": (Reason.MISSING, _circle),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_bad_docker_archive_is_refused(name: str, tmp_path: Path, refuse: Refuse) -> None:
    reason, make = ARCHIVES[name]
    assert refuse(make(tmp_path / "web.tar")).reason == reason


def test_a_layout_that_is_another_docker_archive(tmp_path: Path, refuse: Refuse) -> None:
    """Docker would run one image, Podman the other."""
    folder = made(tmp_path / "web")
    (folder / "other.json").write_bytes(_document(author="somebody else"))
    (folder / "manifest.json").write_text(json.dumps(_one(Config="other.json")))
    for path in (folder, as_tar(folder)):
        assert refuse(path).reason == Reason.TWO_STORIES


@pytest.mark.parametrize("data", [b"", b"hello", bytes(2000), b"noise" * 1000, b"\x1f\x8b" + bytes(1000)])
def test_what_is_no_tar_at_all(data: bytes, tmp_path: Path, refuse: Refuse) -> None:
    (tmp_path / "web.tar").write_bytes(data)
    assert refuse(tmp_path / "web.tar").reason == Reason.NOT_AN_IMAGE


def test_an_archive_that_is_compressed_as_a_whole(tmp_path: Path, refuse: Refuse) -> None:
    path = tmp_path / "web.tar.gz"
    path.write_bytes(zipped(docker(tmp_path / "web.tar", TAR).read_bytes()))
    error = refuse(path)
    assert error.reason == Reason.NOT_AN_IMAGE
    assert "is compressed as a whole (gzip)" in error.what
    assert error.then == "unpack its gzip, then try again"


def test_what_is_no_file_at_all(tmp_path: Path, refuse: Refuse) -> None:
    """A pipe is not waited at, a device not read."""
    os.mkfifo(tmp_path / "pipe")
    assert refuse(tmp_path / "pipe").reason == Reason.UNREADABLE
    assert refuse(tmp_path / "nowhere").reason == Reason.NOT_AN_IMAGE
    (tmp_path / "empty").mkdir()
    assert refuse(tmp_path / "empty").reason == Reason.NOT_AN_IMAGE


def test_what_cannot_be_read_is_told_with_its_cause(tmp_path: Path, refuse: Refuse) -> None:
    error = refuse(tmp_path / ("a" * 300))
    assert (error.reason, "File name too long" in error.what) == (Reason.UNREADABLE, True)
    path = made(tmp_path / "web")
    (path / "index.json").unlink()
    (path / "index.json").symlink_to("index.json")
    error = refuse(path)
    assert (error.reason, "index.json cannot be read: Too many levels" in error.what) == (Reason.UNREADABLE, True)


def test_what_goes_away_while_it_is_read(tmp_path: Path) -> None:
    folder = FolderSource(made(tmp_path / "web"))
    (tmp_path / "web" / "index.json").unlink()
    with pytest.raises(Refused, match="cannot be read") as gone:
        list(folder.chunks("index.json"))
    assert gone.value.reason == Reason.UNREADABLE
    path = docker(tmp_path / "web.tar", TAR)
    archive = ArchiveSource(path, Limits())
    os.truncate(path, 600)
    with pytest.raises(Refused, match="ends in the middle of") as cut:
        list(archive.chunks("manifest.json"))
    archive.close()
    assert cut.value.reason == Reason.TRUNCATED


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_an_archive_cut_off(cut: float, tmp_path: Path, refuse: Refuse) -> None:
    whole = docker(tmp_path / "web.tar", GOOD + entry(b"large", bytes(100_000)) + END).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: int(len(whole) * cut)])
    assert refuse(tmp_path / "cut.tar").reason in {Reason.TRUNCATED, Reason.NOT_AN_IMAGE}


def test_nothing_of_a_config_is_told_as_it_stands(tmp_path: Path, refuse: Refuse) -> None:
    layout = Layout(tmp_path / "web")
    layout.index(layout.image(TAR, runs={**RUNS, "WorkingDir": "a\x1b[2J\n"}))
    assert "\\x1b[2J\\n" in refuse(layout.folder).what
