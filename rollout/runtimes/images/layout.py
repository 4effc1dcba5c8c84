"""An OCI image layout, as folder or tar: index, manifest, config and layers, each held against what leads to it."""

import json

from rollout.runtimes.images.choose import Offers, Wanted, listed, of_platform, tagged
from rollout.runtimes.images.config import Config, config, image
from rollout.runtimes.images.descriptor import (
    CONFIGS,
    LAYERS,
    MANIFESTS,
    Descriptor,
    descriptor,
    document,
    expect,
    same_kind,
    there,
)
from rollout.runtimes.images.digests import blob
from rollout.runtimes.images.documents import Doc, parsed
from rollout.runtimes.images.image import Image, Layer
from rollout.runtimes.images.known import fits
from rollout.runtimes.images.layer import check_layer
from rollout.runtimes.images.limits import Limits, Room
from rollout.runtimes.images.reason import Reason, Refused, about
from rollout.runtimes.images.source import Source, whole

MARK = "oci-layout"
_INDEX = "index.json"
_VERSION = "1.0.0"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def read_layout(source: Source, reference: str, wanted: Wanted, limits: Limits) -> Image:
    """The image that is wanted, checked whole. Refused otherwise."""
    said = Doc(parsed(whole(source, MARK, limits.document_bytes), MARK), MARK).text("imageLayoutVersion")
    if said != _VERSION:
        raise Refused(Reason.MALFORMED, f"is a layout of version {json.dumps(said)}, not {_VERSION}")
    if wanted.digest:
        return _of_manifest(source, _direct(source, wanted.digest, limits), reference, wanted, limits)
    index = Doc(parsed(whole(source, _INDEX, limits.document_bytes), _INDEX), _INDEX)
    offers = Offers(source, limits)
    top = listed(index, Descriptor(media_type=index.text("mediaType") or _INDEX_TYPE, digest="", size=0))
    offers.gather(tagged(top, wanted))
    chosen = of_platform(offers.found, wanted)
    return _of_manifest(source, chosen, reference, wanted, limits)


def _direct(source: Source, digest: str, limits: Limits) -> Descriptor:
    """The manifest of this digest, whether the index still leads to it or not."""
    with about("manifest", digest):
        if (size := source.size(blob(digest))) is None:
            raise Refused(Reason.MISSING, "is missing")
        said = Doc(parsed(whole(source, blob(digest), limits.document_bytes))).text("mediaType")
        found = Descriptor(media_type=said or _MANIFEST_TYPE, digest=digest, size=size)
    expect(found, MANIFESTS, "a manifest")
    return found


def _of_manifest(source: Source, chosen: Descriptor, reference: str, wanted: Wanted, limits: Limits) -> Image:
    with about("manifest", chosen.digest):
        return _checked(source, chosen, reference, wanted, limits)


def _checked(source: Source, chosen: Descriptor, reference: str, wanted: Wanted, limits: Limits) -> Image:
    manifest = document(source, chosen, "manifest", limits)
    same_kind(manifest, chosen, index=False)
    of = descriptor(manifest.inner("config"))
    expect(of, CONFIGS, "the config of an image")
    with about("config", of.digest):
        found = config(document(source, of, "config", limits), of.digest)
        if chosen.platform and not chosen.platform.like(found.platform):
            told = f"is said to be for {chosen.platform}, and its config says {found.platform}"
            raise Refused(Reason.PLATFORM_LIES, told)
    stored = [descriptor(one) for one in manifest.many("layers")]
    layers = _layers(source, stored, found, wanted, limits) if wanted.whole else ()
    with about("config", of.digest):
        return image(found, reference=reference, manifest=chosen.digest, layers=layers, media_type=chosen.media_type)


def _layers(source: Source, stored: list[Descriptor], found: Config, wanted: Wanted, limits: Limits) -> tuple[Layer, ...]:
    """All layers, the cheap checks of all first; one that stands there twice is read once, one that is known not at all."""
    count(len(stored), found, limits)
    for one in stored:
        expect(one, LAYERS, "a layer")
        there(source, one)
    room = Room.of(limits)
    judged: dict[tuple[str, str], Layer] = {}
    for one, diff_id in zip(stored, found.diff_ids, strict=True):
        if (one.digest, diff_id) not in judged:
            judged[one.digest, diff_id] = _layer(source, one, diff_id, wanted, limits=limits, room=room)
    return tuple(judged[one.digest, diff_id] for one, diff_id in zip(stored, found.diff_ids, strict=True))


def _layer(source: Source, one: Descriptor, diff_id: str, wanted: Wanted, *, limits: Limits, room: Room) -> Layer:
    kind = LAYERS[one.media_type]
    before = wanted.known.of(one.digest)
    as_said = before is not None and (before.size, before.diff_id, before.compression) == (one.size, diff_id, kind)
    if before is not None and as_said and fits(before, limits, room):
        return before
    with about("layer", one.digest):
        layer = check_layer(source, blob(one.digest), digest=one.digest, diff_id=diff_id, kind=kind, limits=limits, room=room)
    wanted.known.add(layer)
    return layer


def count(layers: int, found: Config, limits: Limits) -> None:
    """There are as many layers as diff_ids, and not too many."""
    if layers > limits.layers:
        raise Refused(Reason.TOO_MANY_LAYERS, f"has {layers:,} layers; at most {limits.layers} are accepted")
    if layers != len(found.diff_ids):
        raise Refused(Reason.LAYER_COUNT, f"has {layers} layers, and its config has diff_ids for {len(found.diff_ids)}")
