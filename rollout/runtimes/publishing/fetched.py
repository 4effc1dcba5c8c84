"""An image of a registry, judged before an engine takes it: its documents, and the layers that were never judged, are fetched.

Layers that were judged before are not: in the layout that is judged a hole stands for each, as long as the layer. Whoever wants
to copy such a layer from there finds another digest, and takes it from the registry itself, by the digest that was judged.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.errors import BrokenError, ImageRefusedError
from rollout.runtimes.images.descriptor import CONFIGS, MANIFEST, Descriptor, descriptor, expect
from rollout.runtimes.images.digests import blob
from rollout.runtimes.images.documents import Doc, parsed
from rollout.runtimes.images.image import Image
from rollout.runtimes.images.known import Known
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.read import read_image
from rollout.runtimes.images.reason import Reason, Refused
from rollout.runtimes.publishing import stage
from rollout.runtimes.publishing.registry import summed
from rollout.runtimes.publishing.skopeo import Skopeo

THEN = "do not use it; have it built and pushed again by somebody you trust"
_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An image of a registry that was judged whole. `folder`: its layout; `whole`: no hole is in it."""

    image: Image
    folder: Path
    whole: bool


@contextmanager
def fetched(name: str, digest: str, skopeo: Skopeo, known: Known, *options: str) -> Iterator[Fetched]:
    """The image of this name in a registry, until the end.

    BrokenError with skopeo's words where the registry does not give it. ImageRefusedError for whatever is wrong with it.
    """
    folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=skopeo.scratch))
    try:
        holes = _laid_out(name, digest, folder, skopeo=skopeo, known=known, options=options)
        image = read_image(folder, digest=digest, known=known, named=name)
        yield Fetched(image=image, folder=folder, whole=not holes)
    except Refused as refused:
        what = f"image {name} {refused.told}"
        raise ImageRefusedError(what, reason=refused.reason, image=name, digest=refused.digest, then=THEN) from refused
    except ImageRefusedError as error:
        raise ImageRefusedError(error.what, reason=error.reason, image=name, digest=error.digest, then=THEN) from error
    except OSError as error:
        raise BrokenError(f"cannot write {folder}: {error.strerror}", then="free some space") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _laid_out(
    name: str, digest: str, folder: Path, *, skopeo: Skopeo, known: Known, options: Sequence[str]
) -> Sequence[Descriptor]:
    """A layout stands in the folder; those of its layers that are holes."""
    data = skopeo.manifest(name, *options)
    summed(data, digest)
    manifest = Doc(parsed(data), name)
    config, layers = descriptor(manifest.inner("config")), [descriptor(one) for one in manifest.many("layers")]
    expect(config, CONFIGS, "the config of an image")
    _bounded(config, layers)
    new: list[Descriptor] = []
    holes: list[Descriptor] = []
    for layer in {one.digest: one for one in layers}.values():
        before = known.of(layer.digest)
        (holes if before is not None and before.size == layer.size else new).append(layer)
    brought = skopeo.blobs(name, [config.digest, *(layer.digest for layer in new)], folder, *options)
    for one in (config, *new):
        target = folder / blob(one.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        (brought / target.name).replace(target)
    for layer in holes:
        with (folder / blob(layer.digest)).open("wb") as file:
            os.truncate(file.fileno(), layer.size)
    media_type = manifest.text("mediaType") or MANIFEST
    stage.index(folder, stage.blob_of(folder, data, media_type))
    return holes


def _bounded(config: Descriptor, layers: Sequence[Descriptor]) -> None:
    """Nobody fetches more than an image may hold. Refused otherwise."""
    if len(layers) > _LIMITS.layers:
        raise Refused(Reason.TOO_MANY_LAYERS, f"has {len(layers):,} layers; at most {_LIMITS.layers} are accepted")
    if config.size > _LIMITS.document_bytes:
        raise Refused(Reason.TOO_LONG, f"has a config of {config.size:,} bytes; at most {_LIMITS.document_bytes:,} are accepted")
    if (size := sum(layer.size for layer in layers)) > _LIMITS.image_bytes:
        raise Refused(Reason.TOO_LARGE, f"has layers of {size:,} bytes; at most {_LIMITS.image_bytes:,} are accepted")
