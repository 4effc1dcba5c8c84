"""Images by the real command line on a real Docker and a real Podman: pinned, shown, listed, pruned; and damaged ones refused."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtimes.engines.real_engines import RealEngine, image
from tests.runtimes.images.bad_layers import BAD_LAYERS, tar_of
from tests.runtimes.images.builder import END, Layout
from tests.scenarios.on_engines import ENTRYPOINT
from tests.scenarios.servers import Product, product
from tests.scenarios.test_containers import running
from tests.scenarios.transcript import HERE

PROGRAM = {"Entrypoint": ["sh", "-c", ENTRYPOINT]}
HOSTILE = (
    *("a path that leads upward", "an absolute path", "a symbolic link out", "a character device"),
    *("a name with a newline", "a file of 10 GB in PAX", "a name twice", "noise in place of a tar"),
)
Names = set[tuple[str, str]]


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    with product(tmp_path) as made:
        made.env |= {**real_docker.environment, **real_podman.environment, "COLUMNS": "200"}
        made("policy", "use", str(HERE / "servers.toml"))
        yield made


def names(engine: RealEngine) -> Names:
    """What `docker images` and `podman images` tell."""
    with engine.client() as client:
        told = client.get(f"{engine.prefix}/images/json").json() or []
    return {(name, str(one["Id"])) for one in told for name in one.get("RepoTags") or ["<none>"]}


def laid_out(folder: Path, mark: str) -> Path:
    """A layout of a web server that runs; `mark` makes it another image."""
    saved = folder.with_suffix(".saved")
    saved.write_bytes(image("x:1", PROGRAM, {"www/mark": mark}))
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{saved}", f"oci:{folder}:1"], check=True, capture_output=True)
    return folder


def manifest_of(layout: Path) -> str:
    return str(json.loads((layout / "index.json").read_text())["manifests"][0]["digest"])


def blob(layout: Path, kind: str) -> Path:
    manifest = layout / "blobs/sha256" / manifest_of(layout).removeprefix("sha256:")
    if kind == "manifest":
        return manifest
    told = json.loads(manifest.read_text())
    digest = told["config"]["digest"] if kind == "config" else told["layers"][0]["digest"]
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")


@pytest.mark.timeout(300)
def test_a_release_keeps_its_image_whatever_becomes_of_its_tag(
    rollout: Product, tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    before = names(real_docker), names(real_podman)
    rollout("policy", "use", str(HERE / "fast.toml"))
    layout = laid_out(tmp_path / "web", "first")
    digest = manifest_of(layout)
    rollout("service", "add", "shop/web", "--tier", "trial", "--image", "oci:web:1", "--health-path", "/mark")
    rollout("service", "deploy", "web")
    assert running(real_docker) == [("shop/web", "legacy")]
    pinned = f"oci:{layout}@{digest[:19]}"
    assert pinned in rollout("service", "show", "web").split()
    assert digest in rollout("image", "show", "web", "--json")
    rollout("plan", "--out", "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["waves"][0]["moves"][0]["precondition"]["image"].endswith(digest)
    assert f"web@{digest[:19]}" in rollout("show", "wave-1")
    second = laid_out(tmp_path / "second", "second")
    shutil.copytree(second, layout, dirs_exist_ok=True)
    assert "warm" in rollout("execute", "wave-1", "--yes")
    assert running(real_podman) == [("shop/web", "v2")]
    assert pinned in rollout("explain", "web")
    listed = json.loads(rollout("image", "list", "--json"))["images"]
    assert [(one["image"], one["engines"]) for one in listed] == [(f"oci:{layout}@{digest}", ["docker", "podman"])]
    assert {config for _, config in names(real_podman) - before[1]} == {listed[0]["config_digest"].removeprefix("sha256:")}
    rollout("image", "prune", "--yes")
    assert "shop/web runs on legacy, runs on v2" in rollout.said
    assert names(real_podman) != before[1]
    rollout("service", "remove", "web", "--yes")
    rollout("image", "prune", "--yes")
    assert (names(real_docker), names(real_podman)) == before


def many(rollout: Product, tmp_path: Path, layouts: dict[str, Path], *engines: str) -> None:
    """Services of these layouts, one import for all."""
    text = "".join(
        f'[[services]]\nname = "{name}"\nenvironment = "shop"\ncustomer = "ann"\ntier = "trial"\nhealth_path = "/mark"\n'
        f'image = "oci:{path}"\nengine = "{engines[number % len(engines)]}"\n\n'
        for number, (name, path) in enumerate(layouts.items())
    )
    (tmp_path / "fleet.toml").write_text(text)
    rollout("service", "import", "fleet.toml")


def test_hostile_images_end_with_one_error_each_on_both_engines(
    rollout: Product, tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    layouts = {}
    for number, name in enumerate(HOSTILE):
        layout = Layout(tmp_path / f"bad{number}")
        layout.index(layout.image(tar_of(BAD_LAYERS[name][1]) + END))
        layouts[f"bad{number}"] = layout.folder
    many(rollout, tmp_path, layouts, "docker", "podman")
    before = names(real_docker), names(real_podman)
    rollout("service", "deploy", "--all", code=3)
    for name, layout in layouts.items():
        told = [line for line in rollout.said.splitlines() if f"shop/{name}" in line]
        assert any(str(layout) in line and manifest_of(layout)[:19] in line for line in told), rollout.said
    assert (names(real_docker), names(real_podman)) == before
    assert running(real_docker) == running(real_podman) == []
    assert not [path for path in (tmp_path / ".rollout/host/publishing").iterdir()]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a layer with another byte": lambda layout: _flip(blob(layout, "layer")),
    "a layer cut short": lambda layout: os.truncate(blob(layout, "layer"), 100),
    "a layer that is gone": lambda layout: blob(layout, "layer").unlink(),
    "a layer that is a pipe": lambda layout: _pipe(blob(layout, "layer")),
    "a config with another byte": lambda layout: _flip(blob(layout, "config")),
    "a config that is a folder": lambda layout: _folder(blob(layout, "config")),
    "a manifest with another byte": lambda layout: _flip(blob(layout, "manifest")),
    "a layout of another version": lambda layout: (layout / "oci-layout").write_text('{"imageLayoutVersion": "9"}'),
}


@pytest.mark.timeout(300)
def test_an_image_damaged_after_its_deploy_leaves_the_service_where_it_was(
    rollout: Product, tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    (tmp_path / "all.toml").write_text((HERE / "servers.toml").read_text().replace("first = 4", "first = 8\nbudget = 8"))
    rollout("policy", "use", "all.toml")
    layouts = {f"web{number}": laid_out(tmp_path / f"web{number}", f"web{number}") for number in range(len(DAMAGE))}
    digests = {name: manifest_of(layout) for name, layout in layouts.items()}
    many(rollout, tmp_path, layouts, "containers")
    rollout("service", "deploy", "--all")
    rollout("plan")
    served = sorted(running(real_docker))
    for damage, layout in zip(DAMAGE.values(), layouts.values(), strict=True):
        damage(layout)
    before = names(real_podman)
    rollout("execute", "wave-1", "--yes", code=3)
    assert sorted(running(real_docker)) == served
    assert running(real_podman) == []
    assert names(real_podman) == before
    told = rollout("log", "--since", "1h")
    assert [name for name, digest in digests.items() if digest[:19] not in told] == []
