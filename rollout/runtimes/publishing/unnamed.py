"""Layers that Podman has and no image names: what a copy leaves that was broken off. No command of Podman's removes them.

They are named, and then removed: an image is made of them, from below, as many as are there, which copies nothing; and with
that image Podman removes those of its layers that nothing else uses.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rollout.errors import BrokenError
from rollout.runtimes.engines.engine_images import EngineImages
from rollout.runtimes.images.descriptor import CONFIG, MANIFEST
from rollout.runtimes.images.image import here
from rollout.runtimes.publishing import stage
from rollout.runtimes.publishing.skopeo import Skopeo

NAME = "unnamed:layers"


def remove(engine: EngineImages, storage: str, diff_ids: Sequence[str], skopeo: Skopeo) -> None:
    """Podman has none of these layers unless something else uses it."""
    name = f"{engine.shelf}{NAME}"
    for count in range(len(diff_ids), 0, -1):
        if _named(name, storage, diff_ids[:count], skopeo):
            engine.drop(name)
            return


def _named(name: str, storage: str, diff_ids: Sequence[str], skopeo: Skopeo) -> bool:
    """There is an image of exactly these layers, all of which were there. None of them stands in the layout: nothing is read.

    BrokenError where nobody can tell: skopeo is not on this host, or the disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="unnamed-", dir=skopeo.scratch) as folder:
            _lay_out(Path(folder), diff_ids)
            skopeo.copy(f"oci:{folder}", f"containers-storage:{storage}{name}")
    except BrokenError as error:
        if error.then:
            raise
        return False
    except OSError as error:
        raise BrokenError(f"cannot write {skopeo.scratch}: {error.strerror}", then="free some space") from error
    return True


def _lay_out(folder: Path, diff_ids: Sequence[str]) -> None:
    platform = here()
    rootfs = {"type": "layers", "diff_ids": [*diff_ids]}
    config = {"os": platform.os, "architecture": platform.architecture, "config": {}, "rootfs": rootfs}
    described = stage.blob_of(folder, json.dumps(config).encode(), CONFIG)
    layers = [{"mediaType": stage.PLAIN, "digest": digest, "size": 1} for digest in diff_ids]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    stage.index(folder, stage.blob_of(folder, json.dumps(manifest).encode(), MANIFEST))
