"""A layout of one image alone, by its digest wherever tags point to: what skopeo is handed."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from rollout.errors import BrokenError
from rollout.runtimes.images import compression
from rollout.runtimes.images.digests import blob
from rollout.runtimes.images.image import Image, Layer
from rollout.runtimes.images.layout import MARK
from rollout.runtimes.images.limits import Limits
from rollout.runtimes.images.reason import Refused
from rollout.runtimes.images.source import FolderSource, Source, source

PLAIN = "application/vnd.oci.image.layer.v1.tar"
_LIMITS = Limits()


@contextmanager
def staged(path: Path, image: Image, scratch: Path, *, plainly: bool) -> Iterator[Path]:
    """The folder of the layout, until the end. Blobs of a folder are led to by links, those of a tar copied.

    `plainly`: layers in zstd, which skopeo does not convert for Docker, stand there unpacked; the configuration is the same.
    """
    folder = Path(tempfile.mkdtemp(prefix="stage-", dir=scratch))
    try:
        with closing(source(path, _LIMITS)) as opened:
            _lay_out(opened, path, image, folder, plainly=plainly)
        yield folder
    except OSError as error:
        raise BrokenError(f"cannot write {folder}: {error.strerror}", then="free some space") from error
    except Refused as refused:  # it was good when it was judged, a moment ago
        raise BrokenError(f"{path} changed while it was published: {refused.told}", then="the same command again") from refused
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(opened: Source, path: Path, image: Image, folder: Path, *, plainly: bool) -> None:
    unpacked = [layer for layer in image.layers if plainly and layer.compression == compression.ZSTD]
    as_they_are = {image.digest, image.config_digest, *(layer.digest for layer in image.layers if layer not in unpacked)}
    for name in map(blob, as_they_are):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(opened, FolderSource):
            target.symlink_to(path.resolve() / name)
        else:
            _write(target, opened.chunks(name))
    for layer in unpacked:
        _write(folder / blob(layer.diff_id), compression.unpacked(opened.chunks(blob(layer.digest)), compression.ZSTD))
    described = {"mediaType": image.media_type, "digest": image.digest, "size": (folder / blob(image.digest)).stat().st_size}
    if unpacked:
        described |= _rewritten(folder, image, {layer.digest: layer for layer in unpacked})
    index(folder, described)


def _rewritten(folder: Path, image: Image, unpacked: dict[str, Layer]) -> dict[str, object]:
    """A manifest that leads to the layers that were unpacked stands there; where."""
    manifest = json.loads((folder / blob(image.digest)).read_bytes())
    for described in manifest["layers"]:
        if layer := unpacked.get(described["digest"]):
            described |= {"mediaType": PLAIN, "digest": layer.diff_id, "size": layer.unpacked}
    return blob_of(folder, json.dumps(manifest).encode(), image.media_type)


def blob_of(folder: Path, data: bytes, media_type: str) -> dict[str, object]:
    """The data stands in the layout; what leads to it."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    _write(folder / blob(digest), iter([data]))
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def index(folder: Path, manifest: Mapping[str, object]) -> None:
    """The folder is a layout of the image of this manifest."""
    (folder / MARK).write_text('{"imageLayoutVersion": "1.0.0"}', encoding="ascii")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}), encoding="ascii")


def _write(target: Path, chunks: Iterator[bytes]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
