"""What comes from a registry is judged before an engine takes it; what was judged before is not fetched again for that."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import zstandard

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from rollout.runtimes.publishing.skopeo import Skopeo
from tests.runtimes.images.builder import END, MANIFEST, Layout, entry, made, sha, zipped
from tests.runtimes.publishing.conftest import Bench
from tests.runtimes.publishing.registries import registry
from tests.runtimes.publishing.test_publisher import BOTH, OTHER, has, layer

OUT = entry(b"../../out", b"of its root") + END


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("judged") / "registry") as found:
        yield found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of all blobs that were fetched to be judged."""
    found, fetch = list[str](), Skopeo.blobs

    def blobs(self: Skopeo, name: str, digests: Sequence[str], folder: Path, *options: str) -> Path:
        found.extend(digests)
        return fetch(self, name, digests, folder, *options)

    monkeypatch.setattr(Skopeo, "blobs", blobs)
    return found


def pushed(folder: Path, name: str, *tars: bytes) -> str:
    """The name in the registry of an image of these layers, as they are."""
    push_as_it_is(made(folder, *tars), name)
    return name


def push_as_it_is(folder: Path, name: str) -> None:
    words = ("skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false", f"oci:{folder}", f"docker://{name}")
    subprocess.run(words, check=True, capture_output=True)


@BOTH
def test_a_hostile_image_of_a_registry_never_comes_to_an_engine(
    bench: Bench, tmp_path: Path, place: str, engine: EngineName
) -> None:
    name = pushed(tmp_path / "web", f"{place}/hostile:{engine}", layer(f"good {engine}"), OUT)
    found, before = bench.resolved(name, engine), bench.everywhere()
    with pytest.raises(BrokenError, match="leads upward") as caught:
        bench.published(name, engine, found)
    assert f"{place}/hostile@{found.digest}" in caught.value.what
    assert sha(OUT) in caught.value.what
    assert caught.value.what.startswith("shop/web: ")
    assert caught.value.state == "nothing was published"
    assert bench.everywhere() == before
    assert not list(bench.publisher.scratch.iterdir())


@BOTH
def test_only_layers_that_were_never_judged_are_fetched_for_that(
    bench: Bench, tmp_path: Path, place: str, engine: EngineName, asked: list[str]
) -> None:
    base, first, second = (layer(f"{text} {engine}") for text in ("base", "first", "second"))
    bench.published(pushed(tmp_path / "one", f"{place}/delta:{engine}-1", base, first), engine)
    assert {sha(base), sha(first)} <= set(asked)
    asked.clear()
    name = pushed(tmp_path / "two", f"{place}/delta:{engine}-2", base, second)
    found = bench.resolved(name, engine)
    assert has(bench, engine, bench.published(name, engine, found), found.config)
    assert asked == [found.config, sha(second)]


@BOTH
def test_what_was_judged_elsewhere_and_the_engine_lacks_comes_from_the_registry(
    bench: Bench, tmp_path: Path, place: str, engine: EngineName, asked: list[str]
) -> None:
    tar = layer(f"judged for the other {engine}")
    folder = made(tmp_path / "web", tar)
    name = pushed(tmp_path / "again", f"{place}/elsewhere:{engine}", tar)
    bench.publisher.drop_image(OTHER[engine], bench.published(f"oci:{folder}", OTHER[engine]))
    found = bench.resolved(name, engine)
    assert has(bench, engine, bench.published(name, engine, found), found.config)
    assert asked == [found.config], "a hole stood for the layer"
    told = {one for one, _ in bench.names(engine) if place in one}
    assert told == set()


@BOTH
def test_images_in_the_words_of_docker_are_taken_too(bench: Bench, tmp_path: Path, place: str, engine: EngineName) -> None:
    name = f"{place}/schema2:{engine}"
    words = ("skopeo", "copy", "--quiet", "--format", "v2s2", "--dest-tls-verify=false")
    folder = made(tmp_path / "web", layer(f"docker's words {engine}"))
    subprocess.run((*words, f"oci:{folder}", f"docker://{name}"), check=True, capture_output=True)
    found = bench.resolved(name, engine)
    assert has(bench, engine, bench.published(name, engine, found), found.config)


@BOTH
def test_layers_of_a_registry_may_be_packed_in_any_way(bench: Bench, tmp_path: Path, place: str, engine: EngineName) -> None:
    layout, tars = Layout(tmp_path / "web"), [layer(f"{packing} {engine}") for packing in ("plain", "gzip", "zstd")]
    packed = [None, zipped(tars[1]), zstandard.compress(tars[2])]
    layers = [
        layout.layer(tar, packed=data, suffix=suffix)
        for tar, data, suffix in zip(tars, packed, ("", "+gzip", "+zstd"), strict=True)
    ]
    layout.index(layout.manifest(layout.config([diff_id for _, diff_id in layers]), [one for one, _ in layers]))
    name = f"{place}/packed:{engine}"
    push_as_it_is(layout.folder, name)
    found = bench.resolved(name, engine)
    assert has(bench, engine, bench.published(name, engine, found), found.config)


@pytest.mark.parametrize(("count", "size", "told"), [(126, 1, "126 layers"), (1, 1 << 40, "layers of 1,099,511,627,776 bytes")])
def test_what_is_too_much_is_refused_before_it_is_fetched(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str], count: int, size: int, told: str
) -> None:
    layout = Layout(tmp_path / "web")
    config = layout.config([sha(b"layer")] * count)
    layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha(b"layer"), "size": size}] * count
    data = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()
    monkeypatch.setattr(Skopeo, "manifest", lambda *_words: data)
    found = bench.resolved("registry.example/too/much:1")
    before = bench.everywhere()
    with pytest.raises(BrokenError, match=told):
        bench.published("registry.example/too/much:1", EngineName.PODMAN, found)
    assert asked == []
    assert bench.everywhere() == before


@BOTH
def test_a_registry_that_gives_other_bytes_is_refused(
    bench: Bench, tmp_path: Path, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some versions of skopeo do not verify what they fetch so; the reader does."""
    fetch, tar = Skopeo.blobs, layer(f"promised {engine}")

    def blobs(self: Skopeo, name: str, digests: Sequence[str], folder: Path, *options: str) -> Path:
        brought = fetch(self, name, digests, folder, *options)
        path = brought / sha(tar).removeprefix("sha256:")
        path.write_bytes(bytes(len(tar)))
        return brought

    with registry(tmp_path / "registry") as place:
        name = pushed(tmp_path / "web", f"{place}/other:bytes", tar)
        found, before = bench.resolved(name, engine), bench.everywhere()
        monkeypatch.setattr(Skopeo, "blobs", blobs)
        with pytest.raises(BrokenError, match="in truth"):
            bench.published(name, engine, found)
        assert bench.everywhere() == before
        monkeypatch.undo()
        assert has(bench, engine, bench.published(name, engine, found), found.config)
