"""`doctor --clean` while the host part runs and containers serve: what nobody wants goes, what is wanted is untouched."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.contract.engine import spec_of
from rollout.network.mesh.marks import mark_of
from rollout.runtimes.engines.labels import Labels
from tests.runtimes.engines.real_engines import IMAGE, RealEngine
from tests.scenarios.machine import comes_to, standing
from tests.scenarios.on_engines import NOW, beside
from tests.scenarios.servers import Product

TAG = "stays:1"
LOST = replace(spec_of(("/bin/sh",)), image=IMAGE)


@pytest.fixture
def rollout(tmp_path: Path, real_docker: RealEngine, real_podman: RealEngine) -> Iterator[Product]:
    with beside(tmp_path, (real_docker, real_podman), TAG, {}) as made:
        made("service", "add", "shop/who", "--tier", "trial", "--image", TAG, "--health-path", NOW)
        made("service", "deploy", "who")
        yield made


def plant(home: Path, engine: RealEngine) -> str:
    """A container of the home that nothing is remembered of."""
    labels = Labels.of_folder(home / "host")
    name, said = labels.name(LOST.id), labels.of(LOST)
    with engine.client() as client:
        body = {"name": name, "Image": IMAGE, "image": IMAGE, "Labels": said, "labels": said}
        made = client.post(f"{engine.prefix}/containers/create", params={"name": name}, json=body)
        assert made.is_success, made.text
    return name


def clean(rollout: Product, *words: str) -> dict[str, list[tuple[str, str]]]:
    told = json.loads(rollout("doctor", "--clean", "--json", *words))
    assert told["not_looked_at"] == []
    return {key: [(one["kind"], one["name"]) for one in told[key]] for key in ("found", "removed")}


@pytest.mark.timeout(300)
def test_what_nobody_wants_goes_and_what_is_wanted_stays(
    rollout: Product, real_docker: RealEngine, real_podman: RealEngine
) -> None:
    def now() -> list[str]:
        return standing(rollout.home, real_docker, real_podman)

    before = now()
    assert clean(rollout, "--yes") == {"found": [], "removed": []}
    comes_to(before, now)
    name = plant(rollout.home, real_docker)
    assert plant(rollout.home, real_podman) == name
    tunnel = mark_of(rollout.home / "host/mesh").member_link(35)
    Path("/var/run/wireguard", f"{tunnel}.sock").touch()
    planted, left = now(), [("container", name), ("container", name), ("tunnel", tunnel)]
    assert len(planted) == len(before) + 3
    assert clean(rollout) == {"found": left, "removed": []}
    assert now() == planted
    assert clean(rollout, "--yes") == {"found": left, "removed": left}
    comes_to(before, now)
