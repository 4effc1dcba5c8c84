"""Images from layouts and archives, by digest, on a real Docker and a real Podman; and from one engine to the other."""

import json
import multiprocessing
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
import zstandard

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.model.image import ImageDigest
from rollout.runtimes.publishing.skopeo import Skopeo
from tests.runtimes.engines.real_engines import image
from tests.runtimes.images.builder import END, GOOD, Layout, as_tar, docker, entry, made, sha, zipped
from tests.runtimes.publishing.conftest import Bench

BOTH = pytest.mark.parametrize("engine", [EngineName.DOCKER, EngineName.PODMAN])
OTHER = {EngineName.DOCKER: EngineName.PODMAN, EngineName.PODMAN: EngineName.DOCKER}


def layer(text: str) -> bytes:
    return entry(b"bin/", kind=b"5") + entry(b"bin/web", text.encode()) + END


def retagged(folder: Path, text: str) -> None:
    """The layout's tag is now of another image; the blobs of the old one are still there."""
    layout = Layout.__new__(Layout)
    layout.folder = folder
    layout.index(layout.image(layer(text)))


def has(bench: Bench, engine: EngineName, name: str, config: str) -> bool:
    return (name, config.removeprefix("sha256:")) in bench.names(engine)


@BOTH
@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
def test_every_file_of_an_image_is_published_under_a_name_of_ours(
    bench: Bench, tmp_path: Path, form: str, engine: EngineName
) -> None:
    path = docker(tmp_path / "web.tar", layer(form)) if form == "docker-archive" else made(tmp_path / "web", layer(form))
    path = as_tar(path) if form == "oci-archive" else path
    found = bench.resolved(f"{form}:{path}")
    name = bench.published(f"{form}:{path}", engine, found)
    assert name == f"{bench.shelf}web:{found.digest.removeprefix('sha256:')[:12]}"
    assert has(bench, engine, name, found.config)
    assert not list(bench.publisher.scratch.iterdir())


@BOTH
def test_layers_packed_in_any_way_give_the_image_that_its_config_names(bench: Bench, tmp_path: Path, engine: EngineName) -> None:
    layout, tars = Layout(tmp_path / "web"), [layer(f"{packing}") for packing in ("plain", "gzip", "zstd")]
    packed = [None, zipped(tars[1]), zstandard.compress(tars[2])]
    layers = [
        layout.layer(tar, packed=data, suffix=suffix)
        for tar, data, suffix in zip(tars, packed, ("", "+gzip", "+zstd"), strict=True)
    ]
    config = layout.config([diff_id for _, diff_id in layers])
    layout.index(layout.manifest(config, [one for one, _ in layers]))
    name = bench.published(f"oci:{tmp_path / 'web'}", engine)
    assert has(bench, engine, name, config["digest"])


@BOTH
def test_a_tag_that_moves_afterwards_changes_nothing(bench: Bench, tmp_path: Path, engine: EngineName) -> None:
    folder = made(tmp_path / "web", layer("before"))
    before = bench.resolved(f"oci:{folder}")
    retagged(folder, "after")
    after = bench.resolved(f"oci:{folder}")
    assert before != after
    assert has(bench, engine, bench.published(f"oci:{folder}", engine, before), before.config)
    assert after.config.removeprefix("sha256:") not in {config for _, config in bench.names(engine)}


@BOTH
def test_what_the_engine_has_needs_no_skopeo(
    bench: Bench, tmp_path: Path, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path / "web", layer("known"))
    found = bench.resolved(f"oci:{folder}")
    name = bench.published(f"oci:{folder}", engine, found)
    shutil.rmtree(folder)
    monkeypatch.setattr(Skopeo, "_run", lambda *_words, **_more: pytest.fail("skopeo was called"))
    assert bench.published(f"oci:{folder}", engine, found) == name
    bench.publisher.drop_image(engine, name)
    with pytest.raises(BrokenError, match="is gone"):
        bench.published(f"oci:{folder}", engine, found)


@BOTH
def test_an_image_that_only_the_other_engine_has_is_copied_from_there(bench: Bench, tmp_path: Path, engine: EngineName) -> None:
    folder = made(tmp_path / "web", layer("there"))
    found = bench.resolved(f"oci:{folder}")
    bench.published(f"oci:{folder}", OTHER[engine], found)
    shutil.rmtree(folder)
    name = bench.published(f"oci:{folder}", engine, found)
    assert has(bench, engine, name, found.config)


@BOTH
def test_a_name_that_an_engine_has_is_named_as_ours_too(bench: Bench, engine: EngineName) -> None:
    bench.real[OTHER[engine]].load(image("who:7", {"Cmd": [f"{engine}"]}))
    try:
        found = bench.resolved("who:7", engine)
        for one in (OTHER[engine], engine):
            assert has(bench, one, bench.published("who:7", one, found), found.config)
    finally:
        bench.real[OTHER[engine]].untag("who:7")
    assert has(bench, OTHER[engine], bench.published("who:7", OTHER[engine], found), found.config), "our name keeps it"


def test_a_name_that_no_engine_has_is_told(bench: Bench) -> None:
    with pytest.raises(BrokenError, match=r"shop/web: the image no/such:1 is not on docker or podman") as caught:
        bench.resolved("no/such:1")
    assert "docker.io/no/such" in caught.value.then


def test_what_is_gone_everywhere_is_told_with_image_and_digest(bench: Bench, tmp_path: Path) -> None:
    folder = made(tmp_path / "web", layer("gone"))
    found = bench.resolved(f"oci:{folder}")
    shutil.rmtree(folder)
    before = bench.everywhere()
    with pytest.raises(BrokenError) as caught:
        bench.published(f"oci:{folder}", EngineName.PODMAN, found)
    assert f"oci:{folder}@{found.digest[:19]}" in caught.value.what
    assert found.digest in caught.value.what
    assert "no engine on this host has it" in caught.value.what
    assert "rollout service deploy shop/web" in caught.value.then
    assert bench.everywhere() == before


@BOTH
def test_two_at_once_copy_once(bench: Bench, tmp_path: Path, engine: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path / "web", layer("twice"))
    found = bench.resolved(f"oci:{folder}")
    copied, run = list[str](), Skopeo.copy

    def copy(self: Skopeo, source: str, target: str, *options: str) -> None:
        copied.append(target)
        run(self, source, target, *options)

    monkeypatch.setattr(Skopeo, "copy", copy)
    threads = [threading.Thread(target=bench.published, args=(f"oci:{folder}", engine, found)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(copied) == 1


@BOTH
def test_an_image_that_turns_into_another_while_it_is_copied_does_not_stay(
    bench: Bench, tmp_path: Path, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = docker(tmp_path / "web.tar", layer("good"))
    found = bench.resolved(f"docker-archive:{path}")
    run = Skopeo.copy

    def copy(self: Skopeo, source: str, target: str, *options: str) -> None:
        docker(path, layer("exchanged"))
        run(self, source, target, *options)

    monkeypatch.setattr(Skopeo, "copy", copy)
    before = bench.everywhere()
    with pytest.raises(BrokenError, match="became another one"):
        bench.published(f"docker-archive:{path}", engine, found)
    assert bench.everywhere() == before


def test_documents_that_lie_end_when_the_image_is_looked_up(bench: Bench, tmp_path: Path) -> None:
    folder = made(tmp_path / "web", GOOD + END)
    index = json.loads((folder / "index.json").read_text())
    index["manifests"][0]["size"] += 1
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(BrokenError, match=r"shop/web: image .*web.* sha256:") as caught:
        bench.resolved(f"oci:{folder}")
    assert caught.value.state == "nothing was published"
    assert isinstance(bench.resolved(f"oci:{made(tmp_path / 'good')}"), ImageDigest)


@BOTH
def test_a_publisher_that_was_killed_half_way_is_followed_by_one_that_ends_it(
    bench: Bench, tmp_path: Path, engine: EngineName
) -> None:
    folder = made(tmp_path / "web", entry(b"large", os.urandom(20_000_000)) + END)
    found = bench.resolved(f"oci:{folder}")
    child = multiprocessing.get_context("fork").Process(target=bench.published, args=(f"oci:{folder}", engine, found))
    child.start()
    limit = time.monotonic() + 60
    while not list(bench.publisher.scratch.glob("stage-*/index.json")):
        assert time.monotonic() < limit
        time.sleep(0.002)
    child.kill()
    child.join()
    name = bench.published(f"oci:{folder}", engine, found)
    assert has(bench, engine, name, found.config)
    assert len([config for _, config in bench.names(engine) if config == found.config.removeprefix("sha256:")]) <= 2
    bench.publisher.tidy()
    assert not bench.publisher.scratch.exists()


def exchanged(folder: Path, tar: bytes) -> None:
    """The layer's bytes are others, as many as before."""
    blob = folder / "blobs/sha256" / sha(tar).removeprefix("sha256:")
    blob.write_bytes(entry(b"../../evil", bytes(len(tar) - len(END) - 512)) + END)
    assert blob.stat().st_size == len(tar)


@BOTH
def test_bytes_exchanged_after_they_were_judged_are_refused_where_they_are_needed(
    bench: Bench, tmp_path: Path, engine: EngineName
) -> None:
    tar = layer(f"judged before {engine}")
    folder = made(tmp_path / "web", tar)
    found = bench.resolved(f"oci:{folder}")
    bench.published(f"oci:{folder}", OTHER[engine], found)
    exchanged(folder, tar)
    before = bench.everywhere()
    with pytest.raises(BrokenError, match="in truth") as caught:
        bench.published(f"oci:{folder}", engine, found)
    assert sha(tar) in caught.value.what
    assert found.digest[:19] in caught.value.what
    assert bench.everywhere() == before


def test_podman_never_reads_the_layers_that_it_has(bench: Bench, tmp_path: Path) -> None:
    base, first, second = (layer(text) for text in ("base", "first", "second"))
    bench.published(f"oci:{made(tmp_path / 'web', base, first)}", EngineName.PODMAN)
    folder = made(tmp_path / "again", base, second)
    exchanged(folder, base)
    found = bench.resolved(f"oci:{folder}")
    name = bench.published(f"oci:{folder}", EngineName.PODMAN, found)
    assert has(bench, EngineName.PODMAN, name, found.config)
    with bench.real[EngineName.PODMAN].client() as client:
        told = client.get(f"{bench.real[EngineName.PODMAN].prefix}/images/{found.config.partition(':')[2]}/json").json()
    assert told["RootFS"]["Layers"] == [sha(base), sha(second)]
    with pytest.raises(BrokenError, match="in truth"):
        bench.published(f"oci:{folder}", EngineName.DOCKER, found)
