"""What `docker save` writes (also skopeo and podman, as docker-archive): manifest.json, a config, layers as tars."""

import os
import re
import shlex

from rollout.runtimes.images.choose import Wanted, no_platform, some
from rollout.runtimes.images.config import Config, config, image
from rollout.runtimes.images.contents import named
from rollout.runtimes.images.digests import Summed
from rollout.runtimes.images.documents import Doc, parsed
from rollout.runtimes.images.image import Image, Layer
from rollout.runtimes.images.layer import check_layer
from rollout.runtimes.images.layout import count
from rollout.runtimes.images.limits import Limits, Room
from rollout.runtimes.images.reason import Reason, Refused, about, plainly, shown
from rollout.runtimes.images.source import Source, whole

MARK = "manifest.json"
_CONFIG_NAME = re.compile(r"(?:.*/)?([0-9a-f]{64})(?:\.json)?")
_BLOB_NAME = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")


def read_saved(source: Source, reference: str, wanted: Wanted, limits: Limits) -> Image:
    """The image that is wanted, checked whole. Its layers are held against the diff_ids of its config. Refused otherwise."""
    entry = _entry(_entries(source, limits), wanted)
    found = _config(source, entry, limits)
    if not _fits(found, wanted):
        raise no_platform([found.platform], wanted)
    with about("config", found.of):
        names = [_name(name) for name in entry.texts("Layers")]
        count(len(names), found, limits)
        layers = _layers(source, names, found, limits) if wanted.whole else ()
        return image(found, reference=reference, manifest=None, layers=layers)


def configs(source: Source, limits: Limits) -> set[str]:
    """The digests of the configs that manifest.json names."""
    return {_config(source, entry, limits).of for entry in _entries(source, limits)}


def _entries(source: Source, limits: Limits) -> list[Doc]:
    listed = parsed(whole(source, MARK, limits.document_bytes), MARK)
    if not isinstance(listed, list):
        raise Refused(Reason.NOT_AN_IMAGE, f"has a {MARK} that lists no images: it is not what docker save writes")
    return Doc({"images": listed}, MARK).many("images")


def _entry(found: list[Doc], wanted: Wanted) -> Doc:
    tags = [tag for entry in found for tag in entry.texts("RepoTags")]
    chosen = [entry for entry in found if wanted.tag is None or wanted.tag in entry.texts("RepoTags")]
    told = some(tags) or "none"
    then = f"{wanted.show} --tag {shlex.quote(plainly(tags[0]))}" if tags else wanted.show
    if not chosen:
        raise Refused(Reason.NO_SUCH_TAG, f"has no such image; tags: {told}", then=then)
    if len(chosen) > 1:
        raise Refused(Reason.WHICH, f"holds {len(chosen)} images; tags: {told}", then=then)
    return chosen[0]


def _config(source: Source, entry: Doc, limits: Limits) -> Config:
    name = _name(entry.text("Config"))
    data = whole(source, name, limits.document_bytes)
    summed = Summed(iter([data]))
    summed.drain()
    said = _CONFIG_NAME.fullmatch(name)
    with about("config", f"sha256:{said[1]}" if said else summed.digest):
        if said:
            summed.expect(f"sha256:{said[1]}")
        return config(Doc(parsed(data)), summed.digest)


def _layers(source: Source, names: list[str], found: Config, limits: Limits) -> tuple[Layer, ...]:
    room = Room.of(limits)
    known: dict[tuple[str, str], Layer] = {}
    for name, diff_id in zip(names, found.diff_ids, strict=True):
        if (name, diff_id) in known:
            continue
        said = _BLOB_NAME.fullmatch(name)
        digest = f"{said[1]}:{said[2]}" if said else None
        with about("layer", digest or diff_id):
            if source.size(name) is None:
                raise Refused(Reason.MISSING, f"has no {shown(name)}")
            known[name, diff_id] = check_layer(source, name, digest=digest, diff_id=diff_id, kind=None, limits=limits, room=room)
    return tuple(known[name, diff_id] for name, diff_id in zip(names, found.diff_ids, strict=True))


def _name(text: str) -> str:
    """A file within, by a name that cannot lead out."""
    return b"/".join(named(os.fsencode(text))).decode(errors="surrogateescape")


def _fits(found: Config, wanted: Wanted) -> bool:
    return found.platform.like(wanted.platform) and wanted.platform.variant in {"", found.platform.variant}
