"""How long it takes to bring an image again of which one small layer has changed: to legacy's engine, and to v2's."""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rollout.host.images import ImageOrder, ImageShelf
from rollout.model.fleet import RuntimeName
from tests.bench.launches import ENGINE
from tests.runtimes.images.builder import END, Layout, entry
from tests.runtimes.publishing.registries import push, registry

LAYERS = 5


def published(shelf: ImageShelf, size: int) -> dict[str, float]:
    """Of an image of `size` bytes that nothing can compress. Publishing alone is timed: what it is, was found out before."""
    with TemporaryDirectory(prefix="rollout-bench-") as folder, registry(Path(folder) / "registry") as place:
        layout = Layout(Path(folder) / "web")
        big = [entry(b"big%d" % number, os.urandom(size // LAYERS)) + END for number in range(LAYERS)]
        first = {RuntimeName.LEGACY: 0.0, RuntimeName.V2: 0.0}
        figures: dict[str, dict[RuntimeName, float]] = {}
        for turn in ("first", "again"):
            layout.index(layout.image(*big, entry(b"small", turn.encode()) + END))
            for form, name in (("layout", f"oci:{layout.folder}"), ("registry", f"{place}/shop/api:{turn}")):
                if form == "registry":
                    layout.index(layout.image(*big, entry(b"other", turn.encode()) + END))
                    push(f"oci:{layout.folder}", name)
                figures[f"{form} {turn}"] = {runtime: _ms(shelf, name, runtime) for runtime in first}
                unchanged = _ms(shelf, name, RuntimeName.V2)
        delta, pulled = figures["layout again"], figures["registry again"]
        for stocked in shelf.stocked_images():
            shelf.drop_image(stocked.engine, stocked.name)
        return {
            "publish_delta_ratio": delta[RuntimeName.LEGACY] / delta[RuntimeName.V2],
            "publish_registry_ratio": pulled[RuntimeName.LEGACY] / pulled[RuntimeName.V2],
            "unchanged_ms": unchanged,
            "v2_publish_delta_ms": delta[RuntimeName.V2],
            "legacy_publish_delta_ms": delta[RuntimeName.LEGACY],
            "v2_publish_registry_ms": pulled[RuntimeName.V2],
            "legacy_publish_registry_ms": pulled[RuntimeName.LEGACY],
        }


def _ms(shelf: ImageShelf, name: str, runtime: RuntimeName) -> float:
    asked = ImageOrder(service="shop/web", reference=name, engine=ENGINE[runtime], runtime=runtime)
    found = shelf.resolve_image(asked)
    begin = time.perf_counter()
    shelf.publish_image(ImageOrder(service="shop/web", reference=name, engine=ENGINE[runtime], runtime=runtime, image=found))
    return (time.perf_counter() - begin) * 1e3
