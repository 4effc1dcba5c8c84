"""Names in registries, with and without a login, pulled by a real Docker and a real Podman; and a registry that is away."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.errors import BrokenError
from rollout.model.fleet import EngineName
from tests.runtimes.images.builder import AMD64, Layout, made
from tests.runtimes.publishing.conftest import Bench
from tests.runtimes.publishing.registries import PASSWORD, USER, push, registry
from tests.runtimes.publishing.test_publisher import BOTH, has, layer

ARM64 = {"os": "linux", "architecture": "arm64"}


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("open") / "registry") as place:
        yield place


@pytest.fixture(scope="module")
def closed_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("closed") / "registry", login=True) as place:
        yield place


@pytest.fixture(autouse=True)
def no_login(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of logins of this test; nobody else's are read."""
    path = tmp_path / "auth.json"
    path.write_text("{}")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(path))
    bench.publisher.env = os.environ
    return path


@BOTH
def test_a_name_is_pulled_by_its_digest_and_only_our_name_is_left(
    bench: Bench, tmp_path: Path, open_registry: str, engine: EngineName
) -> None:
    name = f"{open_registry}/shop/web:{engine}"
    push(f"oci:{made(tmp_path / 'one', layer(f'one {engine}'))}", name)
    before, first = bench.names(engine), bench.resolved(name, engine)
    push(f"oci:{made(tmp_path / 'two', layer(f'two {engine}'))}", name)
    assert bench.resolved(name, engine) != first, "the tag has moved"
    ours = bench.published(name, engine, first)
    added = {name for name, _ in bench.names(engine) - before if "@" not in name}
    assert added == {ours}
    assert has(bench, engine, ours, first.config)
    assert not [name for name, _ in bench.names(engine) if name.startswith(open_registry)]


@BOTH
def test_of_an_index_the_image_for_this_host_is_taken(
    bench: Bench, tmp_path: Path, open_registry: str, engine: EngineName
) -> None:
    layout = Layout(tmp_path / "web")
    mine = layout.image(layer("amd64"), platform=AMD64)
    layout.index(layout.image(layer("arm64"), platform=ARM64), mine)
    inner = {**json.loads((layout.folder / "index.json").read_text())}
    layout.index(layout.document(inner, "application/vnd.oci.image.index.v1+json"))
    name = f"{open_registry}/several:{engine}"
    words = (
        "skopeo",
        "copy",
        "--quiet",
        "--all",
        "--preserve-digests",
        "--dest-tls-verify=false",
        f"oci:{layout.folder}",
        f"docker://{name}",
    )
    subprocess.run(words, check=True, capture_output=True)
    found = bench.resolved(name, engine)
    assert found.digest == mine["digest"]
    assert has(bench, engine, bench.published(name, engine, found), found.config)


@BOTH
@pytest.mark.parametrize("how", ["file", "helper"])
def test_a_login_is_taken_from_the_usual_file_and_shown_nowhere(
    bench: Bench,
    tmp_path: Path,
    closed_registry: str,
    no_login: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: EngineName,
    how: str,
) -> None:
    name = f"{closed_registry}/secret/{how}:{engine}"
    push(f"oci:{made(tmp_path / 'web', layer(f'secret {how} {engine}'))}", name, login=True)
    with pytest.raises(BrokenError, match="not to be had") as caught:
        bench.resolved(name, engine)
    assert f"skopeo login {closed_registry}" in caught.value.then
    if how == "file":
        told = {"auths": {closed_registry: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}}
    else:
        helper = tmp_path / "docker-credential-test"
        helper.write_text(f'#!/bin/sh\ncat >/dev/null\necho \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\'\n')
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        told = {"credHelpers": {closed_registry: "test"}}
    no_login.write_text(json.dumps(told))
    found = bench.resolved(name, engine)
    assert has(bench, engine, bench.published(name, engine, found), found.config)
    kept = [path for path in bench.folder.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert kept == []


@BOTH
def test_a_wrong_password_is_told_and_not_shown(
    bench: Bench, tmp_path: Path, closed_registry: str, no_login: Path, engine: EngineName
) -> None:
    name = f"{closed_registry}/secret/wrong:{engine}"
    push(f"oci:{made(tmp_path / 'web', layer(f'wrong {engine}'))}", name, login=True)
    right = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    no_login.write_text(json.dumps({"auths": {closed_registry: {"auth": right}}}))
    found, before = bench.resolved(name, engine), bench.everywhere()
    wrong = base64.b64encode(f"{USER}:not-{PASSWORD}".encode()).decode()
    no_login.write_text(json.dumps({"auths": {closed_registry: {"auth": wrong}}}))
    with pytest.raises(BrokenError, match="is gone") as caught:
        bench.published(name, engine, found)
    assert found.digest in caught.value.what
    assert not any(secret in caught.value.what for secret in (PASSWORD, wrong))
    assert bench.everywhere() == before


def test_a_registry_that_is_away_does_not_matter_to_an_engine_that_has_the_image(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "registry"
    with registry(folder) as place:
        name = f"{place}/web:1"
        push(f"oci:{made(tmp_path / 'web', layer('away'))}", name)
        found = bench.resolved(name)
        bench.published(name, EngineName.DOCKER, found)
    with pytest.raises(BrokenError, match="not to be had"):
        bench.resolved(name)
    ours = bench.published(name, EngineName.PODMAN, found)
    assert has(bench, EngineName.PODMAN, ours, found.config), "from the other engine"
